"""The cohort: one table with one row per image, the same for every dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd

from ssl_bench.errors import DataError, Problems, guesses, shortened
from ssl_bench.plugin import labels as label_space
from ssl_bench.plugin.feature_specs import SHARED, FeatureSpec

IDENTIFIERS = ("image_id", "image_path", "patient_id", "study_id", "split")
"""Text columns that every cohort has; ``image_path`` is relative to the root, with forward slashes."""

SPLITS = ("train", "validate", "test")

RAW = "raw:"
"""Prefix of the columns that keep a label as the file had it."""


@dataclass(frozen=True)
class Cohort:
    """Images of one dataset with their patients, EHR features and labels.

    Args:
        name: the dataset's name.
        root: the folder that ``image_path`` is relative to.
        frame: the columns of :data:`IDENTIFIERS`, ``features`` (numbers, or text, missing as NaN)
            and ``labels`` (1, 0, -1 uncertain, NaN blank, until :meth:`with_labels` settles them).
        features: names of the EHR features in ``frame``.
        labels: names of the findings in ``frame``.
        official_split: the split column comes from the dataset's authors.
        synthetic: the images are generated; every table and picture says so.
        counts: what the reader noticed (``{"implausible age": 3}``), for the plan and the record.
        sources: rows that the files held before any were left out (``{"train.csv": 223414}``), for
            ``sslbench data check``; names as in the descriptor's ``published``.
        notes: what a reader of results must know, :class:`ssl_bench.plugin.notes.Note` each, which says what of it
            may leave the machine; of a bare sentence nothing may.
        unmapped: findings of the files that no label stands for, with their number of images, for ``data check``.
        boxes: around findings of some images: columns ``image_id, finding, left, top, right, bottom, aspect``, sides as
            shares of the picture's width and height, ``aspect`` its width by its height, and ``part`` where rectangles
            make a mask together; None: the dataset has none.
        declared: features that the dataset declares beside the shared ones, by name; the core fills them in.
        sensitivity: positive images by finding (``{"readers=any": {"Edema": 12}}``) under each policy that could have
            settled labels of several readers or grades, the chosen one too.
        blank_unjudged: a blank says that nobody judged the finding (readers, grades), not that a report is silent on
            it, so no policy makes it 0.
    """

    name: str
    root: Path
    frame: pd.DataFrame
    features: tuple[str, ...]
    labels: tuple[str, ...]
    official_split: bool = True
    synthetic: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unmapped: Mapping[str, int] = field(default_factory=dict)
    sensitivity: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    boxes: pd.DataFrame | None = None
    declared: Mapping[str, FeatureSpec] = field(default_factory=dict)
    blank_unjudged: bool = False

    @property
    def specs(self) -> Mapping[str, FeatureSpec]:
        """What every feature is, by name."""
        return {**SHARED, **self.declared}

    def __len__(self) -> int:
        return len(self.frame)

    def split(self, name: str) -> pd.DataFrame:
        """The rows of one split."""
        return self.frame[self.frame["split"] == name]

    def with_frame(self, frame: pd.DataFrame) -> Cohort:
        """The same cohort with another table."""
        return replace(self, frame=frame.reset_index(drop=True))

    def with_labels(
        self, space: str | Sequence[str], uncertain: label_space.Policy, blank: label_space.Policy
    ) -> Cohort:
        """Labels of one space, or some findings, as 1, 0 or NaN (unknown); the raw values move to ``raw:<finding>``.

        An image whose findings are all blank, ``No Finding`` among them, was never labelled and stays unknown: its
        blanks do not say that a finding is absent. An image with ``No Finding`` 1 has none, so its blanks are 0 under
        every policy; a support device is no finding in this sense.

        Raises:
            DataError: values other than 1, 0, -1 and blank, or findings that the dataset lacks.
        """
        raw = label_space.in_space(self.frame[list(self.labels)], space)
        label_space.check_values(raw, self.frame["image_id"])
        settled = label_space.apply_policy(raw, uncertain, "ignore" if self.blank_unjudged else blank)
        if label_space.NO_FINDING in self.labels:
            settled = settled.mask(self.frame[list(self.labels)].isna().all(axis=1))
            implied = [str(label) for label in settled if label not in label_space.NOT_IMPLIED]
            healthy = (self.frame[label_space.NO_FINDING] == 1).to_numpy()[:, None] & raw[implied].isna()
            settled[implied] = settled[implied].mask(healthy, 0.0)
        frame = self.frame.drop(columns=list(self.labels)).join(settled).join(raw.add_prefix(RAW))
        return replace(self, frame=frame, labels=tuple(settled.columns))


def merge_duplicates(cohort: Cohort) -> Cohort:
    """The cohort with identical rows merged and counted; rows that share an image id and differ stay, to be refused."""
    kept = cohort.frame.drop_duplicates()
    merged = len(cohort) - len(kept)
    if not merged:
        return cohort
    return replace(cohort.with_frame(kept), counts={**cohort.counts, "identical rows merged": merged})


def check_columns(cohort: Cohort) -> None:
    """The columns that a cohort says it has; no other check can run without them.

    Raises:
        DataError: columns are missing or occur twice.
    """
    found = [str(column) for column in cohort.frame.columns]
    wanted = (*IDENTIFIERS, *cohort.features, *cohort.labels)
    missing = [column for column in wanted if column not in found]
    if missing:
        hints = guesses(missing, found)
        raise DataError(
            f"the cohort of '{cohort.name}' lacks the columns {shortened(missing)}{f' ({hints})' if hints else ''}; "
            f"found {shortened(found)}; correct the dataset's reader"
        )
    double = [column for column in wanted if found.count(column) > 1]
    if double:
        raise DataError(f"the cohort of '{cohort.name}' has the columns {shortened(double)} twice; keep one of each")


def check_cohort(cohort: Cohort) -> None:
    """Everything a cohort must hold before anything is built from it.

    Raises:
        DataError: all problems at once: lacking columns, duplicate images, blank identifiers, unknown splits, paths
            that leave the root, files of several patients.
    """
    check_columns(cohort)
    problems = Problems()
    problems.run(partial(label_space.check_names, cohort.labels, f"dataset '{cohort.name}'"))
    for column in IDENTIFIERS[:4]:
        problems.run(partial(_check_not_blank, cohort, column))
    for check in (_check_unique, _check_splits, _check_paths, _check_one_patient):
        problems.run(partial(check, cohort))
    problems.raise_if_any()


def _check_not_blank(cohort: Cohort, column: str) -> None:
    blank = cohort.frame[column].isna() | (cohort.frame[column].astype(str) == "")
    if blank.any():
        raise DataError(f"{column} must not be blank; found {int(blank.sum())} blank rows, first {blank.idxmax()}")


def _check_unique(cohort: Cohort) -> None:
    ids = cohort.frame["image_id"].dropna()
    double = ids[ids.duplicated()].unique().tolist()
    if double:
        raise DataError(
            f"image ids must be unique; {len(double)} occur twice: {shortened(double)}; remove the copies, or merge "
            "identical rows by --set data.merge_duplicates=true"
        )


def _check_splits(cohort: Cohort) -> None:
    strange = sorted(set(cohort.frame["split"].unique().astype(str)) - set(SPLITS))
    if strange:
        raise DataError(f"splits must be {', '.join(SPLITS)}; found {shortened(strange)}")


def _check_paths(cohort: Cohort) -> None:
    paths = cohort.frame["image_path"].dropna()
    suspects = paths[paths.str.contains(r"\.\.|^/|\\|^.:", regex=True).astype(bool)]
    bad = [path for path in suspects if leaves_root(path)]
    if bad:
        raise DataError(f"image paths must stay below {cohort.root}; refused: {shortened(bad)}")


def _check_one_patient(cohort: Cohort) -> None:
    """A file is of one patient, or the leakage gate would see two where a picture is in two splits."""
    frame = cohort.frame[["image_path", "patient_id", "split"]].dropna()
    odd = frame["image_path"].str.contains(r"\\|//|(?:^|/)\./", regex=True).astype(bool)
    plain = frame["image_path"].copy()
    plain[odd] = [os.path.normpath(_posix(path)) for path in plain[odd]]
    if plain.is_unique:
        return
    again = frame[plain.duplicated(keep=False)].groupby(plain, sort=False)
    several = again["patient_id"].unique()[lambda patients: patients.map(len) > 1]
    if several.empty:
        return
    told = [f"{path} ({', '.join(map(str, patients))})" for path, patients in several.items()]
    across = int((again["split"].nunique()[several.index] > 1).sum())
    aside = f", {across} of them in several splits" * bool(across)
    raise DataError(
        f"an image file belongs to one patient; {len(told)} belong to several{aside}: {shortened(told, 5)}; correct "
        "their paths or ids"
    )


def leaves_root(path: str) -> bool:
    """Whether a relative path is absolute or climbs out of its root by ``..`` (links: see :func:`inside`)."""
    posix = _posix(path)  # as text: a PurePosixPath for each of 377,110 images takes 8 s
    return posix.startswith("/") or ".." in posix.split("/") or path[1:2] == ":"


def _posix(path: str) -> str:
    return path.replace("\\", "/")


ANYWHERE = "any"
"""The word for every folder where links may lead."""


def missing_images(cohort: Cohort, links: Sequence[str] = ()) -> list[str]:
    """Relative paths of images that are not files below the root, links out of it included.

    Args:
        cohort: with paths relative to its root.
        links: folders that links may lead into; ``any``: everywhere.
    """
    root = cohort.root.resolve()
    homes = (root, *(Path("/" if folder == ANYWHERE else folder).expanduser().resolve() for folder in links))
    folders, listed = {"": True}, dict[str, set[str]]()
    missing = []
    for path in cohort.frame["image_path"].dropna():
        folder, _, name = path.rpartition("/")
        if folder not in listed:  # one look at a folder tells of all its files
            below = not leaves_root(folder) and _is_below(root, folder, folders, homes)
            listed[folder] = _plain_files(os.path.join(root, folder)) if below else set()
        if name not in listed[folder] and not _is_image(root, path, folders, homes):
            missing.append(path)
    return missing


def _plain_files(folder: str) -> set[str]:
    """Names of the files of a folder, links left out; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    except (OSError, ValueError):
        return set()


def _is_image(root: Path, path: str, folders: dict[str, bool], homes: Sequence[Path]) -> bool:
    # os.path answers where Path raises (a name that is too long is no file either), and in a quarter of the time.
    whole = os.path.join(root, path)
    if not os.path.isfile(whole):
        return False
    if leaves_root(path) or os.path.islink(whole):
        return inside(root, path, homes)
    return _is_below(root, os.path.dirname(path), folders, homes)


def _is_below(root: Path, folder: str, known: dict[str, bool], homes: Sequence[Path]) -> bool:
    """Whether a relative folder is in one of the homes once links are followed; each folder is asked once."""
    if folder not in known:
        above = _is_below(root, os.path.dirname(folder), known, homes)
        linked = os.path.islink(os.path.join(root, folder))
        known[folder] = inside(root, folder, homes) if linked else above
    return known[folder]


def inside(root: Path, path: str, homes: Sequence[Path] = ()) -> bool:
    """Whether ``root / path`` is below the resolved ``root``, or another home, once links are followed."""
    whole = (root / path).resolve()
    return any(whole.is_relative_to(home) for home in (homes or (root,)))
