"""Rates at an operating point: a score that is chosen on validation images, from which an image counts as positive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssl_bench.plugin.metrics import Sample
from sslbench_evaluators.metrics.options import OperatingOptions

Floats = npt.NDArray[np.float64]


class Counts(NamedTuple):
    """Images by truth and call in each resample, ``(C,)`` each."""

    true_positive: Floats
    false_positive: Floats
    false_negative: Floats
    true_negative: Floats


def counts(sample: Sample, threshold: float) -> Counts:
    """What a threshold makes of the images."""
    called, positive = sample.scores >= threshold, sample.labels == 1
    cells = (positive & called, ~positive & called, positive & ~called, ~positive & ~called)
    return Counts(*sample.total(np.stack(cells, axis=1)))


def operating_point(labels: Floats, scores: Floats, fixed: str, level: float) -> float:
    """The threshold that holds a rate and gives the most of the other one.

    Args:
        labels: ``(N,)`` 1 or 0, both there.
        scores: ``(N,)``.
        fixed: ``specificity`` or ``sensitivity``.
        level: at least this much of it.
    """
    candidates = np.append(np.unique(scores), np.inf)  # rising: specificity rises and sensitivity falls
    ordered = np.sort(scores[labels == (0 if fixed == "specificity" else 1)])
    below = np.searchsorted(ordered, candidates) / len(ordered)  # share that is called negative
    slack = 1e-12  # 9 of 10 are 0.9 whatever their quotient is in binary
    reached = below >= level - slack if fixed == "specificity" else 1 - below >= level - slack
    return float(candidates[reached.argmax() if fixed == "specificity" else np.flatnonzero(reached)[-1]])


class _AtPoint:
    def __init__(self, options: OperatingOptions) -> None:
        self.options = options

    def choose(self, labels: Floats, scores: Floats) -> float:
        """The threshold by validation images."""
        return operating_point(labels, scores, self.options.fixed, self.options.level)

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        assert sample.threshold is not None
        return self.of(counts(sample, sample.threshold))

    def of(self, found: Counts) -> Floats:
        """The rate ``(C,)`` of some counts."""
        raise NotImplementedError


class Sensitivity(_AtPoint):
    """Share of the positive images that are called positive."""

    def of(self, found: Counts) -> Floats:
        """``(C,)``."""
        return found.true_positive / (found.true_positive + found.false_negative)


class Specificity(_AtPoint):
    """Share of the negative images that are called negative."""

    def of(self, found: Counts) -> Floats:
        """``(C,)``."""
        return found.true_negative / (found.true_negative + found.false_positive)


class BalancedAccuracy(_AtPoint):
    """Mean of sensitivity and specificity."""

    def of(self, found: Counts) -> Floats:
        """``(C,)``."""
        sensitivity = found.true_positive / (found.true_positive + found.false_negative)
        return (sensitivity + found.true_negative / (found.true_negative + found.false_positive)) / 2


class F1(_AtPoint):
    """Harmonic mean of precision and sensitivity; undefined where no image is positive."""

    def of(self, found: Counts) -> Floats:
        """``(C,)``."""
        positive = found.true_positive + found.false_negative
        value = 2 * found.true_positive / (positive + found.true_positive + found.false_positive)
        return np.where(positive > 0, value, np.nan)
