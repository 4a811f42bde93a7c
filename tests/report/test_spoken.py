"""Names on the terminal, and a terminal that is not there any more."""

from __future__ import annotations

import errno
import sys

import pytest
from rich.table import Table

from ssl_bench.report import table as report_table
from ssl_bench.report.render import terminal
from ssl_bench.report.spoken import Spoken


def test_names_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("a\x1b[2Jb", title="t\x9bt")
    table.add_row("run\x07\u202e")
    for aside in (False, True):
        Spoken(aside=aside).print(table, "image \x1b]0;x\x07", "Übersicht [bold]µ")
    for text in capsys.readouterr():
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
        assert "\\x1b[2J" in text
        assert "Übersicht [bold]µ" in text


def test_no_name_in_a_table_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("sensitivity-at-specificity-90", "sensitivity-at-specificity-95")
    table = terminal(report_table.Table(("metric", "value"), tuple((name, "0.5") for name in names)))
    console = Spoken()
    console.width = 24
    console.print(table)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert "".join(line.split("│")[1].strip() for line in lines) == "".join(names)


@pytest.mark.parametrize("code", [errno.EIO, errno.EPIPE])
def test_fault_36_a_terminal_that_was_closed_stops_no_work(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def gone(*_: object) -> int:
        raise OSError(code, "gone")

    console = Spoken(aside=True)
    monkeypatch.setattr(sys.stderr, "write", gone)
    monkeypatch.setattr(sys.stderr, "flush", gone)
    console.print("step 3 of 10")
