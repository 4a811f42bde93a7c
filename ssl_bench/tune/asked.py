"""What a command line says of a search and of a budget, as values. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ssl_bench.config.yamltext import load_yaml
from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugin.search import Scale, Search
from ssl_bench.tune.space import FIXED

TRIALS = 20
MOST = 1000
"""Trials of a method at most, where a budget alone ends them."""

Kind = Literal["trials", "gpu-hours", "flops"]


@dataclass(frozen=True)
class Budget:
    """What the trials of one method may cost.

    Args:
        kind: what is counted.
        amount: of it.
        trials: at most.
    """

    kind: Kind
    amount: float
    trials: int

    @property
    def told(self) -> str:
        """``20 trials``, ``25 gpu-hours`` or ``1e+18 flops``."""
        return f"{self.amount:g} {self.kind}"


def budget_of(text: str | None, trials: int | None) -> Budget:
    """The budget of ``--budget gpu-hours=25`` and ``--trials 20``.

    Raises:
        UsageError: it is none, or pays for nothing.
    """
    if trials is not None and trials < 1:
        raise UsageError(f"--trials expects how many trials a method gets, 1 or more, found {trials}")
    if text is None:
        return Budget("trials", trials or TRIALS, trials or TRIALS)
    kind, equals, amount = text.partition("=")
    if kind.strip() not in ("gpu-hours", "flops"):
        raise UsageError(unknown("budget", kind.strip(), ("gpu-hours", "flops")))
    try:
        number = float(amount)
    except ValueError:
        number = math.nan
    if not (equals and number > 0 and math.isfinite(number)):
        raise UsageError(f"--budget expects {kind.strip()}=NUMBER with a number above 0, found '{text}'")
    return Budget(kind.strip(), number, trials or MOST)  # type: ignore[arg-type]


def searches_of(texts: Iterable[str]) -> dict[str, Search | None]:
    """``KEY=LOW..HIGH``, ``KEY=LOW..HIGH:log``, ``KEY=a|b|c`` or ``KEY=fixed``, by key.

    Raises:
        UsageError: one is none of these, its range is empty, or a key is said twice.
    """
    found: dict[str, Search | None] = {}
    for text in texts:
        key, equals, said = (part.strip() for part in text.partition("="))
        if not (key and equals and said):
            raise UsageError(f"--search expects KEY=LOW..HIGH, KEY=a|b or KEY={FIXED}, found '{text}'")
        if key in found:
            raise UsageError(f"--search names {key} twice; give it once")
        try:
            found[key] = None if said == FIXED else _choices(said) if "|" in said else _range(said)
        except ValueError as error:
            raise UsageError(f"--search {key}: {error}") from None
    return found


def _choices(said: str) -> Search:
    return Search(choices=tuple(load_yaml(part) for part in said.split("|")))


def _range(said: str) -> Search:
    ends, _, scale = said.partition(":")
    low, dots, high = ends.partition("..")
    if not dots:
        raise ValueError(f"a range is LOW..HIGH, found '{said}'")
    if scale and scale not in get_args(Scale):
        raise ValueError(f"a scale is one of {', '.join(get_args(Scale))}, found '{scale}'")
    try:
        numbers: Any = [float(end) for end in (low, high)]
    except ValueError:
        raise ValueError(f"the ends of a range are numbers, found '{said}'") from None
    whole = all("." not in end and "e" not in end.lower() for end in (low, high)) and not scale
    return Search(low=numbers[0], high=numbers[1], scale=scale or "linear", whole=whole)  # type: ignore[arg-type]
