"""Signals: a flag that the training loop reads at the step boundary, one sentence everywhere else."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ssl_bench.errors import Interrupted


@contextmanager
def leaving(what_next: Callable[[], str]) -> Iterator[None]:
    """Outside the training loop a signal leaves at once, cleaning up on the way, with one sentence.

    Args:
        what_next: asked when a signal came: what is kept and how to go on.

    Raises:
        Interrupted: a signal came.
    """
    caught: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt  # and no Exception, which something on the way might take for its own

    before = {number: signal.signal(number, leave) for number in StopFlag.SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        name = signal.Signals(caught[0]).name if caught else "a second signal"
        raise Interrupted(f"{name}: {what_next()}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopFlag:
    """Turns SIGINT, SIGTERM and SIGUSR1 into a flag that is read at the step boundary; a second one leaves at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

    def __init__(self) -> None:
        self.caught: int | None = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            raise KeyboardInterrupt
        self.caught = number

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Replace the handlers for the duration of a block."""
        before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
