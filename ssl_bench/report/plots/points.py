"""ROC and PR curves of one label, with pointwise bands from resamples of patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.stats.bootstrap import patient_rows

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.int64]

VERSION = 1
"""Of what is computed here: coordinates that were kept from another version are computed anew."""

GRID = np.linspace(0.0, 1.0, 101)
"""False positive rates, or recalls, at which the bands are computed."""

MOST = 500
"""Corners of a curve that are kept."""

RESAMPLES, FEWEST, WORK = 400, 100, 2_000_000
"""Most and fewest resamples behind a band; between them, images times resamples."""


@dataclass(frozen=True)
class Curve:
    """A curve and its band.

    Args:
        points: (2, K) x and y of the corners.
        band: (2, G) lower and upper end at :data:`GRID`; (2, 0) where there is none.
    """

    points: Floats
    band: Floats


def resamples(patients: npt.NDArray[Any], replicates: int, seed: int) -> Weights:
    """How often each image counts in each resample of patients, (R, N).

    They are the first resamples behind the record's intervals: the same seed and patients draw the same.
    """
    number, sizes = patient_rows(patients, len(patients))
    rng, drawn = np.random.default_rng(seed), len(sizes)
    counts = [np.bincount(rng.integers(drawn, size=drawn), minlength=drawn) for _ in range(replicates)]
    return np.stack(counts)[:, number].astype(np.int64)


def affordable(replicates: int, images: int) -> int:
    """Resamples behind a band."""
    return min(replicates, RESAMPLES, max(FEWEST, WORK // max(images, 1)))


def curves(labels: Floats, scores: Floats, weights: Weights | None) -> tuple[Curve, Curve]:
    """ROC and PR curve of one label.

    Args:
        labels: (N,) 1, 0 or NaN for unknown; both classes occur.
        scores: (N,) finite where the label is known.
        weights: (R, N) of resamples; None: no bands.
    """
    known = np.flatnonzero(~np.isnan(labels))
    order = known[np.argsort(-scores[known], kind="stable")]
    positive = labels[order] == 1
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # last image of each distinct score
    once = np.ones((1, len(order)), np.int64)
    true, false = _counted(once, positive, ends)
    roc, pr = _roc_points(true[0], false[0]), _pr_points(true[0], false[0])
    if weights is None:
        none = np.empty((2, 0))
        return Curve(roc, none), Curve(pr, none)
    true, false = _counted(weights[:, order], positive, ends)
    usable = (true[:, -1] > 0) & (false[:, -1] > 0)
    pairs = list(zip(true[usable], false[usable], strict=True))
    return (
        Curve(roc, _band([_roc_at_grid(t, f) for t, f in pairs])),
        Curve(pr, _band([_pr_at_grid(t, f) for t, f in pairs])),
    )


def _counted(weights: Weights, positive: npt.NDArray[np.bool_], ends: npt.NDArray[np.intp]) -> tuple[Weights, Weights]:
    """True and false positives (R, T) at every threshold."""
    true = np.cumsum(weights * positive, axis=1)[:, ends]
    return true, np.cumsum(weights, axis=1)[:, ends] - true


def _roc_points(true: Weights, false: Weights) -> Floats:
    x = np.append(0.0, false / false[-1])
    y = np.append(0.0, true / true[-1])
    return _thinned(np.stack([x, y])[:, _corners(x, y)])


def _pr_points(true: Weights, false: Weights) -> Floats:
    """Recall and precision where recall rises: the steps whose area is the average precision."""
    rises = np.diff(true, prepend=0) > 0
    recall, precision = (true / true[-1])[rises], (true / (true + false))[rises]
    return _thinned(np.stack([np.append(0.0, recall), np.append(precision[0], precision)]))


def _corners(x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    """Points that do not lie between two others on a horizontal or vertical line."""
    inner = (np.diff(x)[:-1] == 0) & (np.diff(x)[1:] == 0) | (np.diff(y)[:-1] == 0) & (np.diff(y)[1:] == 0)
    keep = np.ones(len(x), bool)
    keep[1:-1] = ~inner
    return keep


def _thinned(points: Floats) -> Floats:
    if points.shape[1] <= MOST:
        return points
    return points[:, np.unique(np.linspace(0, points.shape[1] - 1, MOST).round().astype(int))]


def _roc_at_grid(true: Weights, false: Weights) -> Floats:
    """True positive rate at the grid's false positive rates; ties are straight lines, as in the AUROC."""
    x, y = np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])
    result: Floats = np.interp(GRID, x, y)
    return result


def _pr_at_grid(true: Weights, false: Weights) -> Floats:
    """Precision at the first threshold that reaches the grid's recalls."""
    first = np.searchsorted(true, np.maximum(GRID * true[-1] - 1e-9, 1), side="left")
    result: Floats = true[first] / (true[first] + false[first])
    return result


def _band(values: list[Floats]) -> Floats:
    if len(values) < 20:
        return np.empty((2, 0))
    result: Floats = np.quantile(np.stack(values), [0.025, 0.975], axis=0)
    return result
