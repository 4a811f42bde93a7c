"""A split of the user's own for any dataset: a CSV file of ids with their split, in the place of the official one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ssl_bench.data.ids import canonical
from ssl_bench.data.tables import header_of, read_csv
from ssl_bench.errors import DataError, UsageError, guesses, shortened
from ssl_bench.plugin.cohort import SPLITS, Cohort
from ssl_bench.plugin.notes import Note

DRAWN = "patients"
"""The value of a dataset's option ``split`` by which it draws one by patient, and needs no file of an official one."""

KEYS = {
    "image_id": ("image_id", "dicom_id"),
    "study_id": ("study_id",),
    "patient_id": ("patient_id", "subject_id"),
}
"""Columns that may name rows, the finest identifier first; MIMIC's names are known too."""

SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    "training": "train",
    "val": "validate",
    "valid": "validate",
    "validation": "validate",
    "testing": "test",
}
"""What splits are usually called."""


@dataclass(frozen=True)
class OwnSplit:
    """A split file.

    Args:
        path: of the file.
        column: the identifier that it names rows by.
        splits: by the canonical spelling of each id.
        sha256: of the file.
    """

    path: Path
    column: str
    splits: Mapping[str, str]
    sha256: str

    @property
    def rows(self) -> str:
        """What it names, in words."""
        return {"image_id": "images", "study_id": "studies", "patient_id": "patients"}[self.column]


def read_own_split(path: Path) -> OwnSplit:
    """A split file: ``split`` beside ``patient_id`` (or ``subject_id``), ``study_id`` or ``image_id`` (``dicom_id``).

    Raises:
        UsageError: it is not there.
        DataError: it is no table, has no such columns, unknown splits, or two splits for one id.
    """
    if not path.is_file():
        raise UsageError(f"--split expects a CSV file, found none at {path}")
    header = header_of(path)
    column, name = next(
        ((ours, name) for ours, names in KEYS.items() for name in names if name in header), ("patient_id", "patient_id")
    )
    text = read_csv(path, {"id": name, "split": "split"})
    text.check_filled("id", "split")
    split = text.frame["split"].map(lambda value: SPLIT_NAMES.get(value.lower(), ""))
    strange = text.frame.loc[split == "", "split"].unique().tolist()
    if strange:
        hints = guesses(strange, SPLIT_NAMES)
        raise DataError(
            f"split of {path} must be {', '.join(SPLITS)}; found {shortened(strange)}{'; ' + hints if hints else ''}"
        )
    pairs = text.frame.assign(id=text.frame["id"].map(canonical), split=split).drop_duplicates(["id", "split"])
    double = text.frame.loc[pairs.index[pairs["id"].duplicated()], "id"].tolist()
    if double:
        raise DataError(
            f"{path} must have one split for each {name}; {len(double)} have two: {shortened(double)}; keep one of each"
        )
    found = dict(zip(pairs["id"], pairs["split"], strict=True))
    return OwnSplit(path, column, found, hashlib.sha256(path.read_bytes()).hexdigest())


def apply_split(cohort: Cohort, own: OwnSplit, *, skip: bool = False) -> Cohort:
    """The cohort with the split of the file, which its record and its results tell with the file's hash.

    Args:
        cohort: whose ids are sound.
        own: the split file.
        skip: leave images out that it has no split for, instead of refusing them.

    Raises:
        DataError: it has no split for some images, or for none.
    """
    keys = cohort.frame[own.column].map({text: canonical(text) for text in cohort.frame[own.column].unique()})
    split = keys.map(own.splits)
    lacking = cohort.frame.loc[split.isna(), own.column].unique().tolist()
    if split.isna().all() or (lacking and not skip):
        raise DataError(
            f"{own.path} has no split for {len(lacking)} of {keys.nunique()} {own.rows} of '{cohort.name}': "
            f"{shortened(lacking)}; add them, or leave their images out by --on-unlisted skip"
        )
    strangers = len(set(own.splits) - set(keys))
    counts = {
        f"{own.rows} of the split file that are not in the data": strangers,
        f"images left out, whose {own.rows} the split file lacks": int(split.isna().sum()),
    }
    frame = cohort.frame.assign(split=split)[split.notna()]
    return replace(
        cohort.with_frame(frame),
        official_split=False,
        counts={**cohort.counts, **{what: count for what, count in counts.items() if count}},
        notes=(*cohort.notes, _note(own, counts)),
    )


def _note(own: OwnSplit, counts: Mapping[str, int]) -> Note:
    told = "".join(f"; {count:,} {what}" for what, count in counts.items() if count)
    text = f"the split is the user's own file (sha256 {own.sha256[:12]}), by {own.rows}{told}"
    numbers = {"sha256": own.sha256, "listed": len(own.splits)}
    return Note("own-split", text, numbers=numbers)
