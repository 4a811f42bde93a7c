"""``--quiet``: results, notes and warnings stay, progress goes; and times are of the command that says them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ssl_bench.cli import app
from ssl_bench.report import hush
from ssl_bench.report.preparing import Preparing
from ssl_bench.report.spoken import Spoken
from ssl_bench.report.sweep import SweepBoard
from ssl_bench.report.terminal import Terminal
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.state import State


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    hush.hush(False)


def test_a_quiet_command_says_results_alone(
    sslbench: Any, tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *_: None)
    given = ("run", "--data", f"nih14={tiny_nih()}", "--method", "random", "--eval", "knn", "--preset", "smoke")
    quiet = sslbench(*given, "--out", tmp_path / "quiet", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    assert "knn" in quiet.out
    assert sslbench(*given, "--dry-run").code == 0
    assert not hush.hushed()  # what was asked of one command does not stay


def test_warnings_stay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hush.hush(True)
    with Terminal(RunDirectory(tmp_path)) as terminal, Preparing(3, 8) as preparing, SweepBoard() as board:
        terminal.stage("pretraining")
        terminal.prepared(3, 3)
        preparing.advance(3, 3)
        board.show({"one": State("running")})
        hush.progress("cell 1 of 2")
        terminal.warn("the loss is odd")
    assert capsys.readouterr() == ("", "warning: the loss is odd\n")


def test_the_time_told_is_of_this_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    now = iter([100.0, 103.0])
    monkeypatch.setattr("ssl_bench.report.terminal.time.monotonic", lambda: next(now))
    terminal = Terminal(RunDirectory(tmp_path), Spoken(aside=True))
    monkeypatch.setattr(
        "ssl_bench.report.terminal.print_result", lambda record, path, seconds: print(f"{seconds:.0f} s")
    )
    terminal.show({"seconds": {"total": 5000}})
    assert capsys.readouterr().out == "3 s\n"


def test_every_command_that_tells_progress_can_be_quiet() -> None:
    group: Any = typer.main.get_command(app)
    able = {
        name for name, command in group.commands.items() if any("--quiet" in param.opts for param in command.params)
    }
    assert able == {"run", "sweep", "tune", "ablate", "evaluate", "embed", "probe"}
