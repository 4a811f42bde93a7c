"""The table of a sweep: live where a person watches, lines where a file does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live

from ssl_bench.numbers import counted, duration, interval_text
from ssl_bench.report.hush import hushed
from ssl_bench.report.render import terminal
from ssl_bench.report.run_tables import plain_console
from ssl_bench.report.spoken import Spoken
from ssl_bench.report.table import Table
from ssl_bench.results.standing import ENCODERS
from ssl_bench.sweep.state import State

QUIET_S = 30.0
"""Least time between two lines on the progress of the same cell."""

URGENT = {"running": 0, "failed": 1, "queued": 2, "done": 3}
"""Which cells are shown first where not all have room."""

AROUND = 7
"""Lines of a table besides its rows."""


def sweep_table(states: Mapping[str, State], limit: int = 0) -> Table:
    """Every cell with its state, progress and macro AUROC; with a limit the most urgent ones, in their order."""
    shown = list(states)
    if limit and len(states) > limit:
        shown = sorted(states, key=lambda name: URGENT[states[name].phase])[:limit]
        shown.sort(key=list(states).index)
    rows = tuple((name, state_text(states[name]), result_text(states[name]), states[name].reason) for name in shown)
    return Table(("cell", "state", "macro AUROC [95 % interval]", ""), rows, caption=summary(states))


def state_text(state: State) -> str:
    """``running  45 %  120 s left``, or just the phase."""
    if state.phase != "running" or state.progress is None:
        return state.phase
    share, left = state.progress
    return f"running {share:4.0%}, {duration(left)} left"


def result_text(state: State) -> str:
    """``linear 0.742 [0.701, 0.779]``, empty before the end."""
    if not state.result:
        return "-" if state.phase == "done" else ""
    encoder = state.result["encoder"]
    untrained = "" if encoder in ENCODERS else f" ({encoder})"
    shown = interval_text(state.result["value"], state.result.get("ci_low"), state.result.get("ci_high"))
    return f"{state.result['protocol']}{untrained} {shown}"


def summary(states: Mapping[str, State]) -> str:
    """``3 done, 1 running, 2 queued, 0 failed of 6 cells``."""
    phases = [state.phase for state in states.values()]
    counts = ", ".join(f"{phases.count(phase)} {phase}" for phase in ("done", "running", "queued", "failed"))
    return f"{counts} of {counted(len(phases), 'cell')}"


class SweepBoard:
    """Shows the states of a sweep while it runs.

    Args:
        console: where; standard error by default, so that the final table alone goes to standard output.
        clock: seconds, for tests.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Spoken(aside=True)
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._said: dict[str, tuple[str, float]] = {}
        self._clock = clock

    def __enter__(self) -> SweepBoard:
        if self.console.is_terminal and not hushed():
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, states: Mapping[str, State]) -> None:
        """Draw the table, or say in a line what has changed."""
        if hushed():
            return
        if self.console.is_terminal:
            shown = sweep_table(states, max(3, self.console.height - AROUND))
            self._live.update(terminal(shown), refresh=True)
            return
        for name, state in states.items():
            self._say(name, state)

    def _say(self, name: str, state: State) -> None:
        now = self._clock()
        phase, spoke = self._said.get(name, ("queued", now))
        if phase != state.phase or (state.progress and now - spoke > QUIET_S):
            self._said[name] = (state.phase, now)
            parts = [f"{name}: {state_text(state)}", result_text(state), state.reason]
            self.console.print("  ".join(part for part in parts if part), soft_wrap=True)


def print_sweep(states: Mapping[str, State]) -> None:
    """Print the final table to standard output."""
    plain_console().print(terminal(sweep_table(states)))


def print_cells(rows: Sequence[Sequence[str]], columns: Sequence[str], caption: str) -> None:
    """Print what a dry run has found out."""
    plain_console().print(terminal(Table(tuple(columns), tuple(map(tuple, rows)), caption=caption)))
