"""Anybody's predictions: a table of images with labels and scores, checked and aggregated by study. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.frames import check_named, check_one_spelling, numbers, read_frame, unnamed
from ssl_bench.errors import DataError, Problems, guesses, shortened
from ssl_bench.numbers import counted
from ssl_bench.plugin.labels import check_names

Aggregate = Literal["max", "mean"]

IMAGES = "none"
"""Instead of an :data:`Aggregate`: nothing is joined, each image counts."""


def unit_of(aggregate: str) -> str:
    """What a number is computed on: an ``image``, or a ``study`` where the images of each are joined."""
    return "image" if aggregate == IMAGES else "study"


@dataclass(frozen=True)
class PredictionTable:
    """Predictions of one model for N images (or studies) and L labels.

    Args:
        labels: the L findings.
        ids: ``(N,)`` image ids, or study ids after :func:`by_study`.
        patients: ``(N,)`` patient ids.
        truth: ``(N, L)`` 1, 0, or NaN where unknown.
        scores: ``(N, L)``; NaN in a whole column: the label was not predicted.
        studies: ``(N,)`` study ids; None where they are not known.
        validation: the same model on the images that thresholds are chosen on; None where there are none.
        aggregate: how the images of a study were joined: ``max`` or ``mean``; ``none``: each row is an image.
    """

    labels: tuple[str, ...]
    ids: npt.NDArray[Any]
    patients: npt.NDArray[Any]
    truth: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    studies: npt.NDArray[Any] | None = None
    validation: PredictionTable | None = None
    aggregate: str = IMAGES

    @property
    def unit(self) -> str:
        """What a row is: an ``image`` or a ``study``."""
        return unit_of(self.aggregate)

    @property
    def outside(self) -> int:
        """Scores outside [0, 1]: they rank as well as others, and are no probabilities."""
        return int(((self.scores < 0) | (self.scores > 1)).sum())

    @property
    def probabilities(self) -> bool:
        """Whether the scores can be probabilities: all of them, the validation images' too, are in [0, 1]."""
        return not self.outside and (self.validation is None or self.validation.probabilities)

    @property
    def known(self) -> npt.NDArray[np.float64]:
        """The labels ``(N, L)``; unknown for those that have no score."""
        return np.where(np.isnan(self.scores).all(axis=0), np.nan, self.truth)

    def select(self, labels: tuple[str, ...]) -> PredictionTable:
        """The table with some of its labels, in the order given."""
        columns = [self.labels.index(label) for label in labels]
        chosen = self.validation.select(labels) if self.validation else None
        truth, scores = self.truth[:, columns], self.scores[:, columns]
        return replace(self, labels=labels, truth=truth, scores=scores, validation=chosen)

    def rows(self, rows: npt.NDArray[Any]) -> PredictionTable:
        """Some of its images, in the order given."""
        parts = {name: getattr(self, name)[rows] for name in ("ids", "patients", "truth", "scores")}
        return replace(self, **parts, studies=None if self.studies is None else self.studies[rows])


def read_predictions(path: Path, *, named: bool = False, own: bool = False) -> PredictionTable:
    """Predictions with columns ``image_id, patient_id, y_<label>, p_<label>`` (and ``study_id`` to aggregate by).

    Args:
        path: CSV or Parquet; a blank ``y`` is an unknown label.
        named: every row must name its study, which they will be joined by.
        own: a run wrote it, whose ids were judged with its data (``data.similar_ids``), and not by their looks here.

    Raises:
        DataError: all problems at once: columns, duplicate images, values that are no numbers.
    """
    frame = read_frame(path)
    labels = _labels(frame, path)
    problems = Problems()
    needed = ("image_id", "patient_id", *(["study_id"] if named and "study_id" in frame.columns else []))
    if not own:
        problems.run(lambda: check_named(frame, needed, path))
        problems.run(lambda: check_one_spelling(frame, "patient_id", path))
    problems.run(lambda: _check_unique(frame, path))
    before = len(problems)
    truth = numbers(frame, [f"y_{label}" for label in labels], problems)
    scores = numbers(frame, [f"p_{label}" for label in labels], problems)
    if len(problems) == before:
        problems.run(lambda: _check_truth(frame, truth, labels))
        problems.run(lambda: _check_scores(frame, scores, labels))
    problems.raise_if_any()
    ids, patients = frame["image_id"].to_numpy(dtype=str), frame["patient_id"].to_numpy(dtype=str)
    studies = frame["study_id"].to_numpy(dtype=str) if "study_id" in frame.columns else None
    return PredictionTable(labels, ids, patients, truth, scores, studies)


def _labels(frame: pd.DataFrame, path: Path) -> tuple[str, ...]:
    """The labels that have both columns, in the order of the file."""
    expected = [name for name in ("image_id", "patient_id") if name not in frame.columns]
    truth = [name[2:] for name in frame.columns if name.startswith("y_")]
    scores = [name[2:] for name in frame.columns if name.startswith("p_") and name != "patient_id"]
    expected += [f"p_{label}" for label in truth if label not in scores]
    expected += [f"y_{label}" for label in scores if label not in truth]
    if not truth and not scores:
        expected += ["y_<label>", "p_<label>"]
    if expected:
        hints = guesses(expected[:3], frame.columns)
        raise DataError(
            f"predictions {path} lack the columns {shortened(expected)}{f'; {hints}' if hints else ''} "
            f"(found {shortened([*frame.columns], 12)})"
        )
    if not len(frame):
        raise DataError(f"predictions {path} hold no row")
    check_names(truth, path)
    return tuple(truth)


def _check_unique(frame: pd.DataFrame, path: Path) -> None:
    ids = frame.loc[~unnamed(frame["image_id"]), "image_id"]
    double = ids[ids.duplicated()].unique().tolist()
    if double:
        raise DataError(f"image ids must be unique in {path}; {len(double)} occur twice: {shortened(double, 5)}")


def _check_truth(frame: pd.DataFrame, truth: npt.NDArray[np.float64], labels: tuple[str, ...]) -> None:
    rows, columns = np.nonzero(~(np.isnan(truth) | np.isin(truth, (0.0, 1.0))))
    found = [
        f"{frame['image_id'].iloc[row]} y_{labels[column]}={truth[row, column]:g}"
        for row, column in zip(rows, columns, strict=True)
    ]
    if found:
        raise DataError(f"labels must be 1, 0 or blank; found {shortened(found, 5)}")


def _check_scores(frame: pd.DataFrame, scores: npt.NDArray[np.float64], labels: tuple[str, ...]) -> None:
    """Scores are finite, but for labels that have none at all."""
    predicted = ~np.isnan(scores).all(axis=0)
    bad = frame["image_id"].to_numpy()[~np.isfinite(scores[:, predicted]).all(axis=1)].tolist()
    if bad:
        number = counted(len(bad), "image has", "images have")
        raise DataError(f"scores must be finite; {number} one that is not: {shortened(bad, 5)}")
    if not predicted.any():
        raise DataError(f"none of the labels {shortened(labels)} has a score")


def by_study(table: PredictionTable, aggregate: Aggregate, where: object) -> PredictionTable:
    """One row a study: the largest or mean score of its images, and their label.

    Args:
        table: of images whose studies are known.
        aggregate: of scores.
        where: the images come from, for messages.

    Raises:
        DataError: no study is known, or images of one disagree on a label.
    """
    if table.studies is None:
        raise DataError(f"--aggregate needs the column study_id, which {where} lacks; add it, or score images")
    groups = pd.Series(study_names(table.patients, table.studies))
    truth = pd.DataFrame(table.truth, columns=list(table.labels)).groupby(groups)
    disputed = truth.nunique().gt(1).any(axis=1)
    if disputed.any():
        names = shortened(disputed.index[disputed].tolist(), 5)
        raise DataError(
            f"the images of a study must share their labels; {names} do not: give each image its "
            "study's label, or score images (--aggregate none)"
        )
    scores = pd.DataFrame(table.scores, columns=list(table.labels)).groupby(groups).agg(aggregate)
    first = truth.first()
    patients, studies = (pd.Series(ids).groupby(groups).first().to_numpy(dtype=str)
                         for ids in (table.patients, table.studies))  # fmt: skip
    return replace(
        table, ids=first.index.to_numpy(dtype=str), patients=patients, truth=first.to_numpy(np.float64),
        scores=scores.to_numpy(np.float64), studies=studies,
        validation=None if table.validation is None else by_study(table.validation, aggregate, where),
        aggregate=aggregate,
    )  # fmt: skip


def study_names(patients: npt.NDArray[Any], studies: npt.NDArray[Any]) -> list[str]:
    """A name (N,) for the study of each image; studies of two patients may have one number."""
    return [f"{patient}/{study}" for patient, study in zip(patients, studies, strict=True)]


def in_unit_of(table: PredictionTable, aggregate: str, where: object) -> PredictionTable:
    """Kept predictions of images in the unit that a row of the record was computed on.

    Raises:
        DataError: as :func:`by_study`.
    """
    chosen: Aggregate = "max" if aggregate == "max" else "mean"
    return table if aggregate == IMAGES else by_study(table, chosen, where)


def fitted(scores: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which columns of ``(N, L)`` hold scores; a column of NaN alone could not be fitted."""
    result: npt.NDArray[np.bool_] = ~np.isnan(scores).all(axis=0)
    return result
