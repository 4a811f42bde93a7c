"""One table of all ratios at the end of a run, kept as JSON with ``--ratios FILE``."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.interleave import exponent, ratio
from ssl_bench.results.environment import environment

# Worker processes import the suites by name. At the end of the path, so that an installed sslbench is what is measured.
sys.path.append(str(Path(__file__).parents[1]))

STANDING = {
    "test_intervals": ("1,000 resamples", "pandas + scikit-learn", "≥ 150"),
    "test_probe": ("probe, 14 x 10 fits", "scikit-learn", "≥ 20"),
    "test_views": ("views", "lightly transform", "≥ 2.5"),
}
"""Case, baseline and target of the suites that leave a plain ratio in ``benchmark.extra_info``."""


@dataclass(frozen=True)
class Row:
    """One line of the table; seconds and ``low``, ``high`` are None where a suite does not tell them."""

    case: str
    baseline: str
    target: str
    ratio: float
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    baseline_seconds: float | None = None


@dataclass(frozen=True)
class Growth:
    """Seconds of a case at several sizes, and the exponent of the power law through them."""

    case: str
    seconds: Mapping[int, float]
    exponent: float


@dataclass(frozen=True)
class Memory:
    """MiB of a process before the work and at its peak, beside the data that it worked on."""

    case: str
    data: float
    before: float
    peak: float


@dataclass(frozen=True)
class Speed:
    """Training of one method: what a step costs, counted, and what it took."""

    method: str
    shape: str
    images: int
    flops: int
    seconds: float


class Report:
    """What the suites have to say: times in, rows out."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.growths: list[Growth] = []
        self.memories: list[Memory] = []
        self.speeds: list[Speed] = []

    def memory(self, case: str, data: float, before: float, peak: float) -> None:
        """Add the memory of a process; everything in MiB."""
        self.memories.append(Memory(case, data, before, peak))
        print(f"\n{case}: {data:,.0f} MiB of data, {before:,.0f} MiB before, {peak:,.0f} MiB at the peak")

    def speed(self, method: str, shape: str, images: int, flops: int, times: Sequence[float]) -> None:
        """Add the steps of a method: images and floating-point operations of one, and its times."""
        self.speeds.append(Speed(method, shape, images, flops, statistics.median(times)))

    def ratio(
        self, case: str, times: Mapping[str, Sequence[float]], fast: str, slow: str, *, target: str = "", per: int = 1
    ) -> None:
        """Add how many times longer ``slow``, the baseline, takes than ``fast``.

        Args:
            case: what is done.
            times: seconds of every call by side, from ``interleave``.
            fast: the side of sslbench.
            slow: the side of the baseline.
            target: of this ratio.
            per: things a call does, to show the seconds of one.
        """
        found = ratio(dict(times), slow, fast)
        each = [statistics.median(times[name]) / per for name in (fast, slow)]
        self.rows.append(Row(case, slow, target, found.median, found.low, found.high, *each))
        print(f"\n{case}: {duration(each[0])} against {duration(each[1])} of {slow}, {found}")

    def growth(self, case: str, times: Mapping[int, Sequence[float]]) -> None:
        """Add the exponent of a case from its times by size: 1 where the cost grows in proportion."""
        seconds = {size: statistics.median(each) for size, each in times.items()}
        self.growths.append(Growth(case, seconds, exponent(seconds)))
        print(f"\n{case}: exponent {self.growths[-1].exponent:.2f}")

    def add_standing(self, suite: str, variant: str, info: Mapping[str, Any]) -> None:
        """Add the row of a suite of :data:`STANDING`."""
        case, baseline, target = STANDING[suite]
        seconds = [info[key] / 1000 if key in info else None for key in ("sslbench ms/image", "lightly ms/image")]
        values = info["ratio"], info.get("low"), info.get("high"), *seconds
        self.rows.append(Row(f"{case} {variant}".strip(), baseline, target, *values))


KEY = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--ratios FILE``."""
    parser.addoption("--ratios", type=Path, metavar="FILE", help="write the table of ratios as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Begin an empty report."""
    config.stash[KEY] = Report()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Takes the ratios of a test."""
    return request.config.stash[KEY]


@pytest.fixture(autouse=True)
def standing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Picks the ratio up that a suite without ``report`` leaves in ``benchmark.extra_info``."""
    used = request.getfixturevalue("benchmark") if "benchmark" in request.fixturenames else None
    yield
    suite = Path(request.node.path).stem
    if used is not None and suite in STANDING and "ratio" in used.extra_info:
        variant = request.node.callspec.id if hasattr(request.node, "callspec") else ""
        request.config.stash[KEY].add_standing(suite, variant, used.extra_info)


def duration(seconds: float | None) -> str:
    """Three digits and a unit."""
    if seconds is None:
        return ""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables and keep them."""
    found = config.stash[KEY]
    parts = {
        ratio_table: found.rows, growth_table: found.growths, memory_table: found.memories, speed_table: found.speeds
    }  # fmt: skip
    if tables := [table(rows) for table, rows in parts.items() if rows]:
        terminalreporter.section("ratios of medians, sides interleaved (nothing is asserted about time)")
        console = Console(file=StringIO(), width=140)
        console.print(*tables, machine(), sep="\n")
        terminalreporter.write(console.file.getvalue())
    if config.getoption("--ratios"):
        save(config.getoption("--ratios"), found)


def ratio_table(rows: Sequence[Row]) -> Table:
    """Case, both sides, ratio with its spread over rounds, target."""
    table = Table("case", "sslbench", "baseline", "takes", "ratio", "rounds", "target", box=None)
    for row in rows:
        spread = "" if row.low is None or row.high is None else f"{row.low:.3g} to {row.high:.3g}"
        sides = duration(row.seconds), row.baseline, duration(row.baseline_seconds)
        table.add_row(row.case, *sides, f"{row.ratio:.3g}", spread, row.target)
    return table


def growth_table(growths: Sequence[Growth]) -> Table:
    """Case, seconds by size, exponent."""
    table = Table("growth", "time by size", "exponent (1: linear)", box=None)
    for row in growths:
        sizes = ", ".join(f"{size}: {duration(seconds)}" for size, seconds in row.seconds.items())
        table.add_row(row.case, sizes, f"{row.exponent:.2f}")
    return table


def memory_table(memories: Sequence[Memory]) -> Table:
    """Case, size of the data, memory before and at the peak."""
    table = Table("memory", "data", "before", "peak", box=None)
    for row in memories:
        table.add_row(row.case, *(f"{value:,.0f} MiB" for value in (row.data, row.before, row.peak)))
    return table


def speed_table(speeds: Sequence[Speed]) -> Table:
    """Method, operations of an image, steps and images a second, rate."""
    table = Table("training", "shape", "GFLOP an image", "steps/s", "images/s", "GFLOP/s", box=None)
    for row in speeds:
        per_image = f"{row.flops / row.images / 1e9:.2f}"
        rates = (1 / row.seconds, row.images / row.seconds, row.flops / row.seconds / 1e9)
        table.add_row(row.method, row.shape, per_image, *(f"{value:.3g}" for value in rates))
    return table


def machine() -> str:
    """Processor, cores and how busy they are: a busy machine moves ratios too."""
    here, load = environment(), " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{here['processor']}, {here['cores']} cores, torch {here['packages']['torch']}, load average {load}"


def save(path: Path, found: Report) -> None:
    """Write rows, machine and its load, so that a later reader knows how far to trust them."""
    where = {**environment(), "load_average": os.getloadavg(), "when": time.strftime("%Y-%m-%d %H:%M")}
    parts = {"ratios": found.rows, "growth": found.growths, "memory": found.memories, "training": found.speeds}
    kept = {name: [asdict(row) for row in rows] for name, rows in parts.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**kept, "environment": where}, indent=2))
