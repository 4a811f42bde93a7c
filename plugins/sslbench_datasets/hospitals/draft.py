"""What every loader here shares: a cohort in the making, which counts what it leaves out, and the reader around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import pandas as pd

from ssl_bench.data.synthetic import is_synthetic
from ssl_bench.data.tables import locate
from ssl_bench.errors import DataError, UsageError, shortened, unknown
from ssl_bench.plugin.cohort import IDENTIFIERS, Cohort
from ssl_bench.plugin.features import CATEGORIES
from ssl_bench.plugin.notes import Note
from ssl_bench.plugin.options import Options
from ssl_bench.plugin.splits import DEFAULT_SHARES, assign, select
from sslbench_datasets.attributes import by_beginning, count_untold
from sslbench_datasets.values import count_ages, count_values, parse_age, plausible

Own = TypeVar("Own", bound=Options)

SPLITS = {"train": "train", "val": "validate", "valid": "validate", "validate": "validate", "test": "test"}
"""Names that the layouts give to splits, and ours."""

SEXES = {"m": "M", "f": "F", "male": "M", "female": "F"}
"""In lower case."""


@dataclass
class Draft:
    """A cohort in the making: one row an image, in the order of the files.

    Args:
        name: of the dataset.
        root: of the images.
        rows: identifiers, and features and labels as they are added.
        sources: rows of the files before any are left out.
        counts: what was noticed.
        notes: what a reader of results must know.
        unmapped: findings of the files that none of ours stands for, with the number of their images.
        sensitivity: positive images by finding, under each policy that could have settled the labels.
        blank_unjudged: a blank is a finding that nobody judged.
    """

    name: str
    root: Path
    rows: pd.DataFrame
    sources: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    unmapped: dict[str, int] = field(default_factory=dict)
    sensitivity: dict[str, dict[str, int]] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    official: bool = False
    boxes: pd.DataFrame | None = None
    blank_unjudged: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        root: Path,
        image_id: pd.Series,
        path: pd.Series,
        patient: pd.Series,
        study: pd.Series | None = None,
    ) -> Draft:
        """A draft of images with their paths below the root, patients and studies (an image each if not given)."""
        whole = {"images": len(image_id), "patients": patient.nunique()}
        if study is not None:
            whole["studies"] = study.nunique()
        named = {"image_id": image_id, "image_path": path, "patient_id": patient}
        rows = pd.DataFrame({**named, "study_id": image_id if study is None else study})
        return cls(name, root, rows.reset_index(drop=True), whole)

    def age(self, text: pd.Series, years: pd.Series | None = None) -> None:
        """The age in years; ``text`` is what the file says, for the counts."""
        years = parse_age(text) if years is None else years
        self._feature("age", years, count_ages(text, years))

    def category(self, feature: str, text: pd.Series, meaning: Mapping[str, str]) -> None:
        """A feature with a vocabulary: our value for each of the file's, in any case; others are missing."""
        lowered = {value.lower(): ours for value, ours in meaning.items()}
        known = text.str.lower().map(lowered).astype(object)
        self._feature(feature, known, count_values(text, known, feature))

    def told(self, feature: str, table: pd.DataFrame, meanings: Mapping[str, str]) -> None:
        """A feature by how its text begins (:func:`sslbench_datasets.attributes.by_beginning`), if the table has it."""
        if feature in table:
            known = by_beginning(table[feature], meanings)
            self._feature(feature, known, count_untold(table[feature], known, feature))

    def text(self, feature: str, table: pd.DataFrame) -> None:
        """A feature whose values are the file's own, if the table has it."""
        if feature in table:
            given = table[feature].str.strip()
            known = given.astype(object).where(given != "", None)
            self._feature(feature, known, {f"missing {feature}": int((given == "").sum())})

    def number(self, feature: str, table: pd.DataFrame) -> None:
        """A shared feature that is a number, if the table has it; what is implausible is missing, and counted."""
        if feature in table:
            known = plausible(table[feature], feature)
            self._feature(feature, known, count_values(table[feature], known, feature))

    def _feature(self, name: str, values: pd.Series, counts: Mapping[str, int]) -> None:
        self.rows[name] = values.to_numpy()
        self.features.append(name)
        self.counts |= counts

    def findings(self, marks: pd.DataFrame) -> None:
        """Labels as 1, 0, -1 or NaN, a column each, in the order of the rows."""
        self.rows = self.rows.join(marks.astype(float).set_axis(self.rows.index))
        self.labels = [str(label) for label in marks]
        self.counts["images without any label"] = int(marks.isna().all(axis=1).sum())

    def leave_out(self, rows: pd.Series, what: str) -> None:
        """Leave rows out, and count them.

        Raises:
            DataError: none is left.
        """
        gone = rows.to_numpy(dtype=bool)
        self.counts[what] = self.counts.get(what, 0) + int(gone.sum())
        if gone.all():
            raise DataError(f"no image of '{self.name}' is left at {self.root}: all {len(gone):,} are {what}")
        self.rows = self.rows[~gone]

    def see(self, views: Sequence[str]) -> None:
        """Leave out images of other views, and those without one, unless ``all`` are asked for."""
        if "all" in views:
            return
        view = self.rows["view"]
        if not view.isin(views).any():
            found = shortened(sorted(view.dropna().unique())) or "none"
            raise DataError(f"no image of '{self.name}' has the view {' or '.join(views)}; found {found}; widen views")
        self.leave_out(view.isna(), "images without a known view left out")
        self.leave_out(~self.rows["view"].isin(views), "images of other views left out")

    def official_split(self, text: pd.Series, where: object) -> None:
        """The authors' own split, in rows as read; without validation rows a tenth of the training patients selects.

        Raises:
            DataError: a row has none, or one that is unknown.
        """
        split = text.str.lower().map(SPLITS)
        strange = text[split.isna()].unique().tolist()
        if strange:
            raise DataError(f"splits of {where} must be {', '.join(SPLITS)}; found {shortened(map(repr, strange))}")
        self.rows["split"] = split.to_numpy()
        self.official = True

    def cohort(self) -> Cohort:
        """The cohort; images without an official split are divided 70/10/20 by patient."""
        rows = self.rows.reset_index(drop=True)
        if "split" not in rows:
            rows["split"] = assign(rows["patient_id"], DEFAULT_SHARES)
        elif not (rows["split"] == "validate").any():
            rows["split"] = select(rows["patient_id"], rows["split"])
        return Cohort(
            self.name, self.root, rows[[*IDENTIFIERS, *self.features, *self.labels]], tuple(self.features),
            tuple(self.labels), official_split=self.official, synthetic=is_synthetic(self.root),
            counts={what: count for what, count in self.counts.items() if count}, sources=self.sources,
            notes=tuple(self.notes), unmapped=self.unmapped, sensitivity=self.sensitivity,
            boxes=self.boxes, blank_unjudged=self.blank_unjudged,
        )  # fmt: skip


class Layout(ABC, Generic[Own]):
    """A reader: a subclass says how the files become a :class:`Draft`."""

    name: ClassVar[str]
    model: ClassVar[type[Options]]

    def __init__(self, options: Own | None = None) -> None:
        self.options: Own = options or self.model()  # type: ignore[assignment]
        known = (*CATEGORIES["view"], "all")
        for view in getattr(self.options, "views", ()):
            if view not in known:
                raise UsageError(unknown("view", view, known))

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder given by ``--root``; errors as :func:`ssl_bench.data.tables.locate`."""
        return locate(self.name, root)

    def read(self, root: Path) -> Cohort:
        """One row per image that is kept; see :class:`ssl_bench.plugin.contracts.Dataset`."""
        return self.draft(root).cohort()

    @abstractmethod
    def draft(self, root: Path) -> Draft:
        """The images of the files under ``root``.

        Raises:
            DataError: files or columns are missing, or values are impossible.
        """


def no_patients(count: int, why: str) -> Note:
    """The note of a dataset whose images have no patient: two films of one person may be in two splits."""
    text = f"there are no patient ids ({why}): each of the {count:,} images counts as a patient of its own"
    return Note("no-patients", text, numbers={"images": count})
