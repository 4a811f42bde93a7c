"""Tables of everything that was measured at the end of a run, kept as JSON with ``--ratios FILE``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from rich.table import Table

# Worker processes import the suites by name. At the end of the path, so that an installed sslbench is what is measured.
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks.report import KINDS, Report, Row, amx
from ssl_bench.results.environment import environment

KEY = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--ratios FILE``."""
    parser.addoption("--ratios", type=Path, metavar="FILE", help="write everything that was measured as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Begin an empty report."""
    config.stash[KEY] = Report()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Takes what a test measured."""
    found = request.config.stash[KEY]
    found.suite = Path(request.node.path).stem
    return found


@pytest.fixture(scope="module", autouse=True)
def same_threads() -> Iterator[None]:
    """A suite that computes on one thread leaves torch to the next one as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables and keep them."""
    found = config.stash[KEY]
    if tables := [table(rows) for kind in KINDS.values() if (rows := found.of(kind))]:
        terminalreporter.section("ratios of medians, sides interleaved (nothing is asserted about time)")
        console = Console(file=StringIO(), width=140)
        console.print(*tables, machine(), sep="\n")
        terminalreporter.write(console.file.getvalue())
    if config.getoption("--ratios"):
        save(config.getoption("--ratios"), found)


def table(rows: Sequence[Row]) -> Table:
    """Rows of one kind for the terminal."""
    made = Table(*rows[0].headings, box=None)
    for row in rows:
        made.add_row(*row.cells())
    return made


def machine() -> str:
    """Processor, cores and how busy they are: a busy machine moves ratios too."""
    here, load = environment(), " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{here['processor']}, {here['cores']} cores, torch {here['packages']['torch']}, load average {load}"


def save(path: Path, found: Report) -> None:
    """Write rows, machine and its load, so that a later reader knows how far to trust them."""
    where = {**environment(), "amx": amx(), "load_average": os.getloadavg(), "when": time.strftime("%Y-%m-%d %H:%M")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**found.values(), "environment": where}, indent=2))
