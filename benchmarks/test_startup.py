"""What a person waits for: the start of a command, beside an empty Python, and the default run, beside its limit."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.interleave import interleave

SSLBENCH = str(Path(sys.executable).parent / "sslbench")
COMMANDS = {"--help": 0.3, "plugins": 0.5}
"""Arguments, and the seconds that they may take."""

ROUNDS, DRY_ROUNDS = 7, 3

DEFAULT, LIMIT = ("run", "--method", "msn-ehr", "--features", "age,sex"), 120.0
"""The run of the README's first page, and the seconds that it may take after the installation."""

DRY, DRY_LIMIT = ("run", "--dry-run", "--preset", "smoke"), 2.5
"""A plan alone, and the seconds of processor time that it may take."""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("argument", COMMANDS)
def test_startup(benchmark, report, argument: str) -> None:
    def ours() -> None:
        run(SSLBENCH, argument)

    times = interleave({"sslbench": ours, "python -c pass": lambda: run(sys.executable, "-c", "pass")}, ROUNDS)
    report.ratio(f"`sslbench {argument}`", times, "sslbench", "python -c pass", below=COMMANDS[argument])
    benchmark.pedantic(ours, rounds=3)


def computed(*command: str) -> float:
    """Processor seconds of a command and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(*command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_dry_run(report, tmp_path: Path) -> None:
    folders = [
        ("--out", str(tmp_path / f"run-{n}"), "--cache", str(tmp_path / f"cache-{n}")) for n in range(DRY_ROUNDS)
    ]
    for turn in ("first", "repeated"):
        times = {"sslbench": [computed(SSLBENCH, *DRY, *each) for each in folders], "limit": [DRY_LIMIT] * DRY_ROUNDS}
        report.ratio(f"`sslbench {' '.join(DRY)}`, {turn}", times, "sslbench", "limit", at_least=1)


def test_default_run(report, tmp_path: Path) -> None:
    begin = time.perf_counter()
    run(SSLBENCH, *DEFAULT, "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"))  # nothing cached
    times = {"sslbench": [time.perf_counter() - begin], "limit": [LIMIT]}
    report.ratio(f"`sslbench {' '.join(DEFAULT)}`, nothing cached", times, "sslbench", "limit", at_least=1)
    assert (tmp_path / "run" / "report.html").exists()
