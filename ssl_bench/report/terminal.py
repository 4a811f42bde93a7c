"""Progress and results on the terminal: bars where a person watches, plain lines where a file does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ssl_bench.numbers import duration
from ssl_bench.pretrain.loggers import Loggers
from ssl_bench.report.fractions import print_result
from ssl_bench.report.hush import hushed
from ssl_bench.report.spoken import Spoken
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

QUIET_S = 10.0
"""Least time between two plain progress lines."""


class Quiet:
    """Says nothing: for the processes of a training that the first one speaks for."""

    def stage(self, sentence: str) -> None:
        """Nothing."""

    def prepared(self, done: int, total: int) -> None:
        """Nothing."""

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        """Nothing."""

    def warn(self, sentence: str) -> None:
        """Nothing."""


class Terminal:
    """Tells a person what a run does, and writes the training log.

    Args:
        directory: of the run.
        console: where to print; standard error by default, so that results alone go to standard output.
        loggers: told of every logged step, too.
    """

    def __init__(self, directory: RunDirectory, console: Console | None = None, loggers: Loggers | None = None) -> None:
        self.directory = directory
        self.loggers = loggers
        self.console = console or Spoken(aside=True)
        columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn(),
                   TextColumn("{task.fields[status]}"))  # fmt: skip
        self._watched = self.console.is_terminal and not hushed()
        self._bars = Progress(*columns, console=self.console, transient=True, disable=not self._watched)
        self._task: TaskID | None = None
        self._opened = self._began = self._spoke = time.monotonic()

    def __enter__(self) -> Terminal:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
        if self.loggers:
            self.loggers.finish()

    def stage(self, sentence: str) -> None:
        """Announce a new part of the flow."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._began = self._spoke = time.monotonic()
        if not hushed():
            self.console.print(sentence)

    def prepared(self, done: int, total: int) -> None:
        """Show images in the store."""
        self._advance("prepare", done, total, "")

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        """Show and log a training step."""
        self.directory.append_log(entry)
        if self.loggers:
            self.loggers.step(entry)
        status = f"loss {entry['loss']:.3f}  {entry['images_per_second']:,.0f} images/s"
        self._advance("pretrain", done, total, status)

    def warn(self, sentence: str) -> None:
        """Print a warning."""
        self.console.print(f"warning: {sentence}")

    def show(self, record: Record) -> None:
        """Print the result of the run."""
        print_result(record, self.directory.path, time.monotonic() - self._opened)

    def _advance(self, what: str, done: int, total: int, status: str) -> None:
        if hushed():
            return
        if self._watched:
            if self._task is None:
                self._task = self._bars.add_task(what, total=total, status=status)
            self._bars.update(self._task, completed=done, status=status)
        elif time.monotonic() - self._spoke > QUIET_S or done == total:
            self._spoke = time.monotonic()
            left = (total - done) * (self._spoke - self._began) / done
            self.console.print(f"  {what} {done:,}/{total:,}  {duration(left)} left  {status}".rstrip())
