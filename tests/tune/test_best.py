"""The expected best of k trials against every draw, counted one by one."""

from __future__ import annotations

from itertools import combinations
from math import inf
from statistics import mean

import pytest

from ssl_bench.tune.best import CHANCE, best_of, chances, chosen, curve
from ssl_bench.tune.ledger import Trial

SCORES = {
    "plain": [0.6, 0.7, 0.5, 0.65, 0.8],
    "failed": [0.6, None, 0.5, None, 0.8],
    "default failed": [None, 0.7, None, 0.65],
    "ties": [0.7, 0.7, 0.6, 0.7],
    "all failed": [None, None, None],
    "one": [0.6],
}


def drawn(scores: list[float | None], count: int) -> list[int]:
    """The trial that each draw of the others selects beside the default."""
    found = []
    for others in combinations(range(1, len(scores)), count - 1):
        pool = [0, *others]
        found.append(max(pool, key=lambda number: (-inf if scores[number] is None else scores[number], -number)))
    return found


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
def test_the_formula_counts_every_draw(scores: list[float | None]) -> None:
    for count in range(1, len(scores) + 1):
        won = drawn(scores, count)
        assert chances(scores, count) == pytest.approx([won.count(n) / len(won) for n in range(len(scores))])
        values = [CHANCE if scores[n] is None else scores[n] for n in won]
        found = best_of(scores, scores, count)
        assert found.expected == pytest.approx(mean(values))  # type: ignore[type-var]
        assert min(values) <= found.low <= found.high <= max(values)  # type: ignore[type-var, operator]


def test_the_interval_holds_95_percent_of_many_draws() -> None:
    scores: list[float | None] = [0.5 + number / 100 for number in range(12)]
    found = best_of(scores, scores, 4)
    won = [scores[number] for number in drawn(scores, 4)]
    inside = sum(found.low <= value <= found.high for value in won) / len(won)  # type: ignore[operator]
    assert inside >= 0.95
    assert sum(value < found.low for value in won) / len(won) <= 0.025  # type: ignore[operator]
    assert sum(value > found.high for value in won) / len(won) <= 0.025  # type: ignore[operator]


def test_a_budget_of_one_is_the_default_and_of_all_the_winner() -> None:
    trials = [Trial(number, {}, "done", value) for number, value in enumerate([0.6, 0.8, 0.7])]
    found = curve(trials)
    assert (found[0].expected, found[-1].expected) == (0.6, 0.8)
    assert (found[-1].low, found[-1].high) == (0.8, 0.8)
    winner = chosen(trials)
    assert winner is not None
    assert winner.number == 1


def test_a_member_is_valued_where_the_shared_score_selects() -> None:
    trials = [Trial(0, {}, "done", 0.6, {"a": 0.5, "b": 0.7}), Trial(1, {}, "done", 0.8, {"a": 0.9, "b": 0.7})]
    assert [best.expected for best in curve(trials, "a")] == [0.5, 0.9]
    assert [best.expected for best in curve(trials, "b")] == [0.7, 0.7]


def test_nothing_is_chosen_where_all_failed() -> None:
    assert chosen([Trial(0, {}, "failed", reason="out of memory")]) is None
