"""Reading ahead: the images of a training's next step come from the disk while the present step computes.

A batch is a function of seed and step, so this is a cache of one step and no more: the batches are those of the plain
stream to the bit, any step may be asked for, and a fault is raised at the step whose images cannot be read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from ssl_bench.data.source import BatchStream
from ssl_bench.plugin.contracts import Batch

TIMEOUT_S = 5.0
"""Seconds that the end of a training waits for a read that nobody needs any more."""


class Batches(Protocol):
    """Training batches by step."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from the start of the training."""


@contextmanager
def prefetching(stream: BatchStream, steps: int) -> Iterator[Batches]:
    """The batches of a stream, for the duration of a training of ``steps`` steps; read ahead where images are read."""
    if not stream.source.on_disk:
        yield stream
        return
    ahead = Prefetch(stream, steps)
    try:
        yield ahead
    finally:
        ahead.close()


class Prefetch:
    """Batches of a stream; a thread reads the images of the next step as soon as those of a step are there.

    On a GPU the thread copies them on a stream of its own, beside the step's kernels; crops are made where the step
    computes, after that copy.

    Args:
        stream: training batches.
        steps: of the training; nothing is read beyond the last.
    """

    def __init__(self, stream: BatchStream, steps: int) -> None:
        self.stream, self.steps = stream, steps
        self.side = SideStream(stream.source.device) if stream.source.device.type == "cuda" else None
        self._next: tuple[int, _Reading] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of a step, as the stream gives it."""
        images = self._take(step)
        if step + 1 < self.steps:
            self._next = step + 1, self._begin(step + 1)
        return self.stream.batch(step, images)

    def close(self) -> None:
        """Leave what was read ahead, and read ahead no more.

        A disk that hangs holds nobody up: the thread does not outlive the process.
        """
        if self._next:
            self._next[1].join(TIMEOUT_S)
        self._next, self.steps = None, 0

    def _begin(self, step: int) -> _Reading:
        rows = self.stream.own_rows(step)  # here, for the thread shares nothing of the stream but its source
        side, read = self.side, self.stream.source.read
        return _Reading((lambda: side.run(lambda: read(rows))) if side else (lambda: read(rows)))

    def _take(self, step: int) -> Tensor:
        """The images of a step, read ahead or now."""
        (number, reading), self._next = self._next or (-1, None), None
        if reading is None or number != step:
            reading = self._begin(step)
        images = reading.result()
        return self.side.handed_over(images) if self.side else images


class SideStream:
    """A CUDA stream beside the one of the step.

    Args:
        device: a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = cast("Any", torch.cuda.Stream)(device)  # which torch leaves without types
        self.stream.wait_stream(torch.cuda.current_stream(device))  # images may have been put on the device just now

    def run(self, work: Callable[[], Tensor]) -> Tensor:
        """Do some work on this stream, in any thread."""
        with torch.cuda.stream(self.stream):
            return work()

    def handed_over(self, made: Tensor) -> Tensor:
        """What was made here, for the caller's stream: it waits on the device, not on the CPU."""
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self.stream)
        made.record_stream(current)  # its memory is not given to the next copy before the caller's kernels are done
        return made


class _Reading(threading.Thread):
    """One read in a thread that ends with it, and that never keeps the process alive."""

    def __init__(self, work: Callable[[], Tensor]) -> None:
        super().__init__(daemon=True, name="prefetch")
        self._work = work
        self._found: Tensor | BaseException | None = None
        self.start()

    def run(self) -> None:
        """Read; a fault waits for whoever asks for the images."""
        try:
            self._found = self._work()
        except BaseException as error:
            self._found = error

    def result(self) -> Tensor:
        """The images, as soon as they are there."""
        self.join()
        if isinstance(self._found, BaseException):
            raise self._found
        assert self._found is not None
        return self._found
