"""How far probabilities are right: Brier score, calibration, and the net benefit of acting on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from ssl_bench import Options
from ssl_bench.plugin.metrics import Sample
from sslbench_evaluators.metrics.operating import counts
from sslbench_evaluators.metrics.options import BenefitOptions

Floats = npt.NDArray[np.float64]

BINS = 15
"""Bins of equal width, as in Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599)."""

EDGE = 1e-7
"""Probabilities nearer to 0 or 1 count as this: their log-odds would be infinite."""

STEPS = 25
BLOCK = 2**15
"""Images times resamples in a turn: 256 KiB a matrix."""
CLOSE = 1e-5
"""The error of Newton's method after a step is of the order of the step's square: 1e-10."""
STEEP = 1e3
"""A slope beyond this is that of findings that the scores separate, and has no value."""


class _Plain:
    def __init__(self, options: Options) -> None:
        self.options = options


class Brier(_Plain):
    """Mean squared distance of probability and label."""

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        images, squares = sample.total(np.stack([np.ones_like(sample.scores), (sample.scores - sample.labels) ** 2], 1))
        found: Floats = squares / images
        return found


class CalibrationError(_Plain):
    """Mean distance of share and mean probability over bins, weighted by their images."""

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        place = np.minimum((sample.scores * BINS).astype(int), BINS - 1)
        surplus = (sample.scores - sample.labels)[:, None] * (place[:, None] == np.arange(BINS))  # (N, BINS)
        distance: Floats = np.abs(sample.total(surplus)).sum(axis=0)
        return distance / sample.total(np.ones_like(sample.scores))


class CalibrationSlope(_Plain):
    """b of the logistic model ``log-odds of the label = a + b * log-odds of the probability`` (Cox, 1958)."""

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        _, slopes = _recalibrated(sample, slope=True)
        return slopes


class CalibrationIntercept(_Plain):
    """a of that model with b = 1: calibration in the large (Van Calster et al., BMC Medicine 17:230, 2019)."""

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        intercepts, _ = _recalibrated(sample, slope=False)
        return intercepts


def _recalibrated(sample: Sample, *, slope: bool) -> tuple[Floats, Floats]:
    """Intercepts and slopes, ``(C,)`` each, by Newton's method, from those of all resamples together.

    Log-odds are standardised first: Newton's method from a slope of 0 then converges where they are extreme, too.
    """
    weights, odds = sample.weights, logit(np.clip(sample.scores, EDGE, 1 - EDGE))
    centre, spread = (odds.mean(), odds.std()) if slope else (0.0, 1.0)
    if not spread > 0:
        return np.full(weights.shape[1], np.nan), np.full(weights.shape[1], np.nan)
    scaled, whole = (odds - centre) / spread, weights.sum(axis=1, keepdims=True)
    first = np.array([logit(np.clip(sample.labels.mean(), EDGE, 1 - EDGE)), 0.0]) if slope else np.array([0.0, 1.0])
    together = _newton(sample.labels, scaled, whole, first, slope=slope)[:, 0]
    found = _newton(sample.labels, scaled, weights, together if np.isfinite(together).all() else first, slope=slope)
    return found[0] - found[1] * centre / spread, found[1] / spread


def _newton(labels: Floats, odds: Floats, weights: Floats, at: Floats, *, slope: bool) -> Floats:
    """Maximum-likelihood intercept and slope ``(2, C)`` of weighted images from one start; NaN where infinite.

    A few resamples at a time: their matrices of images by resamples then stay in the processor's cache.
    """
    few = max(1, BLOCK // len(odds))
    blocks = [weights[:, first : first + few] for first in range(0, weights.shape[1], few)]
    return np.concatenate([_newton_block(labels, odds, block, at, slope=slope) for block in blocks], axis=1)


def _newton_block(labels: Floats, odds: Floats, weights: Floats, at: Floats, *, slope: bool) -> Floats:
    design = np.stack([np.ones_like(odds), odds]) if slope else np.ones((1, len(odds)))  # (K, N)
    products = np.stack([a * b for a in design for b in design])  # (K * K, N)
    fixed = 0.0 if slope else odds[:, None]
    positive = (design * labels) @ weights  # (K, C)

    def step(expected: Floats, variance: Floats) -> Floats:
        hessian = variance.T.reshape(-1, len(design), len(design))  # (C, K, K)
        return np.clip(_solved(hessian, (positive - expected).T).T, -2, 2)  # (K, C)

    start = _expit(at[0] + at[1] * odds)  # the same for all resamples: their first step is a product of matrices
    moved = step((design * start) @ weights, (products * (start * (1 - start))) @ weights)
    free = at[: len(design), None] + moved
    for _ in range(STEPS):
        probability = _expit(design.T @ free + fixed)  # (N, C)
        expected = weights * probability
        moved = step(design @ expected, products @ (expected * (1 - probability)))
        free += moved
        settled = np.abs(moved).max(axis=0) < CLOSE
        if (settled | ~np.isfinite(moved).all(axis=0)).all():
            break
    found = free if slope else np.concatenate([free, np.ones_like(free)])
    return np.where(settled & (np.abs(found) < STEEP).all(axis=0), found, np.nan)


def _expit(odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-odds))


def _solved(matrices: Floats, vectors: Floats) -> Floats:
    """Solutions ``(C, K)`` of small systems, K at most 2; NaN where a matrix is singular."""
    if matrices.shape[1] == 1:
        alone: Floats = vectors / matrices[:, 0]
        return alone
    (a, b), (c, d) = matrices.transpose(1, 2, 0)
    first, second = vectors.T
    solved: Floats = np.stack([d * first - b * second, a * second - c * first], axis=1) / (a * d - b * c)[:, None]
    return solved


class NetBenefit:
    """True positives minus false ones, weighed by the odds of the probability from which one treats, per image.

    Vickers & Elkin, Medical Decision Making 26:565, 2006.
    """

    def __init__(self, options: BenefitOptions) -> None:
        self.options = options

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        found = counts(sample, self.options.at)
        odds = self.options.at / (1 - self.options.at)
        return (found.true_positive - odds * found.false_positive) / sum(found)
