"""Peak memory of the data path with the images on the disk: it must not grow with their number.

Each size is a process of its own, for the peak of a process never falls. The store's file is sparse, so it needs no
room; the rows that are read are drawn from all of it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

IMAGES, BATCHES = (2_000, 8_000, 32_000), 100

PATH = """
import sys
import numpy as np, torch
from ssl_bench.plugin.contracts import ViewGroup
from ssl_bench.data.prefetch import prefetching
from ssl_bench.data.source import BatchStream, PixelStatistics, ImageSource, measure_grey

def peak():  # ru_maxrss begins at the size of the process that started this one
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

images = np.load(sys.argv[1], mmap_mode="r")
rows, before = np.arange(len(images)), peak()
tables = [np.zeros((len(images), columns)) for columns in (3, 3, 14)]
groups = [ViewGroup("large", 2, 64, (0.3, 1.0)), ViewGroup("small", 2, 32, (0.05, 0.3))]
measure_grey(images, rows)
source = ImageSource(images, torch.device("cpu"), "disk")
stream = BatchStream(source, rows, tables, groups, PixelStatistics(0.5, 0.25), batch_size=64, seed=0)
with prefetching(stream, int(sys.argv[2])) as batches:
    for step in range(int(sys.argv[2])):
        batches.batch(step)
print(before, peak())
"""


def peak(folder: Path, images: int) -> tuple[float, float]:
    """MiB of a process before it opens a store of 256 px images, and at its peak over all batches."""
    path = folder / f"{images}.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(images, 256, 256))
    call = [sys.executable, "-c", PATH, str(path), str(BATCHES)]
    said = subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()
    return float(said[0]), float(said[1])


def test_the_data_path_is_constant_in_the_number_of_images(report, tmp_path: Path) -> None:
    found = {images: peak(tmp_path, images) for images in IMAGES}
    for images, (before, most) in found.items():
        report.memory(f"data path, disk, {images:,} images of 256 px", images * 65536 / 2**20, before, most)
    extra = [most - before for before, most in found.values()]
    assert extra[-1] < extra[0] + 64  # MiB, while the store grows by 1,875
