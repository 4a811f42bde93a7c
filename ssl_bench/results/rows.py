"""Rows of the record: predictions become metrics with intervals, and pairs of encoders become differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.contracts import Metric, Predictions, Split
from ssl_bench.errors import DataError, shortened
from ssl_bench.evaluate.intervals import Difference, Interval, Support, measure, measure_difference, supports
from ssl_bench.evaluate.intervals import Metric as Measured

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


def check_scores(scored: Scored, labels: tuple[str, ...]) -> None:
    """Scores fit the split and are finite, but for labels that could not be fitted at all.

    Raises:
        DataError: naming the images.
    """
    scores, split = scored.predictions.scores, scored.split
    if scores.shape != (len(split.labels), len(labels)):
        raise DataError(
            f"protocol '{scored.origin.protocol}' gave scores of shape {scores.shape} for {len(split.labels)} images "
            f"and {len(labels)} labels of split '{split.name}'"
        )
    bad = ~np.isfinite(scores[:, fitted(scores)]).all(axis=1)
    if bad.any():
        images = shortened(split.image_ids[bad].tolist())
        raise DataError(f"protocol '{scored.origin.protocol}' gave non-finite scores for the images {images}")


def fitted(scores: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which columns of ``(N, L)`` hold scores; a column of NaN alone could not be fitted."""
    result: npt.NDArray[np.bool_] = ~np.isnan(scores).all(axis=0)
    return result


def prediction_table(scored: Scored, labels: tuple[str, ...]) -> pd.DataFrame:
    """Per-image predictions: identifiers, ``y_<label>`` and ``p_<label>``."""
    split = scored.split
    table = {"image_id": split.image_ids, "patient_id": split.patient_ids}
    table |= {f"y_{label}": split.labels[:, column] for column, label in enumerate(labels)}
    table |= {f"p_{label}": scored.predictions.scores[:, column] for column, label in enumerate(labels)}
    return pd.DataFrame(table)


def metric_rows(scored: Scored, labels: tuple[str, ...], replicates: int) -> Iterator[dict[str, Any]]:
    """One row for each label and the macro mean, for each metric."""
    known = _known_labels(scored)
    measured = measure(
        known,
        np.nan_to_num(scored.predictions.scores),
        patients=scored.split.patient_ids,
        replicates=replicates,
        seed=scored.origin.seed,
    )
    base = supports(known, scored.split.patient_ids)
    for metric, result in measured.items():
        for label, interval, support in zip(labels, result.labels, base, strict=True):
            yield {
                **_identity(scored),
                "label": label,
                "metric": metric,
                **_interval(interval),
                **_counts(scored, support),
            }
        yield {
            **_identity(scored), "label": MACRO, "metric": metric, **_interval(result.macro), **_counts(scored, None),
            "macro_labels": [labels[column] for column in result.held],
        }  # fmt: skip


def plain_row(origin: Origin, split: Split, metric: Metric) -> dict[str, Any]:
    """The row of a number that an evaluator gave directly."""
    interval = _interval(Interval(metric.value, note=metric.note))
    size = {"n_images": len(split.labels), "n_patients": len(set(split.patient_ids)), "n_positive": None}
    return {
        **asdict(origin), "split": metric.split, "subgroup": "all", "fraction": 1.0, "draw": 0, "settings": {},
        "label": metric.label, "metric": metric.metric, **interval, **size, "n_positive_patients": None,
    }  # fmt: skip


def difference_rows(
    first: Scored, second: Scored, labels: tuple[str, ...], replicates: int
) -> Iterator[dict[str, Any]]:
    """First encoder minus second on the same images and the same resamples of patients."""
    known = np.where(np.isnan(_known_labels(first)), np.nan, _known_labels(second))
    measured = measure_difference(
        known,
        np.nan_to_num(first.predictions.scores),
        np.nan_to_num(second.predictions.scores),
        patients=first.split.patient_ids,
        replicates=replicates,
        seed=first.origin.seed,
    )
    shared = {"encoder": first.origin.encoder, "against": second.origin.encoder}
    for metric, result in measured.items():
        yield from _differences({**_identity(first), **shared, "metric": metric}, result, labels)


def _differences(shared: Mapping[str, Any], result: Measured, labels: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for label, interval in (*zip(labels, result.labels, strict=True), (MACRO, result.macro)):
        p = interval.p if isinstance(interval, Difference) else None
        yield {**shared, "label": label, **_interval(interval), "p": p}


def _known_labels(scored: Scored) -> npt.NDArray[Any]:
    """Labels of the split; unknown for labels that could not be fitted."""
    return np.where(fitted(scored.predictions.scores), scored.split.labels, np.nan)


def _identity(scored: Scored) -> dict[str, Any]:
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


def _counts(scored: Scored, support: Support | None) -> dict[str, Any]:
    split = scored.split
    return {
        "n_images": len(split.labels),
        "n_patients": len(set(split.patient_ids)),
        "n_positive": support.positive_images if support else None,
        "n_positive_patients": support.positive_patients if support else None,
    }
