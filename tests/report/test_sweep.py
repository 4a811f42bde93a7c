"""The table of a sweep."""

from __future__ import annotations

import io

from rich.console import Console

from ssl_bench.numbers import duration
from ssl_bench.report.sweep import SweepBoard, result_text, state_text, summary, sweep_table
from ssl_bench.sweep.state import State

RESULT = {"protocol": "linear", "encoder": "random", "value": 0.7, "ci_low": 0.6, "ci_high": 0.8}
STATES = {
    "a": State("done", result=RESULT),
    "b": State("running", progress=(0.25, 200.0)),
    "c": State("failed", reason="out of memory"),
    "d": State(),
}


def test_texts() -> None:
    assert summary(STATES) == "1 done, 1 running, 1 queued, 1 failed of 4 cells"
    assert state_text(STATES["b"]) == "running  25%, 3 min left"
    assert result_text(STATES["a"]) == "linear (random) 0.700 [0.600, 0.800]"
    assert [duration(value) for value in (45, 600, 12600)] == ["45 s", "10 min", "3.5 h"]


def test_where_there_is_little_room_what_runs_and_what_failed_is_shown() -> None:
    assert len(sweep_table(STATES).rows) == 4
    assert [row[0] for row in sweep_table(STATES, 2).rows] == ["b", "c"]


def test_without_a_terminal_changes_are_lines() -> None:
    out, now = io.StringIO(), [0.0]
    with SweepBoard(Console(file=out, width=200), clock=lambda: now[0]) as board:
        for _ in range(3):
            board.show(STATES)
        now[0] = 100.0
        board.show(STATES)
    assert [line.split(":")[0] for line in out.getvalue().splitlines()] == ["a", "b", "c", "b"]


def test_on_a_terminal_the_table_is_live() -> None:
    out = io.StringIO()
    with SweepBoard(Console(file=out, width=120, height=30, force_terminal=True)) as board:
        board.show(STATES)
    assert "out of memory" in out.getvalue()
