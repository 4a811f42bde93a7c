"""Training from the disk with the next step's images read ahead, against reading them in the step.

MSN-EHR at the demonstration's size (ViT-micro) from a store of 256 px images. ``cached``: the file lies in the page
cache, and a read is a copy. ``cold``: its pages are dropped before every timed call, so that a read waits for the disk.
``2 ms an image``: the thread sleeps as long before every read, as if the store lay on a slow network disk.
"""

from __future__ import annotations

import os
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.interleave import interleave
from benchmarks.steps import SCHEMA, build, trainer
from ssl_bench.data.prefetch import prefetching
from ssl_bench.data.source import BatchStream, ImageSource, PixelStatistics, Rows
from ssl_bench.plugin.registry import discover

IMAGES, BATCH, STEPS, ROUNDS = 4096, 64, 3, 5
SLOW = 0.002
"""Seconds that an image takes on the slow disk."""


class SlowDisk(ImageSource):
    """Every read waits."""

    def read(self, rows: Rows) -> torch.Tensor:
        """As anywhere else, later."""
        time.sleep(SLOW * len(rows))
        return super().read(rows)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """256 MiB of noise on the disk, written out, so that its pages can be dropped."""
    path = tmp_path_factory.mktemp("store") / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (IMAGES, 256, 256), dtype=np.uint8))
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path


def drop_pages(path: Path) -> None:
    """Out of the page cache with a file."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.mark.parametrize("pages", ["cached", "cold", "2 ms an image"])
def test_training_from_the_disk(report, store: Path, tmp_path: Path, pages: str) -> None:
    method = build(discover(), "msn-ehr", "vit-micro", preset="demo")
    kind = SlowDisk if pages == "2 ms an image" else ImageSource
    source = kind(np.load(store, mmap_mode="r"), torch.device("cpu"), "disk")
    tables = tuple(np.zeros((IMAGES, columns)) for columns in (len(SCHEMA), len(SCHEMA), 1))
    stream = BatchStream(
        source, np.arange(IMAGES), tables, method.views, PixelStatistics(0.5, 0.25), batch_size=BATCH, seed=0
    )
    made = trainer(method, stream, tmp_path, batch_size=BATCH, accelerator="cpu")

    def train(*, ahead: bool) -> None:
        if pages == "cold":
            drop_pages(store)
        with prefetching(stream, STEPS) if ahead else nullcontext(stream) as made.batches:
            for step in range(STEPS):
                made._step(step)

    def read() -> None:
        if pages == "cold":
            drop_pages(store)
        for step in range(STEPS):
            source.read(stream.own_rows(step))

    times = interleave(
        {"read ahead": lambda: train(ahead=True), "in the step": lambda: train(ahead=False), "reading alone": read},
        ROUNDS,
    )
    report.ratio(f"training from the disk, {pages}", times, "read ahead", "in the step", per=STEPS)
    share = statistics.median(times["reading alone"]) / statistics.median(times["in the step"])
    report.note(f"{pages}: {100 * share:.1f} % of a step's time is reading.")
