"""What a person waits for before a command says anything, beside an empty Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.interleave import interleave

SSLBENCH = str(Path(sys.executable).parent / "sslbench")
COMMANDS = {"--help": "< 0.3 s", "plugins": "< 0.5 s"}
ROUNDS = 7


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("argument", COMMANDS)
def test_startup(benchmark, report, argument: str) -> None:
    def ours() -> None:
        run(SSLBENCH, argument)

    times = interleave({"sslbench": ours, "python -c pass": lambda: run(sys.executable, "-c", "pass")}, ROUNDS)
    report.ratio(f"sslbench {argument}", times, "sslbench", "python -c pass", target=COMMANDS[argument])
    benchmark.pedantic(ours, rounds=3)
