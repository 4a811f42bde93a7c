"""95 % intervals from resamples of patients, for a label, for the macro mean, and for the difference of two encoders.

The interval is a t interval on the logit scale: its spread is the standard deviation of the resamples' logits, its
degrees of freedom the effective number of patients - 1. The percentile interval stands beside it; with few positive
patients it covers too little (``benchmarks/coverage_study.py`` measures both).

An effective number of patients is Kish's, ``(sum of images)^2 / sum of images^2`` over patients: 10 patients with one
positive image each count 10, one patient with 91 and nine with one count 1.2 (Kish, Survey Sampling, 1965).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, stdtr, stdtrit

from ssl_bench.stats.bootstrap import Array, Floats, bootstrap, point
from ssl_bench.stats.support import FEWEST as FEWEST
from ssl_bench.stats.support import Support as Support
from ssl_bench.stats.support import effective_patients as effective_patients
from ssl_bench.stats.support import supports as supports

NAMES = ("auroc", "auprc")
LEVEL = 0.95
RESAMPLES = 20
"""Resamples with a value that an interval needs."""


ROUNDING = 1e-12
"""A distance from 0 or 1 up to this is none: means of values that are exactly 0 or 1 differ by it."""


@dataclass(frozen=True)
class Interval:
    """A metric with its 95 % interval; ``note`` says what is missing and why.

    Attributes:
        value: on the images as they are; None where it is undefined.
        low, high: the t interval on the logit scale; for a difference on the metric's own scale.
        percentile_low, percentile_high: 2.5 and 97.5 % of the resamples.
        note: empty where there is nothing to say.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    percentile_low: float | None = None
    percentile_high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Difference(Interval):
    """First encoder minus second with a two-sided p of no difference: of these two encoders, not of their methods."""

    p: float | None = None


Kind = TypeVar("Kind", bound=Interval)


@dataclass(frozen=True)
class MetricIntervals:
    """One metric of all labels: an interval each, and the macro mean.

    Attributes:
        labels: an interval each.
        macro: over the labels ``held``, which have patients enough; over all that have a value where none has.
        held: by position.
        whole: the mean over all labels that have a value, a point estimate without an interval.
        defined: these, by position.
    """

    labels: tuple[Interval, ...]
    macro: Interval
    held: tuple[int, ...]
    whole: float | None
    defined: tuple[int, ...]


@dataclass(frozen=True)
class Macro:
    """What inference on a macro mean rests on.

    Attributes:
        value: mean over ``kept``; None where no label has a value.
        drawn: the same on resamples (R,), a label's undefined resamples replaced by its mean; empty: no inference.
        freedom: degrees of freedom.
        base: what the labels in ``kept`` rest on.
        kept: labels by position.
        note: which labels are left out and why.
    """

    value: float | None
    drawn: Floats
    freedom: float
    base: tuple[Support, ...]
    kept: tuple[int, ...]
    note: str


def measure(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    patients: Sequence[object] | Array | None = None,
    replicates: int = 1000,
    seed: int = 0,
    fewest: int = FEWEST,
) -> dict[str, MetricIntervals]:
    """AUROC (``auroc``) and AUPRC (``auprc``) with intervals of every label and of the macro mean.

    Args:
        labels: (N, L) 1, 0, or NaN where unknown.
        scores: (N, L) finite wherever the label is known.
        patients: (N,) patient of each image; without it every image is a patient of its own.
        replicates: number of resamples.
        seed: of the resamples.
        fewest: positive and negative patients of a label that the macro mean holds.

    Raises:
        DataError: as ``bootstrap``.
    """
    resampled = bootstrap(labels, scores, patients=patients, replicates=replicates, seed=seed)
    base = supports(labels, patients)
    return {
        name: with_intervals(values, repeats, base, fewest)
        for name, values, repeats in zip(NAMES, point(labels, scores), resampled, strict=True)
    }


def with_intervals(
    values: Floats, replicates: Floats, base: Sequence[Support], fewest: int, *, unit: bool = True
) -> MetricIntervals:
    """A metric with intervals, of its values (L,) and replicates (R, L).

    Args:
        values: NaN where undefined.
        replicates: NaN where undefined.
        base: what the L labels rest on.
        fewest: positive and negative patients of a label that the macro mean holds.
        unit: the metric is in [0, 1]; else its interval is made on its own scale.
    """
    parts = macro_parts(values, replicates, base, fewest)
    each = tuple((label_interval if unit else label_difference)(v, r, s)
                 for v, r, s in zip(values, replicates.T, base, strict=True))  # fmt: skip
    whole = macro_interval(parts) if unit else macro_difference(parts)
    return MetricIntervals(each, whole, parts.kept, mean_of(values), held(values))


def difference(values: Floats, replicates: Floats, base: Sequence[Support], fewest: int) -> MetricIntervals:
    """A difference with intervals and p: first minus second encoder (L,), and on resamples (R, L)."""
    return with_intervals(values, replicates, base, fewest, unit=False)


def measure_difference(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    patients: Sequence[object] | Array | None = None,
    replicates: int = 1000,
    seed: int = 0,
    fewest: int = FEWEST,
) -> dict[str, MetricIntervals]:
    """First minus second encoder on the same images and resamples; arguments and errors as ``measure``.

    The intervals are ``Difference``: of these two encoders; ``compare.method_difference`` is for methods.
    """
    pair = [bootstrap(labels, s, patients=patients, replicates=replicates, seed=seed) for s in (scores_a, scores_b)]
    base = supports(labels, patients)
    points = zip(NAMES, point(labels, scores_a), point(labels, scores_b), strict=True)
    return {name: difference(a - b, pair[0][m] - pair[1][m], base, fewest) for m, (name, a, b) in enumerate(points)}


def held(values: Floats) -> tuple[int, ...]:
    """The labels, by position, that have a value."""
    return tuple(np.flatnonzero(np.isfinite(values)).tolist())


def mean_of(values: Floats) -> float | None:
    """Mean over the labels that have a value; None where none has."""
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else None


def supported(base: Sequence[Support], fewest: int = FEWEST) -> tuple[int, ...]:
    """The labels, by position, with so many positive and negative patients that a macro claim may rest on them."""
    return tuple(k for k, s in enumerate(base) if min(s.positive_patients, s.negative_patients) >= fewest)


def label_interval(value: float, replicates: Floats, support: Support) -> Interval:
    """The interval of one label's AUROC or AUPRC; replicates (R,), NaN where undefined and then left out.

    A resample at exactly 0 or 1, where the logit is infinite, counts as half a pair of images short of it, or as near
    as the value itself is where that is nearer: a mean of errors (Brier score) has no smallest step. A value of
    exactly 0 or 1 has no spread to resample: its interval is the exact binomial one for as many patients as are
    effective, none of whom was ranked wrongly, ``0.025 ** (1 / patients)`` to 1.
    """
    if support.reason or not np.isfinite(value):
        return Interval(float(value) if np.isfinite(value) else None, note=support.reason or "undefined")
    return _logit_t(float(value), replicates, support.freedom, support.step, support)


def macro_interval(parts: Macro) -> Interval:
    """The interval of a macro mean."""
    if parts.value is None or not len(parts.drawn):
        return Interval(parts.value, note=parts.note)
    half_pair = min(s.step for s in parts.base) / len(parts.base)
    fewest = min(parts.base, key=lambda s: s.effective)
    return _noted(_logit_t(parts.value, parts.drawn, parts.freedom, half_pair, fewest), parts.note)


def label_difference(value: float, replicates: Floats, support: Support) -> Difference:
    """The difference of two encoders on one label; replicates (R,) are differences on the same resamples."""
    if support.reason or not np.isfinite(value):
        return Difference(float(value) if np.isfinite(value) else None, note=support.reason or "undefined")
    return _t(float(value), replicates, support.freedom)


def macro_difference(parts: Macro) -> Difference:
    """The difference of two encoders' macro means, of parts that are made of differences."""
    if parts.value is None or not len(parts.drawn):
        return Difference(parts.value, note=parts.note)
    return _noted(_t(parts.value, parts.drawn, parts.freedom), parts.note)


def macro_parts(values: Floats, replicates: Floats, support: Sequence[Support], fewest: int = FEWEST) -> Macro:
    """The mean over the labels that have patients enough for a claim, with what its inference rests on.

    With labels of 1 to 4 positive patients an interval of the mean covers too little, so they are left out
    (docs/measurements/statistics.md); where no label has enough, the value is the mean over all and there is no
    inference. Degrees of freedom by Welch and Satterthwaite: each label's share of the variance is its covariance with
    the mean.

    Args:
        values: (L,), NaN where undefined.
        replicates: (R, L) on resamples.
        support: what the L labels rest on.
        fewest: positive and negative patients that a label needs.
    """
    defined = held(values)
    if not defined:
        return Macro(None, np.empty(0), 1.0, (), (), "no label has both classes")
    enough = [k for k in supported(support, fewest) if k in defined]
    kept = tuple(k for k in enough if np.isfinite(replicates[:, k]).sum() >= RESAMPLES)
    if not kept:
        few = f"{len(defined)} labels have fewer than {fewest} patients of a class: no interval"
        lost = f"fewer than {RESAMPLES} resamples have a value, an interval needs {RESAMPLES}"
        return Macro(mean_of(values), np.empty(0), 1.0, (), defined, lost if enough else few)
    base = tuple(support[k] for k in kept)
    centre, spread = _filled(replicates[:, kept])
    away = spread.mean(axis=1)
    share = np.maximum(spread.T @ away, 0.0)
    freedom = float(share.sum() ** 2 / (share**2 / [s.freedom for s in base]).sum()) if share.any() else 1.0
    left = len(defined) - len(kept)
    note = f"over {len(kept)} of {len(defined)} labels: {left} have fewer than {fewest} patients of a class"
    drawn = np.asarray(centre.mean() + away)
    return Macro(float(values[list(kept)].mean()), drawn, max(freedom, 1.0), base, kept, note if left else "")


def drawn_mean(replicates: Floats) -> Floats:
    """Mean over labels on resamples (R,) of replicates (R, L); see :func:`macro_parts`."""
    centre, spread = _filled(replicates)
    return np.asarray(centre.mean() + spread.mean(axis=1))


def _filled(replicates: Floats) -> tuple[Floats, Floats]:
    """Means of resamples (L,), and their deviations (R, L): 0 where undefined, the others stretched in their place.

    A resample without any positive image of one of many labels happens often. To leave it out would condition the mean
    of all labels on it, and with many rare labels leave none; so each label keeps the variance of its own resamples.
    """
    known = np.isfinite(replicates)
    centre = np.nanmean(replicates, axis=0)
    stretch = np.sqrt(len(replicates) / known.sum(axis=0))
    return centre, np.where(known, replicates - centre, 0.0) * stretch


def _logit_t(value: float, replicates: Floats, freedom: float, half_pair: float, support: Support) -> Interval:
    drawn, note = _defined(replicates)
    if len(drawn) < RESAMPLES:
        return Interval(value, note=note)
    if value in (0.0, 1.0):
        bound = float((0.5 - LEVEL / 2) ** (1 / max(support.effective, 1.0)))
        low, high = (bound, 1.0) if value else (0.0, 1.0 - bound)
        exact = f"exactly {value:.0f}: no spread to resample, binomial interval"
        return _noted(Interval(value, low, high, value, value, note), exact)
    if np.ptp(drawn) == 0:
        return Interval(value, note="no spread to resample: no interval")
    near = np.append(value, drawn if support.basis == "all" else value)
    centre, *logits = logit(np.clip(np.append(value, drawn), _edge(near, half_pair), 1 - _edge(1 - near, half_pair)))
    reach = stdtrit(freedom, 0.5 + LEVEL / 2) * np.std(logits, ddof=1)
    low, high = expit([centre - reach, centre + reach])
    return Interval(value, float(low), float(high), *_percentiles(drawn), note)


def _edge(distances: Floats, half_pair: float) -> float:
    """How near to 0 a value may count: half a pair, or the smallest distance that is none of rounding."""
    return float(min(half_pair, distances[distances > ROUNDING].min(initial=half_pair)))


def _t(value: float, replicates: Floats, freedom: float) -> Difference:
    drawn, note = _defined(replicates)
    if len(drawn) < RESAMPLES:
        return Difference(value, note=note)
    spread = float(np.std(drawn, ddof=1))
    if spread == 0:
        if value == 0:
            return Difference(0.0, 0.0, 0.0, 0.0, 0.0, "both rank alike in every resample", p=1.0)
        return Difference(value, note="no spread to resample: no interval")
    reach = float(stdtrit(freedom, 0.5 + LEVEL / 2)) * spread
    p = float(2 * stdtr(freedom, -abs(value) / spread))
    return Difference(value, value - reach, value + reach, *_percentiles(drawn), note, p)


def _defined(replicates: Floats) -> tuple[Floats, str]:
    """The replicates that have a value, and a note where some have none or too few are left."""
    drawn = replicates[np.isfinite(replicates)]
    lost = len(replicates) - len(drawn)
    if len(drawn) < RESAMPLES:
        return drawn, f"{len(drawn)} of {len(replicates)} resamples have a value, an interval needs {RESAMPLES}"
    return drawn, f"{lost} of {len(replicates)} resamples undefined and left out" if lost else ""


def _percentiles(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(low), float(high)


def _noted(interval: Kind, note: str) -> Kind:
    return replace(interval, note="; ".join(part for part in (note, interval.note) if part))
