"""Tests between encoders and methods: DeLong as a cross-check, Holm's correction, seeds crossed with patients.

Every claim about methods goes through here: :func:`few_seeds`, :func:`over_seeds` and :func:`adjusted_p`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from ssl_bench.errors import DataError, shortened
from ssl_bench.numbers import counted
from ssl_bench.stats.bootstrap import Array, Floats, checked
from ssl_bench.stats.intervals import FEWEST, LEVEL, RESAMPLES, Difference, Support, drawn_mean, macro_parts

SEEDS = 5
"""Paired pretraining seeds that a claim about methods needs."""

ALPHA = 0.05
"""A difference is claimed where its adjusted p is below this."""


@dataclass(frozen=True)
class DeLong:
    """AUROC of two encoders on one label, their difference with its standard error, 95 % interval and p."""

    auroc_a: float
    auroc_b: float
    difference: float
    error: float
    low: float
    high: float
    p: float


def delong(labels: npt.ArrayLike, scores_a: npt.ArrayLike, scores_b: npt.ArrayLike) -> DeLong:
    """DeLong's test of two correlated AUROCs, by mid-ranks (Sun & Xu, IEEE Signal Processing Letters, 2014).

    It takes images for independent: a cross-check where there is one image per patient, too narrow elsewhere.
    Neither scipy nor scikit-learn nor statsmodels has it.

    Args:
        labels: (N,) 1, 0, or NaN where unknown.
        scores_a: (N,) of the first encoder.
        scores_b: (N,) of the second.

    Raises:
        DataError: as ``bootstrap``, or fewer than two images of a class.
    """
    truth = np.asarray(labels, np.float64)
    pair = [checked(truth[:, None], np.asarray(s)[:, None])[1][:, 0] for s in (scores_a, scores_b)]
    positive, negative = truth == 1, truth == 0
    counts = int(positive.sum()), int(negative.sum())
    if min(counts) < 2:
        raise DataError(f"expected at least 2 images of each class, found {counts[0]} positive, {counts[1]} negative")
    of_positive, of_negative = (
        np.array(v) for v in zip(*(_placements(s, positive, negative) for s in pair), strict=True)
    )
    auroc = of_positive.mean(axis=1)
    difference = float(auroc[0] - auroc[1])
    parts = ((of[0] - of[1]).var(ddof=1) / len(of[0]) for of in (of_positive, of_negative))
    error = float(np.sqrt(sum(parts)))
    reach = float(ndtri(0.5 + LEVEL / 2)) * error
    p = float(2 * ndtr(-abs(difference) / error)) if error > 0 else float(difference == 0)
    return DeLong(float(auroc[0]), float(auroc[1]), difference, error, difference - reach, difference + reach, p)


def _placements(
    scores: Array, positive: npt.NDArray[np.bool_], negative: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Share of negatives below each positive image (P,) and of positives above each negative one (Q,)."""
    first, second = scores[positive], scores[negative]
    ranks = _ranks(np.concatenate([first, second]))
    above = (ranks[: len(first)] - _ranks(first)) / len(second)
    below = 1 - (ranks[len(first) :] - _ranks(second)) / len(first)
    return above, below


def _ranks(scores: Array) -> Floats:
    """From 1 for the lowest, the mean rank for ties."""
    return np.asarray(pd.Series(scores).rank(), dtype=np.float64)


def holm(pvalues: npt.ArrayLike) -> Floats:
    """Adjust p values for their number by Holm's step-down method (Scandinavian Journal of Statistics, 1979).

    scipy has the false discovery rate alone; statsmodels has Holm, but takes no NaN, and would be here for this only.

    Args:
        pvalues: (K,) of all the comparisons that were declared; NaN where one has none, which stays and is not counted.

    Raises:
        DataError: values outside 0 to 1.
    """
    given = np.asarray(pvalues, np.float64)
    wrong = given[(given < 0) | (given > 1)]
    if len(wrong):
        raise DataError(f"expected p values from 0 to 1, found {shortened(wrong.tolist())}")
    adjusted = given.copy()
    order = np.argsort(given)[: np.count_nonzero(~np.isnan(given))]  # NaN sort last
    steps = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def adjusted_p(pvalues: Sequence[float | None]) -> list[float | None]:
    """:func:`holm` of one family of tests; None where there is no p."""
    found = holm([np.nan if p is None else p for p in pvalues])
    return [None if np.isnan(p) else float(p) for p in found]


def few_seeds(seeds: int) -> str:
    """Why so many paired seeds permit no claim about methods; empty where they do."""
    paired = counted(seeds, "paired seed")
    return f"{paired}, a claim about methods needs {SEEDS}" if seeds < SEEDS else ""


def method_difference(values: Floats, replicates: Floats, freedom: float) -> Difference:
    """Difference of two methods over paired pretraining seeds: seeds a random factor, crossed with patients.

    The mean difference varies with the seeds, with the patients, and with how both interact. The variance between
    seeds holds the first and the last; what the resamples add to it is the part of the patients that all seeds share.
    Degrees of freedom by Satterthwaite.

    Args:
        values: (S,) first minus second method for each seed.
        replicates: (R, S) the same on resamples of patients, one resample for all seeds.
        freedom: degrees of freedom of the patients (``Support.freedom``).
    """
    seeds = len(values)
    mean = float(np.mean(values))
    if few_seeds(seeds):
        return Difference(mean, note=few_seeds(seeds))
    drawn = replicates[np.isfinite(replicates).all(axis=1)]
    if len(drawn) < RESAMPLES:
        return Difference(mean, note=f"{len(drawn)} of {len(replicates)} resamples have a value in every seed")
    between = float(np.var(values, ddof=1)) / seeds
    common = float(np.var(drawn.mean(axis=1), ddof=1))
    apart = max(float(np.var(drawn, axis=0, ddof=1).mean()) - common, 0.0) / (seeds - 1)  # interaction / seeds
    shared = max(common - apart, 0.0)
    error = float(np.sqrt(between + shared))
    if error == 0:
        return Difference(mean, note="no spread between seeds or resamples: no interval")
    df = (between + shared) ** 2 / (between**2 / (seeds - 1) + shared**2 / freedom)
    reach = float(stdtrit(df, 0.5 + LEVEL / 2)) * error
    return Difference(mean, mean - reach, mean + reach, p=float(2 * stdtr(df, -abs(mean) / error)))


def over_seeds(
    values: Floats, replicates: Floats, base: Sequence[Support], fewest: int = FEWEST
) -> tuple[Difference, tuple[float, ...]]:
    """A macro mean over pretraining seeds with the test of methods, and the mean of each seed.

    Args:
        values: (S, L) of one arm, or first minus second arm, for each seed and label.
        replicates: (S, R, L) the same on resamples of patients, one resample for all seeds.
        base: what the L labels rest on.
        fewest: positive and negative patients that a label needs.
    """
    held = np.isfinite(values).all(axis=0)
    parts = macro_parts(np.where(held, values.mean(axis=0), np.nan), replicates.mean(axis=0), base, fewest)
    kept = list(parts.kept)
    if not kept:
        return Difference(None, note=parts.note), ()
    each = values[:, kept].mean(axis=1)
    told = tuple(map(float, each))
    if not len(parts.drawn):
        return Difference(float(each.mean()), note=parts.note), told
    drawn = np.stack([drawn_mean(of_seed[:, kept]) for of_seed in replicates], axis=1)
    found = method_difference(each, drawn, parts.freedom)
    return replace(found, note="; ".join(part for part in (found.note, parts.note) if part)), told
