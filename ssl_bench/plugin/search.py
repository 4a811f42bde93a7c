"""Where ``sslbench tune`` looks for the value of a hyperparameter: what a plugin declares. Imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

Scale = Literal["linear", "log", "one-minus"]

EDGE = 0.05
"""Share of a range, on its scale, that counts as its edge: a best value there asks for a wider range."""

SPREAD = 0.25
"""SD of the prior ``normal`` around the default, as a share of the range; it is cut at the ends."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """The range of a hyperparameter, given as ``Annotated[float, Search(low=..., high=...)]`` beside its ``Field``.

    Args:
        low: lower end, included.
        high: upper end, included.
        scale: on which values are spread evenly: ``linear``, ``log``, or ``one-minus`` for momenta, whose distance
            from 1 is spread as by ``log``.
        prior: ``uniform`` on the scale, or ``normal`` around the default with a quarter of the range as its SD.
        whole: whole numbers.
        relative: the ends are multiples of the default.
        item: of a tuple, the number of the entry that is searched; the others stay.
        choices: values instead of a range.

    Raises:
        ValueError: the range is empty, or its scale does not hold it.
    """

    low: float = 0.0
    high: float = 1.0
    scale: Scale = "linear"
    prior: Literal["uniform", "normal"] = "uniform"
    whole: bool = False
    relative: bool = False
    item: int | None = None
    choices: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if self.choices:
            if len(set(self.choices)) < 2:
                raise ValueError(f"a search needs two different choices or more, found {self.choices}")
        elif not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"the range {self.low:g} to {self.high:g} is empty; give its lower end first")
        elif self.scale == "log" and self.low <= 0:
            raise ValueError(f"a range on the scale log begins above 0, found {self.low:g}")
        elif self.scale == "one-minus" and self.high >= 1:
            raise ValueError(f"a range on the scale one-minus ends below 1, found {self.high:g}")

    def value(self, share: float, default: Any) -> Any:
        """The value at a share of the range in [0, 1], as the option holds it.

        Args:
            share: drawn evenly; the prior and the scale bend it.
            default: of the option.
        """
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.prior == "normal":
            around, below, above = self._prior(default)
            drawn = min(max(below + share * (above - below), 1e-12), 1 - 1e-12)
            share = max(0.0, min(1.0, around.inv_cdf(drawn)))
        low, high = self.ends(default)
        found = max(low, min(high, self._from(share, *self._span(low, high))))
        return self._placed(round(found) if self.whole else found, default)

    def share(self, default: Any) -> float:
        """The share of the range in [0, 1] at which the default is drawn; of choices the middle of its part."""
        if self.choices:
            return (self.choices.index(default) + 0.5) / len(self.choices) if default in self.choices else 0.5
        place = self._place(default)
        if self.prior == "normal":
            around, below, above = self._prior(default)
            place = (around.cdf(place) - below) / (above - below)
        return place

    def holds(self, value: Any) -> bool:
        """Whether a default lies in the range, or is one of the choices."""
        if self.choices:
            return value in self.choices
        return self.low <= (1.0 if self.relative else float(self._single(value))) <= self.high

    def edge(self, value: Any, default: Any) -> Literal["", "low", "high"]:
        """The end of the range that a value lies at; empty: at none. Choices have no ends."""
        if self.choices:
            return ""
        place = self._to(float(self._single(value)), *self._span(*self.ends(default)))
        near = 0.5 / (self.high - self.low + 1) + 1e-6 if self.whole and self.scale == "linear" else EDGE
        return "low" if place <= near else "high" if place >= 1 - near else ""

    def ends(self, default: Any) -> tuple[float, float]:
        """Both ends of the range."""
        factor = float(self._single(default)) if self.relative else 1.0
        return self.low * factor, self.high * factor

    def told(self) -> str:
        """``0.03 to 0.5, log`` or ``x 0.1 to 10, log``."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        parts = [f"{'x ' if self.relative else ''}{self.low:g} to {self.high:g}"]
        parts += [self.scale] * (self.scale != "linear") + ["normal"] * (self.prior == "normal")
        return ", ".join([*parts, *([f"entry {self.item}"] if self.item is not None else [])])

    def _single(self, value: Any) -> Any:
        return value if self.item is None else value[self.item]

    def _placed(self, single: float, default: Any) -> Any:
        if self.item is None:
            return single
        return tuple(single if number == self.item else entry for number, entry in enumerate(default))

    def _span(self, low: float, high: float) -> tuple[float, float]:
        """The ends on the scale; of whole numbers the first and the last have as much room as the others."""
        return (low - 0.499, high + 0.499) if self.whole else (low, high)

    def _place(self, default: Any) -> float:
        """Where the default lies on the scale, in [0, 1]."""
        single = 1.0 if self.relative else float(self._single(default))
        return max(0.0, min(1.0, self._to(single, *self._span(self.low, self.high))))

    def _prior(self, default: Any) -> tuple[NormalDist, float, float]:
        """The normal prior around the default, and its mass below both ends."""
        around = NormalDist(self._place(default), SPREAD)
        return around, around.cdf(0.0), around.cdf(1.0)

    def _from(self, share: float, low: float, high: float) -> float:
        if self.scale == "log":
            return float(low * (high / low) ** share)
        if self.scale == "one-minus":
            return float(1 - (1 - low) * ((1 - high) / (1 - low)) ** share)
        return low + share * (high - low)

    def _to(self, value: float, low: float, high: float) -> float:
        if self.scale == "log":
            return math.log(value / low) / math.log(high / low) if value > 0 else 0.0
        if self.scale == "one-minus":
            return math.log((1 - value) / (1 - low)) / math.log((1 - high) / (1 - low)) if value < 1 else 1.0
        return (value - low) / (high - low)


def declared(metadata: Iterable[Any]) -> Search | None:
    """The search among what annotates an option; None where a tune leaves the option alone."""
    return next((one for one in metadata if isinstance(one, Search)), None)
