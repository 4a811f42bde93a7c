"""What a person waits for: the start of a command, beside an empty Python, and the default run, beside its limit."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.interleave import interleave

SSLBENCH = str(Path(sys.executable).parent / "sslbench")
COMMANDS = {"--help": "< 0.3 s", "plugins": "< 0.5 s"}
ROUNDS = 7

DEFAULT, LIMIT = ("run", "--method", "msn-ehr", "--features", "age,sex"), 120.0
"""The run of the README's first page, and the seconds that it may take after the installation."""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("argument", COMMANDS)
def test_startup(benchmark, report, argument: str) -> None:
    def ours() -> None:
        run(SSLBENCH, argument)

    times = interleave({"sslbench": ours, "python -c pass": lambda: run(sys.executable, "-c", "pass")}, ROUNDS)
    report.ratio(f"sslbench {argument}", times, "sslbench", "python -c pass", target=COMMANDS[argument])
    benchmark.pedantic(ours, rounds=3)


def test_default_run(report, tmp_path: Path) -> None:
    begin = time.perf_counter()
    run(SSLBENCH, *DEFAULT, "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"))  # nothing cached
    times = {"sslbench": [time.perf_counter() - begin], "limit": [LIMIT]}
    report.ratio(f"sslbench {' '.join(DEFAULT)}", times, "sslbench", "limit", target="≥ 1")
    assert (tmp_path / "run" / "report.html").exists()
