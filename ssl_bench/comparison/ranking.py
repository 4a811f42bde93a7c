"""How firm the order of a place is: ranks over resampled patients and findings, and what our own test tells apart.

A critical-difference diagram (Demšar, JMLR 7, 2006) joins what a test does not tell apart. Here the test is the paired
one of the tables, on the same resamples of patients, with p adjusted by Holm over all pairs; ranks are those of macro
AUROC on resamples of patients and, with replacement, of findings. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.comparison.cleared import unready_line
from ssl_bench.comparison.group_comparison import GroupComparison
from ssl_bench.comparison.lines import Line
from ssl_bench.stats.family import adjust
from ssl_bench.stats.significance import ALPHA

MOST, FEWEST_LINES = 20, 3
"""Most configurations, the highest, whose ranks are shown, and fewest that make a ranking."""

METRIC = "auroc"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """The order of C configurations at a place.

    Attributes:
        names: the best mean rank first.
        ranks: ``(C,)`` mean rank over the resamples, from 1.
        low, high: ``(C,)`` ends of the 95 % of the resamples' ranks.
        shares: ``(C, C)`` share of the resamples in which a configuration has rank 1, 2, ...; ties share their places.
        cliques: first and last of each longest stretch of names within which no pair is told apart.
        tests: pairs that were tested.
        left_out: configurations beyond :data:`MOST`.
    """

    names: tuple[str, ...]
    ranks: Floats
    low: Floats
    high: Floats
    shares: Floats
    cliques: tuple[tuple[int, int], ...]
    tests: int
    left_out: int = 0


def highest(comparison: GroupComparison) -> tuple[list[Line], int]:
    """The rows of a place that are ranked, the highest macro AUROC first, and how many are beyond :data:`MOST`."""
    able = [
        line for line in comparison.lines if not line.blind and not unready_line(line) and comparison.has(line, METRIC)
    ]
    if not comparison.lines or not comparison.held(METRIC):
        return [], 0
    able.sort(key=lambda line: -float(np.mean(comparison.values(line, METRIC))))
    return able[:MOST], len(able[MOST:])


def ranking(comparison: GroupComparison, left_out: int = 0) -> Ranking | None:
    """Rank the rows of a comparison.

    Args:
        comparison: of the rows that :func:`highest` names.
        left_out: rows of the setting beside them.

    Returns:
        None where fewer than three rows can be ranked.
    """
    able = comparison.lines
    if len(able) < FEWEST_LINES:
        return None
    found = rank_draws(np.stack([_drawn(comparison, line) for line in able]))
    order = np.argsort(found.mean(axis=0), kind="stable")
    ranks, named = found[:, order], [able[number] for number in order]
    apart, tests = _apart(comparison, named)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0)
    return Ranking(
        tuple(line.name for line in named), ranks.mean(axis=0), low, high, shares_of(ranks),
        cliques(len(named), apart), tests, left_out,
    )  # fmt: skip


def _drawn(comparison: GroupComparison, line: Line) -> Floats:
    """A row's AUROC on every resample ``(R, L)`` of patients, mean over its seeds, for the findings of macro means."""
    columns = [comparison.labels.index(label) for label in comparison.held(METRIC)]
    of = [comparison.drawn(run, METRIC).replicates[:, columns] for run in line.runs.values()]
    return np.asarray(np.mean(of, axis=0), dtype=np.float64)


def rank_draws(values: Floats, seed: int = 0) -> Floats:
    """Ranks ``(R, C)`` of C rows by their mean over findings drawn with replacement, 1 for the highest.

    Args:
        values: ``(C, R, L)``; NaN where a resample of patients leaves a finding undefined.
        seed: of the findings drawn.
    """
    _, draws, labels = values.shape
    chosen = np.random.default_rng(seed).integers(labels, size=(draws, labels))
    taken = np.take_along_axis(values, np.broadcast_to(chosen, values.shape), axis=2)  # (C, R, L)
    known = np.asarray(np.isfinite(taken).all(axis=0))  # the same findings for all rows
    sums = np.where(known, taken, 0.0).sum(axis=2) / np.maximum(known.sum(axis=1), 1)
    return pd.DataFrame(-sums[:, known.any(axis=1)].T).rank(axis=1).to_numpy(dtype=np.float64)


def shares_of(ranks: Floats) -> Floats:
    """Share of draws ``(C, C)`` in which a row (first) has a rank (second); a rank of 1.5 is half 1 and half 2."""
    rows = ranks.shape[1]
    places = np.arange(1, rows + 1)
    return np.stack([np.maximum(0, 1 - np.abs(ranks[:, row, None] - places)).mean(axis=0) for row in range(rows)])


def _apart(comparison: GroupComparison, lines: Sequence[Line]) -> tuple[set[tuple[int, int]], int]:
    """Pairs that the test tells apart, and how many were tested."""
    pairs = list(combinations(range(len(lines)), 2))
    tests = [comparison.test(lines[first], lines[second], METRIC) for first, second in pairs]
    adjusted = adjust(tests)
    told = {pair for pair, p in zip(pairs, adjusted, strict=True) if p is not None and p < ALPHA}
    return told, sum(p is not None for p in adjusted)


def cliques(rows: int, apart: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The longest stretches of rows, of two and more, within which no pair is told apart.

    Args:
        rows: how many there are, in their order.
        apart: pairs that are told apart, the smaller number first.
    """
    told = set(apart)
    found: list[tuple[int, int]] = []
    for first in range(rows):
        last = first
        while last + 1 < rows and not any((row, last + 1) in told for row in range(first, last + 1)):
            last += 1
        if last > first and not (found and found[-1][1] >= last):
            found.append((first, last))
    return tuple(found)
