"""Quality against budget: the expected best of k trials, exactly, by counting the draws. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, inf

from ssl_bench.tune.ledger import Trial

CHANCE = 0.5
"""Macro AUROC that stands for a budget all of whose trials have failed: that of scores that say nothing."""

LOW, HIGH = 0.025, 0.975


@dataclass(frozen=True)
class Best:
    """The best of k trials.

    Args:
        trials: k, the official default among them.
        expected: mean over all draws of the others.
        low: 2.5 % of the draws reach less.
        high: 2.5 % of the draws reach more.
    """

    trials: int
    expected: float
    low: float
    high: float


def chances(scores: Sequence[float | None], trials: int) -> list[float]:
    """How probable it is that each trial is the one that a budget selects.

    A budget of k is the official default, number 0, and k - 1 of the others drawn without replacement, all draws alike:
    the best of m out of n is the i-th from below with probability C(i - 1, m - 1) / C(n, m). Of equal ones the first
    wins, as in the selection itself, and one that failed is below all.

    Args:
        scores: of all trials by number; None: it failed.
        trials: k, from 1 to their number.
    """
    ranked = sorted(range(1, len(scores)), key=lambda number: (_of(scores[number]), -number))
    others, drawn = len(ranked), trials - 1
    found = [0.0] * len(scores)
    for below, number in enumerate(ranked):
        chance = comb(below, drawn - 1) / comb(others, drawn) if drawn else 0.0
        found[number if _of(scores[number]) > _of(scores[0]) else 0] += chance
    return found if drawn else [1.0, *found[1:]]


def _of(score: float | None) -> float:
    return -inf if score is None else score


def best_of(scores: Sequence[float | None], values: Sequence[float | None], trials: int) -> Best:
    """The expected value of the trial that a budget selects, with the interval that 95 % of the draws fall in.

    Args:
        scores: what the rule selects by.
        values: what is told of the chosen trial: the scores, or those of one method that shares the trials.
        trials: the budget.
    """
    weighed = sorted((CHANCE if value is None else value, chance)
                     for value, chance in zip(values, chances(scores, trials), strict=True) if chance)  # fmt: skip
    return Best(trials, sum(value * chance for value, chance in weighed), _quantile(weighed, LOW),
                _quantile(weighed, HIGH))  # fmt: skip


def _quantile(weighed: Sequence[tuple[float, float]], share: float) -> float:
    """The smallest value that a share of the draws does not exceed."""
    reached = 0.0
    for value, chance in weighed:
        reached += chance
        if reached >= share - 1e-12:
            return value
    return weighed[-1][0]


def curve(trials: Sequence[Trial], member: str = "") -> list[Best]:
    """The best of every number of trials.

    Args:
        trials: of a study, all of them ended.
        member: one of several methods that share them; empty: what the rule selects by.
    """
    scores = [trial.value for trial in trials]
    values = [trial.values.get(member) for trial in trials] if member else scores
    return [best_of(scores, values, count) for count in range(1, len(trials) + 1)]


def chosen(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the highest value, the first of equals; None where all have failed."""
    able = [trial for trial in trials if trial.value is not None]
    return max(able, key=lambda trial: (trial.value, -trial.number)) if able else None
