"""What two series of paired times, and two sets of predictions, say about a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssl_bench.stats.intervals import measure_difference

MOST = 1.10
"""A case fails when its median paired ratio is above this ..."""

BOUND = 1.0
"""... and the 5 % quantile of the resampled medians above this."""

EXACT = 1e-9
"""Largest deviation of AUROC and AUPRC from scikit-learn on the same resamples."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Verdict:
    """One line of the table.

    Args:
        case: what was compared.
        value: ratio of times (above 1: slower), or difference of quality (below 0: worse).
        bound: 5 % bound of the ratio, or the upper end of the difference's interval.
        fails: the change may not pass.
        note: what there is to say.
    """

    case: str
    value: float | None
    bound: float | None
    fails: bool
    note: str


def speed(case: str, base: Sequence[float], ours: Sequence[float], *, seed: int = 0) -> Verdict:
    """Judge paired times.

    Args:
        case: what was timed.
        base: seconds of the base commit, one a pair.
        ours: seconds of the working tree, in the same order.
        seed: of the bootstrap over pairs.
    """
    ratios = np.asarray(ours, float) / np.asarray(base, float)
    drawn = np.random.default_rng(seed).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    middle, bound = float(np.median(ratios)), float(np.quantile(np.median(ratios[drawn], axis=1), 0.05))
    slower = middle > MOST and bound > BOUND
    sides = f"{1000 * np.median(ours):.3g} ms, was {1000 * np.median(base):.3g} ms"
    return Verdict(case, middle, bound, slower, f"{'SLOWER' if slower else 'ok'}: {sides}")


def accuracy(case: str, base: Mapping[str, Any], ours: Mapping[str, Any]) -> Verdict:
    """Judge the macro AUROC of two encoders on the same test images.

    Args:
        case: what was evaluated.
        base: ``patients (N,)``, ``labels (N, L)`` and ``scores (N, L)`` of the base commit.
        ours: those of the working tree.
    """
    if list(base["patients"]) != list(ours["patients"]) or not same(base["labels"], ours["labels"]):
        return Verdict(case, None, None, False, "new: the base has other test images or labels")
    patients, labels = np.array(ours["patients"]), np.array(ours["labels"], float)
    scores = (np.array(side["scores"], float) for side in (ours, base))
    found = measure_difference(labels, *scores, patients=patients)["auroc"].macro
    if found.value is None:
        return Verdict(case, None, None, True, f"WORSE: no difference can be told, {found.note}")
    worse = found.value < 0 and (found.high is None or found.high < 0)
    low, high = (f"{end:+.4f}" if end is not None else "?" for end in (found.low, found.high))
    return Verdict(case, found.value, found.high, worse, f"{'WORSE' if worse else 'ok'}: difference in [{low}, {high}]")


def exactness(case: str, error: float, base: float | None) -> Verdict:
    """Judge the largest deviation of resampled metrics from scikit-learn's."""
    wrong = not error <= EXACT  # NaN is wrong, too
    was = "" if base is None else f", was {base:.1e}"
    return Verdict(case, error, EXACT, wrong, f"{'WRONG' if wrong else 'ok'}: off by {error:.1e}{was}")


def same(one: Any, other: Any) -> bool:
    """Equal numbers, where NaN equals NaN."""
    return np.array_equal(np.array(one, float), np.array(other, float), equal_nan=True)
