"""Rows of the record: predictions become metrics with intervals, and pairs of encoders become differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.contracts import Metric, Predictions, Split
from ssl_bench.errors import DataError, PluginError, shortened
from ssl_bench.evaluate.intervals import FEWEST, Difference, Interval, measure, measure_difference, supports
from ssl_bench.evaluate.predictions import PredictionTable

MACRO = "macro"


@dataclass(frozen=True)
class Origin:
    """What all rows of one set of predictions share."""

    encoder: str
    dataset: str
    fitted_on: str
    protocol: str
    seed: int


@dataclass(frozen=True)
class Scored:
    """Predictions with the split they are for."""

    origin: Origin
    split: Split
    predictions: Predictions


def split_of(known: Mapping[str, Split], origin: Origin, name: str) -> Split:
    """The split that a protocol's result is of.

    Raises:
        PluginError: there is none of this name.
    """
    if name not in known:
        raise PluginError(f"protocol '{origin.protocol}' gave a result of split '{name}', expected {', '.join(known)}")
    return known[name]


def check_scores(scored: Scored, labels: tuple[str, ...]) -> None:
    """Scores fit the split and are finite, but for labels that could not be fitted at all.

    Raises:
        PluginError: they are of fewer or more images, or of other labels.
        DataError: naming the images whose scores are not finite.
    """
    scores, split = scored.predictions.scores, scored.split
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise PluginError(
            f"protocol '{scored.origin.protocol}' gave scores of shape {scores.shape} for {len(split.labels)} images "
            f"and {len(labels)} labels of split '{split.name}'"
        )
    check_images(scored, len(split.labels))
    bad = ~np.isfinite(scores[:, fitted(scores)]).all(axis=1)
    if bad.any():
        raise DataError(
            f"protocol '{scored.origin.protocol}' gave non-finite scores for {int(bad.sum())} images of split "
            f"'{split.name}': {shortened(split.image_ids[bad].tolist())}; correct it, or leave it out of --eval"
        )


def check_images(scored: Scored, expected: int) -> None:
    """No image is left out of a split, and none counts twice.

    Args:
        scored: with one row of scores for each image.
        expected: images of the split in the manifest, without those that were quarantined.

    Raises:
        PluginError: there are fewer or more.
    """
    found = len(scored.predictions.scores)
    if found != expected:
        raise PluginError(
            f"protocol '{scored.origin.protocol}' scored {found} images of split '{scored.predictions.split}', "
            f"expected {expected}: a protocol scores every image of a split once"
        )


def fitted(scores: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which columns of ``(N, L)`` hold scores; a column of NaN alone could not be fitted."""
    result: npt.NDArray[np.bool_] = ~np.isnan(scores).all(axis=0)
    return result


def as_table(scored: Scored, labels: tuple[str, ...]) -> PredictionTable:
    """Predictions of a protocol in the form of anybody's."""
    split = scored.split
    truth, scores = (np.asarray(values, dtype=np.float64) for values in (split.labels, scored.predictions.scores))
    return PredictionTable(labels, split.image_ids, split.patient_ids, truth, scores)


def prediction_frame(table: PredictionTable) -> pd.DataFrame:
    """Per-image predictions: identifiers, ``y_<label>`` and ``p_<label>``."""
    columns: dict[str, Any] = {"image_id": table.ids, "patient_id": table.patients}
    columns |= {f"y_{label}": table.truth[:, column] for column, label in enumerate(table.labels)}
    columns |= {f"p_{label}": table.scores[:, column] for column, label in enumerate(table.labels)}
    return pd.DataFrame(columns)


def metric_rows(scored: Scored, labels: tuple[str, ...], replicates: int) -> Iterator[dict[str, Any]]:
    """Rows of one protocol's predictions."""
    for row in table_rows(as_table(scored, labels), replicates, scored.origin.seed):
        yield {**identity(scored), **row}


def table_rows(table: PredictionTable, replicates: int, seed: int) -> Iterator[dict[str, Any]]:
    """One row for each label and the macro mean, for each metric."""
    known = _known(table)
    scores = np.nan_to_num(table.scores)
    measured = measure(known, scores, patients=table.patients, replicates=replicates, seed=seed)
    base = supports(known, table.patients)
    size = {"n_images": len(table.ids), "n_patients": len(set(table.patients))}
    for metric, result in measured.items():
        for label, interval, support in zip(table.labels, result.labels, base, strict=True):
            counts = {**size, "n_positive": support.positive_images, "n_positive_patients": support.positive_patients}
            yield {"label": label, "metric": metric, **_interval(interval), **counts}
        nothing = {"n_positive": None, "n_positive_patients": None}  # a macro mean has no positive images of its own
        held, every = ([table.labels[column] for column in columns] for columns in (result.held, result.defined))
        yield {
            "label": MACRO, "metric": metric, **_interval(result.macro), **size, **nothing, "macro_labels": held,
            "value_all": result.whole, "all_labels": every,
        }  # fmt: skip


def plain_row(origin: Origin, split: Split, metric: Metric) -> dict[str, Any]:
    """The row of a number that an evaluator gave directly.

    Raises:
        DataError: it is not finite.
    """
    if metric.value is not None and not np.isfinite(metric.value):
        raise DataError(
            f"protocol '{origin.protocol}' gave {metric.metric} = {metric.value} for '{metric.label}' of split "
            f"'{metric.split}'; where it is undefined it must give none, with a note"
        )
    ends = (metric.ci_low, metric.ci_high, metric.percentile_low, metric.percentile_high)
    interval = _interval(Interval(metric.value, *ends, note=metric.note))
    size = {"n_images": len(split.labels), "n_patients": len(set(split.patient_ids)), "n_positive": None}
    return {
        **asdict(origin), "split": metric.split, "subgroup": "all", "fraction": 1.0, "draw": 0, "settings": {},
        "label": metric.label, "metric": metric.metric, **interval, **size, "n_positive_patients": None,
    }  # fmt: skip


def difference_rows(
    first: Scored, second: Scored, labels: tuple[str, ...], replicates: int
) -> Iterator[dict[str, Any]]:
    """First encoder minus second, of one protocol in one run."""
    shared = {"encoder": first.origin.encoder, "against": second.origin.encoder}
    pair = as_table(first, labels), as_table(second, labels)
    for row in table_differences(*pair, replicates, first.origin.seed):
        yield {**identity(first), **shared, **row}


def table_differences(
    first: PredictionTable, second: PredictionTable, replicates: int, seed: int, fewest: int = FEWEST
) -> Iterator[dict[str, Any]]:
    """First minus second on the same rows and the same resamples of patients, for each label and the macro mean."""
    known = np.where(np.isnan(_known(first)), np.nan, _known(second))
    pair = np.nan_to_num(first.scores), np.nan_to_num(second.scores)
    measured = measure_difference(
        known, *pair, patients=first.patients, replicates=replicates, seed=seed, fewest=fewest
    )
    for metric, result in measured.items():
        for label, interval in (*zip(first.labels, result.labels, strict=True), (MACRO, result.macro)):
            p = interval.p if isinstance(interval, Difference) else None
            yield {"metric": metric, "label": label, **_interval(interval), "p": p}


def _known(table: PredictionTable) -> npt.NDArray[np.float64]:
    """Labels; unknown for those that have no score."""
    return np.where(fitted(table.scores), table.truth, np.nan)


def identity(scored: Scored) -> dict[str, Any]:
    """What all rows of one set of predictions on all images share."""
    predictions = scored.predictions
    return {
        **asdict(scored.origin),
        "split": predictions.split,
        "subgroup": "all",
        "fraction": predictions.fraction,
        "draw": predictions.draw,
        "settings": dict(predictions.settings),
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "percentile_low": interval.percentile_low,
        "percentile_high": interval.percentile_high,
        "note": interval.note,
    }
