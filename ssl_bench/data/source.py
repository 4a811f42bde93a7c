"""Where training batches come from: rows of the store, resident on the device, in memory, or on the disk."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssl_bench.data.exposure import Exposure
from ssl_bench.data.views import draw_views
from ssl_bench.distributed import own_share
from ssl_bench.errors import DataError
from ssl_bench.plugin.contracts import Batch, ViewGroup
from ssl_bench.seeds import generator

Rows = npt.NDArray[np.int64]

MEMORY_SHARE = 0.5
"""Largest share of the free memory that resident images may take under ``auto``."""


class Source(Protocol):
    """Images by row number, on a device."""

    device: torch.device
    on_disk: bool

    def read(self, rows: Rows) -> Tensor:
        """The images ``(B, 1, S, S)`` uint8 of some rows, in that order."""


class ImageSource:
    """Rows of a prepared store as ``(B, 1, S, S)`` uint8 tensors on a device.

    Args:
        images: ``(N, S, S)`` uint8, usually memory-mapped.
        device: where batches go.
        residency: ``device`` and ``ram`` read the whole store at once, ``disk`` reads batches as they come; ``auto``
            takes the first that fits into half of the free memory, and no ``ram`` for one of several processes.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        device: torch.device,
        residency: Literal["auto", "device", "ram", "disk"] = "auto",
    ) -> None:
        self.device = device
        self.residency = self._choose(images, residency)
        self.on_disk = self.residency == "disk"
        self._disk = _File(images) if _is_whole_file(images) else images
        self._resident: Tensor | None = None
        if not self.on_disk:
            home = device if self.residency == "device" else torch.device("cpu")
            self._resident = torch.from_numpy(np.array(images)).to(home)

    def _choose(self, images: npt.NDArray[np.uint8], residency: str) -> str:
        if residency != "auto":
            return residency
        if self.device.type == "cuda" and images.nbytes < MEMORY_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return "device"
        # Processes of one machine share the pages of the file, where copies of their own would multiply.
        alone = own_share().world == 1
        return "ram" if alone and images.nbytes < MEMORY_SHARE * _free_memory() else "disk"

    def read(self, rows: Rows) -> Tensor:
        """The images of some rows, in that order."""
        if self._resident is None:
            order = np.argsort(rows, kind="stable")  # the disk is read in its own order
            # A GPU fetches pinned memory by itself; torch uses none of it again before the copy is done.
            pinned = self.device.type == "cuda"
            host = torch.empty((len(rows), *self._disk.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
            block = host.numpy()
            if isinstance(self._disk, _File):
                self._disk.read(rows, order, block)
            else:
                block[order] = self._disk[rows[order]]
            return host.to(self.device, non_blocking=pinned).unsqueeze(1)
        index = torch.from_numpy(rows).to(self._resident.device)
        return self._resident.index_select(0, index).to(self.device).unsqueeze(1)


class JoinedSource:
    """Several sources as one: the rows of each follow those of the one before. Nothing is copied.

    Args:
        sources: on one device, their images of one size.
        lengths: number of rows of each.
    """

    def __init__(self, sources: Sequence[Source], lengths: Sequence[int]) -> None:
        self.device = sources[0].device
        self.on_disk = any(source.on_disk for source in sources)
        self._sources = sources
        self.starts = np.cumsum([0, *lengths[:-1]])

    def read(self, rows: Rows) -> Tensor:
        """The images of some rows, in that order."""
        part = np.searchsorted(self.starts, rows, side="right") - 1
        found = [(part == number).nonzero()[0] for number in range(len(self._sources))]
        blocks = [
            source.read(rows[where] - start)
            for source, start, where in zip(self._sources, self.starts, found, strict=True)
            if len(where)
        ]
        back = torch.from_numpy(np.argsort(np.concatenate(found), kind="stable"))
        return torch.cat(blocks).index_select(0, back.to(self.device))


class _File:
    """A memory-mapped array that is read by system calls.

    Ten times faster than touching the map page by page (0.65 ms against 6.3 ms for 64 images of 256 px, page cache
    warm), and a process does not grow by the pages that it has seen.
    """

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        mapped = cast("np.memmap[Any, np.dtype[np.uint8]]", images)
        self.shape, self._start, self._path = images.shape, mapped.offset, str(mapped.filename)
        self._file = open(self._path, "rb")  # noqa: SIM115  # as long as the source lives

    def read(self, rows: Rows, order: Rows, block: npt.NDArray[np.uint8]) -> None:
        """Fill ``block (B, S, S)`` with the images of ``rows (B,)``, in the order ``order (B,)`` of reading."""
        for place in order.tolist():
            left = memoryview(block[place]).cast("B")
            begin = self._start + int(rows[place]) * len(left)
            while left:
                got = os.preadv(self._file.fileno(), [left], begin)
                if not got:
                    raise DataError(
                        f"{self._path} ends before image {rows[place]} does; delete its folder and start again"
                    )
                left, begin = left[got:], begin + got


def _is_whole_file(images: npt.NDArray[np.uint8]) -> bool:
    """Whether an array is a file on the disk from its first row on; a slice of one is not."""
    return isinstance(images, np.memmap) and isinstance(images.base, mmap.mmap) and images.flags.c_contiguous


def _free_memory() -> int:
    """Bytes that are free, where psutil reads them too; half of the memory where the system does not say, as macOS."""
    try:
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and standard deviation of the training images' grey values, on the scale 0 to 1."""

    mean: float
    std: float


def measure_grey(images: npt.NDArray[np.uint8], rows: Rows, sample: int = 2000) -> PixelStatistics:
    """Grey statistics over at most ``sample`` training images, evenly spread."""
    return statistics_of(count_greys(images, rows, max(1, math.ceil(len(rows) / sample))))


def count_greys(images: npt.NDArray[np.uint8], rows: Rows, step: int) -> npt.NDArray[np.float64]:
    """How often each grey value (256,) occurs in every ``step``-th of the rows."""
    chosen = np.sort(rows[::step])
    source, histogram = ImageSource(images, torch.device("cpu"), "disk"), np.zeros(256)
    for start in range(0, len(chosen), 64):  # counting takes eight bytes a pixel
        histogram += np.bincount(source.read(chosen[start : start + 64]).numpy().ravel(), minlength=256)
    return histogram


def statistics_of(histogram: npt.NDArray[np.float64]) -> PixelStatistics:
    """Mean and standard deviation of counted grey values (256,)."""
    levels = np.arange(256) / 255
    mean = float(histogram @ levels / histogram.sum())
    variance = float(histogram @ (levels - mean) ** 2 / histogram.sum())
    return PixelStatistics(mean, max(variance**0.5, 1e-3))


class BatchStream:
    """Training batches as a function of (seed, step): nothing to save, nothing to restore.

    On several processes each reads and crops its own part of the batch that one process would see.

    Args:
        source: images.
        rows: store rows of the training images.
        tables: of those images EHR values ``(n, F)``, their mask ``(n, F)`` and labels ``(n, L)``.
        views: groups of crops.
        grey: normalisation.
        batch_size: images in a batch; the last partial batch of an epoch is dropped.
        seed: of the run.
        image_ids: names of those images, to tell which ones a faulty batch held.
        exposure: which EHR values a step sees; None: all of them.

    Raises:
        DataError: there are fewer images than a batch holds.
    """

    def __init__(
        self,
        source: Source,
        rows: Rows,
        tables: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]],
        views: Sequence[ViewGroup],
        grey: PixelStatistics,
        *,
        batch_size: int,
        seed: int,
        image_ids: Sequence[str] = (),
        exposure: Exposure | None = None,
    ) -> None:
        if len(rows) < batch_size:
            raise DataError(
                f"a batch of {batch_size} needs as many training images, {len(rows)} can be read; lower --batch-size"
            )
        self.image_ids, self.exposure = image_ids, exposure
        self.source, self.rows, self.views, self.grey = source, rows, views, grey
        self.batch_size, self.seed = batch_size, seed
        self.steps_per_epoch = len(rows) // batch_size
        self._tables = tuple(torch.from_numpy(np.array(table, np.float32)) for table in tables)
        self._order: tuple[int, npt.NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Positions of the training images in the order of an epoch."""
        if self._order[0] != epoch:
            drawn = torch.randperm(len(self.rows), generator=generator(self.seed, "order", epoch)).numpy()
            self._order = (epoch, drawn)
        return self._order[1]

    def positions(self, step: int) -> npt.NDArray[np.int64]:
        """Positions among the training images of a step's batch."""
        epoch, number = divmod(step, self.steps_per_epoch)
        return self.order(epoch)[number * self.batch_size : (number + 1) * self.batch_size]

    def store_rows(self, step: int) -> Rows:
        """Store rows of a step's batch."""
        return self.rows[self.positions(step)]

    def names(self, step: int) -> list[str]:
        """Image ids of a step's batch, where they were given."""
        return [self.image_ids[position] for position in self.positions(step)] if len(self.image_ids) else []

    def own_positions(self, step: int) -> Rows:
        """Positions among the training images of the part of a step's batch that this process reads."""
        joined = self.positions(step)
        own: Rows = joined[own_share().rows(len(joined)).numpy()]
        return own

    def own_rows(self, step: int) -> Rows:
        """Store rows of that part."""
        return self.rows[self.own_positions(step)]

    def batch(self, step: int, images: Tensor | None = None) -> Batch:
        """The batch of a step, counted from the start of the training; of it the part of this process.

        Args:
            step: its number.
            images: of :meth:`own_rows`, where they were read before.
        """
        share, chosen = own_share(), self.own_positions(step)
        if images is None:
            images = self.source.read(self.rows[chosen])
        crops = draw_views(
            images, self.views, generator(self.seed, "crops", step), mean=self.grey.mean, std=self.grey.std, share=share
        )
        position = torch.from_numpy(chosen)
        ehr, present, labels = (table[position] for table in self._tables)
        if self.exposure:
            ehr, present = self.exposure.shown(ehr, present, step)
        ehr, present, labels = (table.to(images.device) for table in (ehr, present, labels))
        index = torch.from_numpy(self.rows[chosen]).to(images.device)
        return Batch(crops, ehr, present, labels, index)
