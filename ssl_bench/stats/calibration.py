"""Calibration: do findings occur as often as the probabilities say?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

BINS = 15
"""Bins of equal width, as in Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599)."""


def brier(labels: Floats, probabilities: Floats) -> Floats:
    """Mean squared distance of probability and label (L,), 0 is best; NaN where no label is known.

    Args:
        labels: ``(N, L)`` 1, 0 or NaN (unknown).
        probabilities: ``(N, L)`` in [0, 1].
    """
    return _mean((probabilities - labels) ** 2)


def calibration_error(labels: Floats, probabilities: Floats) -> Floats:
    """Expected calibration error (L,): mean distance of share and mean probability over bins, weighted by their images.

    Arguments and undefined values as :func:`brier`.
    """
    return np.array([_column_error(*pair) for pair in zip(labels.T, probabilities.T, strict=True)])


def _column_error(labels: Floats, probabilities: Floats) -> float:
    known = ~np.isnan(labels)
    if not known.any():
        return float("nan")
    place = np.minimum((probabilities[known] * BINS).astype(int), BINS - 1)
    surplus = np.bincount(place, probabilities[known] - labels[known], BINS)  # of each bin, probability minus positives
    return float(np.abs(surplus).sum() / known.sum())


def _mean(values: Floats) -> Floats:
    """Mean over the known rows (L,)."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
