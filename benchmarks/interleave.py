"""Fair timing: the sides take turns in one run, in random order, and the claim is a ratio of medians."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """Ratio of medians, with the smallest and largest ratio of one round."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g}x (rounds {self.low:.3g} to {self.high:.3g})"


def interleave(
    cases: dict[str, Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of every call, by case; each round calls every case once, after ``warm_up`` rounds that do not count.

    ``clock`` may be ``time.process_time``: seconds of computing, which other work on the machine hardly moves.
    """
    order = random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(warm_up + rounds):
        for name in order.sample(list(cases), len(cases)):
            start = clock()
            cases[name]()
            if number >= warm_up:
                times[name].append(clock() - start)
    return times


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> Ratio:
    """How many times longer ``slow`` takes than ``fast``."""
    each = [a / b for a, b in zip(times[slow], times[fast], strict=True)]
    return Ratio(statistics.median(times[slow]) / statistics.median(times[fast]), min(each), max(each))


def exponent(values: Mapping[int, float]) -> float:
    """The exponent of the power law through values by size: 1 where they grow in proportion."""
    return float(np.polyfit(np.log(list(values)), np.log(list(values.values())), 1)[0])
