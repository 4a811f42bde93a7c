"""Progress of preparing a store: images per second and time left."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ssl_bench.data.copies import same_pictures
from ssl_bench.data.looks import what_is_wrong
from ssl_bench.data.store import Store
from ssl_bench.numbers import counted, duration
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.report.hush import hushed
from ssl_bench.report.spoken import Spoken
from ssl_bench.report.terminal import QUIET_S


class Preparing:
    """Tells a person how far preparing is: a bar where somebody watches, plain lines where a file does.

    Args:
        total: images of the cohort.
        size: side of the prepared images in px.
        console: where to print; standard error by default.
    """

    def __init__(self, total: int, size: int, console: Console | None = None) -> None:
        self.console = console or Spoken(aside=True)
        columns = (TextColumn("prepare"), BarColumn(30), MofNCompleteColumn(), TextColumn("{task.fields[status]}"))
        self._watched = self.console.is_terminal and not hushed()
        self._bars = Progress(*columns, console=self.console, transient=True, disable=not self._watched)
        self._task = self._bars.add_task("prepare", total=total, status="")
        self._began = self._spoke = time.monotonic()
        self._before: int | None = None
        self._say(f"preparing {total:,} images of {size} px ({total * size**2 / 2**30:.2f} GiB)")

    def __enter__(self) -> Preparing:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def advance(self, done: int, total: int) -> None:
        """Show how far it is; images of an earlier run that was killed do not count for the speed."""
        if self._before is None:
            self._before = done - 1
            if self._before:
                self._say(f"  {self._before:,} were prepared earlier")
        seconds = max(time.monotonic() - self._began, 1e-6)
        rate = (done - self._before) / seconds
        status = f"{rate:,.1f} images/s, {duration((total - done) / rate)} left"
        if self._watched:
            self._bars.update(self._task, completed=done, status=status)
        elif time.monotonic() - self._spoke > QUIET_S or done == total:
            self._spoke = time.monotonic()
            self._say(f"  {done:,}/{total:,}  {status}")

    def finished(self, store: Store, cohort: Cohort) -> None:
        """Say what is there now, and of pictures that several patients of the cohort have."""
        if self._before is None:
            self._say("  nothing to do: the store is complete")
        rejected = f", of which {len(store.rejected):,} {what_is_wrong(store.rejected)}," if store.rejected else ""
        print(f"{counted(len(store.image_ids), 'image')}{rejected} in {store.folder}")
        kept, rows = store.aligned(cohort)
        for note in same_pictures(kept, [store.pixels[row] for row in rows]):
            self.console.print(f"note: {note}")

    def left(self, folder: Path, there: int, total: int) -> None:
        """Say how much of a store is there that other processes prepare parts of."""
        print(f"{there:,} of {total:,} images in {folder}; the last part that is prepared makes the store whole")

    def _say(self, sentence: str) -> None:
        if not hushed():
            self.console.print(sentence)
