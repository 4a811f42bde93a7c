"""What the suites of a run measured, as rows of tables that the terminal and docs/measurements/speed.md show alike."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

import torch

from benchmarks.interleave import exponent, ratio


def digits(value: float) -> str:
    """Three digits, with commas: ``2,970``, ``0.345``."""
    return f"{float(f'{value:.3g}'):,.12g}"


def duration(seconds: float | None) -> str:
    """Three digits and a unit."""
    if seconds is None:
        return ""
    return f"{digits(seconds)} s" if seconds >= 1 else f"{digits(1000 * seconds)} ms"


def amx() -> bool:
    """Whether the processor multiplies tiles of bf16, which moves what can be reached."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def judged(target: str, reached: bool) -> str:
    """A target with what came of it."""
    return f"{target}: {'reached' if reached else 'missed'}"


@dataclass(frozen=True)
class Row:
    """One row; ``suite`` is the file that measured it, without its ending."""

    suite: str
    headings: ClassVar[tuple[str, ...]]

    def cells(self) -> tuple[str, ...]:
        """Texts of the row, one a heading."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ratio(Row):
    """How many times longer a baseline takes; a target is a ratio (``at_least``) or seconds of our side (``below``)."""

    case: str
    baseline: str
    ratio: float
    low: float
    high: float
    rounds: int
    seconds: float
    baseline_seconds: float
    at_least: float | None = None
    below: float | None = None

    headings = ("case", "sslbench", "baseline", "ratio", "rounds", "target")

    def target(self) -> str:
        """With what came of it; nothing where none is set."""
        if self.at_least is not None:
            return judged(f"≥ {self.at_least:.3g}", self.ratio >= self.at_least)
        return judged(f"< {digits(self.below)} s", self.seconds < self.below) if self.below is not None else ""

    def spread(self) -> str:
        """Smallest and largest ratio of one round, and how many there were."""
        return f"{digits(self.low)} to {digits(self.high)} ({self.rounds})" if self.rounds > 1 else "1"

    def cells(self) -> tuple[str, ...]:
        """Both sides' times, the ratio and its spread, the target."""
        baseline = f"{duration(self.baseline_seconds)}, {self.baseline}"
        return self.case, duration(self.seconds), baseline, digits(self.ratio), self.spread(), self.target()


@dataclass(frozen=True)
class Growth(Row):
    """Seconds of a case at several sizes, and the exponent of the power law through them."""

    case: str
    seconds: Mapping[int, float]
    exponent: float

    headings = ("growth", "time by size", "exponent")

    def cells(self) -> tuple[str, ...]:
        """Times by size and the exponent."""
        sizes = ", ".join(f"{int(size):,}: {duration(seconds)}" for size, seconds in self.seconds.items())
        return self.case, sizes, f"{self.exponent:.2f}"


@dataclass(frozen=True)
class Memory(Row):
    """MiB of a process before the work and at its peak, beside the data that it worked on; ``limit`` of the peak."""

    case: str
    data: float
    before: float
    peak: float
    limit: float | None = None

    headings = ("case", "data", "before", "peak", "limit")

    def cells(self) -> tuple[str, ...]:
        """In MiB."""
        limit = judged(f"< {self.limit:,.0f} MiB", self.peak < self.limit) if self.limit is not None else ""
        return self.case, *(f"{value:,.0f} MiB" for value in (self.data, self.before, self.peak)), limit


@dataclass(frozen=True)
class Speed(Row):
    """Steps of one method: operations counted, seconds taken; ``large`` counts an image with ViT-Tiny/16."""

    method: str
    shape: str
    images: int
    flops: int
    seconds: float
    large: float

    headings = ("method", "GFLOP per image", "steps/s", "images/s", "GFLOP/s", "GFLOP per image, ViT-Tiny/16")

    def cells(self) -> tuple[str, ...]:
        """Operations and rates."""
        rates = (1 / self.seconds, self.images / self.seconds, self.flops / self.seconds / 1e9)
        return (self.method, f"{self.flops / self.images / 1e9:.2f}", *(digits(rate) for rate in rates),
                f"{self.large / 1e9:.1f}")  # fmt: skip


@dataclass(frozen=True)
class Rate(Row):
    """Operations a second of a step beside those of one large matrix product, timed in the same rounds."""

    case: str
    precision: str
    flops: float
    seconds: float
    rate: float
    at_least: float | None = None

    headings = ("case", "precision", "step, GFLOP/s", "one large product, GFLOP/s", "share", "target")

    def share(self) -> float:
        """Of the processor's rate."""
        return self.flops / self.seconds / self.rate

    def cells(self) -> tuple[str, ...]:
        """Both rates and the share."""
        aim = self.at_least
        target = judged(f"≥ {100 * aim:.0f} %", self.share() >= aim) if aim is not None else ""
        rates = digits(self.flops / self.seconds / 1e9), digits(self.rate / 1e9)
        return self.case, self.precision, *rates, f"{100 * self.share():.0f} %", target


@dataclass(frozen=True)
class Profile(Row):
    """Shares of a step's time by group of operators."""

    case: str
    shares: Mapping[str, float]

    headings = ("step", "shares")

    def cells(self) -> tuple[str, ...]:
        """All shares in one cell."""
        return self.case, ", ".join(f"{name} {100 * share:.1f} %" for name, share in self.shares.items())


@dataclass(frozen=True)
class Note(Row):
    """A sentence about what a suite found besides."""

    sentence: str

    headings = ("suite", "besides")

    def cells(self) -> tuple[str, ...]:
        """As it is."""
        return self.suite, self.sentence


KINDS: dict[str, type[Row]] = {
    "ratios": Ratio, "growth": Growth, "memory": Memory, "training": Speed, "rates": Rate, "profiles": Profile,
    "notes": Note,
}  # fmt: skip
"""Kinds of rows by their key in the file."""


@dataclass
class Report:
    """What the suites have to say: times in, rows out."""

    suite: str = ""
    rows: list[Row] = field(default_factory=list)

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        print(f"\n{'; '.join(row.cells())}")

    def of(self, kind: type[Row]) -> list[Row]:
        """The rows of one kind."""
        return [row for row in self.rows if type(row) is kind]

    def ratio(
        self, case: str, times: Mapping[str, Sequence[float]], fast: str, slow: str, *, per: int = 1,
        at_least: float | None = None, below: float | None = None,
    ) -> None:  # fmt: skip
        """Add how many times longer ``slow``, the baseline, takes than ``fast``.

        Args:
            case: what is done.
            times: seconds of every call by side, from ``interleave``.
            fast: the side of sslbench.
            slow: the side of the baseline.
            per: things a call does, to show the seconds of one.
            at_least: target of the ratio.
            below: target of our side's seconds.
        """
        found = ratio(dict(times), slow, fast)
        ours, theirs = (statistics.median(times[name]) / per for name in (fast, slow))
        spread = found.median, found.low, found.high, len(times[fast])
        self._add(Ratio(self.suite, case, slow, *spread, ours, theirs, at_least, below))

    def growth(self, case: str, times: Mapping[int, Sequence[float]]) -> float:
        """Add the exponent of a case from its times by size: 1 where the cost grows in proportion."""
        seconds = {size: statistics.median(each) for size, each in times.items()}
        self._add(Growth(self.suite, case, seconds, found := exponent(seconds)))
        return found

    def memory(self, case: str, data: float, before: float, peak: float, limit: float | None = None) -> None:
        """Add the memory of a process; everything in MiB."""
        self._add(Memory(self.suite, case, data, before, peak, limit))

    def speed(self, method: str, shape: str, images: int, flops: int, times: Sequence[float], large: float) -> None:
        """Add the steps of a method: images and floating-point operations of one, and its times."""
        self._add(Speed(self.suite, method, shape, images, flops, statistics.median(times), large))

    def rate(
        self, case: str, precision: str, flops: float, times: Sequence[float], rate: float, at_least: float | None
    ) -> None:
        """Add the rate of a step beside the ``rate`` of a large product, both in operations a second."""
        self._add(Rate(self.suite, case, precision, flops, statistics.median(times), rate, at_least))

    def profile(self, case: str, shares: Mapping[str, float]) -> None:
        """Add where the time of a step goes."""
        self._add(Profile(self.suite, case, dict(shares)))

    def note(self, sentence: str) -> None:
        """Add what a suite found besides."""
        self._add(Note(self.suite, sentence))

    def values(self) -> dict[str, list[dict[str, Any]]]:
        """For JSON: rows by their kind."""
        return {key: [asdict(row) for row in self.of(kind)] for key, kind in KINDS.items()}


def read(values: Mapping[str, Any]) -> list[Row]:
    """Rows of a file that :meth:`Report.values` made."""
    known = {key: {one.name for one in fields(kind)} for key, kind in KINDS.items()}
    return [kind(**{name: value for name, value in row.items() if name in known[key]})
            for key, kind in KINDS.items() for row in values[key]]  # fmt: skip
