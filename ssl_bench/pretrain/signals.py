"""Signals become a flag that the training loop reads at the step boundary."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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
