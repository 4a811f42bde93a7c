"""The cohort: one table with one row per image, the same for every dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from ssl_bench.data import labels as label_space
from ssl_bench.errors import DataError, Problems, shortened

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
        frame: the columns of :data:`IDENTIFIERS`, ``features`` (``age`` in years, the others text, missing as NaN)
            and ``labels`` (1, 0, -1 uncertain, NaN blank, until :meth:`with_labels` settles them).
        features: names of the EHR features in ``frame``.
        labels: names of the findings in ``frame``.
        official_split: the split column comes from the dataset's authors.
        counts: what the reader noticed (``{"implausible age": 3}``), for the plan and the record.
    """

    name: str
    root: Path
    frame: pd.DataFrame
    features: tuple[str, ...]
    labels: tuple[str, ...]
    official_split: bool = True
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def split(self, name: str) -> pd.DataFrame:
        """The rows of one split."""
        return self.frame[self.frame["split"] == name]

    def with_frame(self, frame: pd.DataFrame) -> Cohort:
        """The same cohort with another table."""
        return replace(self, frame=frame.reset_index(drop=True))

    def with_labels(self, space: str, uncertain: label_space.Policy, blank: label_space.Policy) -> Cohort:
        """Labels of one space as 1, 0 or NaN (unknown); the raw values move to ``raw:<finding>``.

        Raises:
            DataError: values other than 1, 0, -1 and blank, or findings that the dataset lacks.
        """
        raw = label_space.in_space(self.frame[list(self.labels)], space)
        label_space.check_values(raw, self.frame["image_id"])
        settled = label_space.apply_policy(raw, uncertain, blank)
        frame = self.frame.drop(columns=list(self.labels)).join(settled).join(raw.add_prefix(RAW))
        return replace(self, frame=frame, labels=tuple(settled.columns))


def check_cohort(cohort: Cohort) -> None:
    """Everything a cohort must hold before anything is built from it.

    Raises:
        DataError: all problems at once: lacking columns, duplicate images, blank identifiers, unknown splits, paths
            that leave the root.
    """
    missing = [column for column in IDENTIFIERS if column not in cohort.frame.columns]
    if missing:
        raise DataError(f"the cohort of '{cohort.name}' lacks the columns {shortened(missing)}")
    problems = Problems()
    for check in (_check_identifiers, _check_splits, _check_paths):
        problems.run(partial(check, cohort))
    problems.raise_if_any()


def _check_identifiers(cohort: Cohort) -> None:
    frame = cohort.frame
    for column in IDENTIFIERS[:4]:
        blank = frame[column].isna() | (frame[column].astype(str) == "")
        if blank.any():
            raise DataError(f"{column} must not be blank; found {int(blank.sum())} blank rows, first {blank.idxmax()}")
    double = frame.loc[frame["image_id"].duplicated(), "image_id"].unique().tolist()
    if double:
        raise DataError(f"image ids must be unique; {len(double)} occur twice: {shortened(double)}; remove the copies")


def _check_splits(cohort: Cohort) -> None:
    strange = sorted(set(cohort.frame["split"].astype(str)) - set(SPLITS))
    if strange:
        raise DataError(f"splits must be {', '.join(SPLITS)}; found {shortened(strange)}")


def _check_paths(cohort: Cohort) -> None:
    bad = [path for path in cohort.frame["image_path"].dropna() if leaves_root(path)]
    if bad:
        raise DataError(f"image paths must stay below {cohort.root}; refused: {shortened(bad)}")


def leaves_root(path: str) -> bool:
    """Whether a relative path is absolute or climbs out of its root by ``..`` (links: see :func:`inside`)."""
    posix = PurePosixPath(path.replace("\\", "/"))
    return posix.is_absolute() or ".." in posix.parts or (len(path) > 1 and path[1] == ":")


def missing_images(cohort: Cohort) -> list[str]:
    """Relative paths of images that are not files below the root, links out of it included."""
    root = cohort.root.resolve()
    return [path for path in cohort.frame["image_path"] if not (cohort.root / path).is_file() or not inside(root, path)]


def inside(root: Path, path: str) -> bool:
    """Whether ``root / path`` is below the resolved ``root`` once links are followed."""
    return (root / path).resolve().is_relative_to(root)
