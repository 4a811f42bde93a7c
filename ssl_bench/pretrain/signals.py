"""Signals: a flag that the training loop reads at the step boundary, one sentence everywhere else."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ssl_bench.errors import Interrupted


@contextmanager
def shutdown_with(what_next: Callable[[], str]) -> Iterator[None]:
    """Outside the training loop a signal leaves at once, cleaning up on the way, with one sentence.

    Args:
        what_next: asked when a signal came: what is kept and how to go on.

    Raises:
        Interrupted: a signal came.
    """
    caught: list[int] = []

    def shutdown(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt  # and no Exception, which something on the way might take for its own

    before = {number: signal.signal(number, shutdown) for number in _heard()}
    try:
        yield
    except KeyboardInterrupt:
        name = signal.Signals(caught[0]).name if caught else "a second signal"
        raise Interrupted(f"{name}: {what_next()}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard() -> list[signal.Signals]:
    """The signals to listen to; ``nohup`` has the end of a terminal ignored, and it stays so. None in a thread."""
    if threading.current_thread() is not threading.main_thread():
        return []  # Python lets the main thread alone set handlers
    kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in StopFlag.SIGNALS if not (kept and number == signal.SIGHUP)]


ECHO_S = 0.3
"""Seconds within which a signal that comes again is the same one."""


class StopFlag:
    """Turns signals into a flag that is read at the step boundary; a second one leaves at once.

    Clusters send the same signal by several ways at once, so the same one within :data:`ECHO_S` seconds is the same.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)

    def __init__(self) -> None:
        self.caught: int | None = None
        self._when = 0.0

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.caught is None:
            self.caught, self._when = number, now
        elif number != self.caught or now - self._when > ECHO_S:
            raise KeyboardInterrupt

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Replace the handlers for the duration of a block."""
        before = {number: signal.signal(number, self._note) for number in _heard()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
