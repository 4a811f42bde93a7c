"""10,000 to 1,000,000 tiny images: what each of several processes holds and reads, and evaluation from mapped features.

Every figure is that of a process of its own, for the peak of a process never falls. The stores and features are sparse
files of the right size: what is held, read and computed does not depend on what they say. ``benchmarks/scale_doc.py``
writes the table of docs/measurements/speed.md from what is measured here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZES = (10_000, 100_000, 1_000_000)
SIDE, BATCH, BATCHES, WIDTH, QUERIES = 16, 64, 50, 128, 1_000
"""px of an image, images of a batch of all processes, batches, numbers of a feature, test images."""

SPREAD = 32.0
"""MiB by which peaks of processes that do the same differ: allocators and buffers of gloo."""

BLOCKS = 700.0
"""MiB that blocks of features and comparisons may take, however many there are."""

CLOCK = """
import json, os, re, sys, threading, time
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(1)

def now():  # without pages of mapped files, which the system takes back at any time
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

most = [now()]

def watch():
    while True:
        most[0] = max(most[0], now())
        time.sleep(0.005)

threading.Thread(target=watch, daemon=True).start()

def peak():
    return max(most[0], now())

counted, preadv = [0], os.preadv

def counting(*given):
    found = preadv(*given)
    counted[0] += found
    return found

os.preadv = counting  # as an image source reads a file

def read():
    return counted[0]
"""

SHARED = (
    CLOCK
    + """
os.environ["GLOO_SOCKET_IFNAME"] = "lo"
import torch.distributed as dist
from ssl_bench.data.sharded import ShardedSource
from ssl_bench.data.source import BatchStream, ImageSource, PixelStatistics
from ssl_bench.plugin.contracts import ViewGroup
path, meeting, sharded = sys.argv[1], sys.argv[2], sys.argv[3] == "sharded"
number, world, batch, batches = map(int, sys.argv[4:])
if world > 1:
    dist.init_process_group("gloo", f"file://{meeting}", rank=number, world_size=world)
images = np.load(path, mmap_mode="r")
views = [ViewGroup("large", 2, 16, (0.3, 1.0))]

def stream(source, rows):
    none = np.zeros((len(rows), 0))
    return BatchStream(source, rows, (none, none, none), views, PixelStatistics(0.5, 0.25), batch_size=batch, seed=0)

disk = ImageSource(images, torch.device("cpu"), "disk")
stream(disk, np.arange(batch * world)).batch(0)  # buffers and imports
before, begun = peak(), read()
source = ShardedSource(disk, len(images)) if sharded else disk
taken = read() - begun
held = source.held.nbytes if sharded else 0
made, begun, clock = stream(source, np.arange(len(images))), read(), time.process_time()
for step in range(batches):
    made.batch(step)
print(json.dumps({"held": held, "before": before, "peak": peak(), "share": taken, "batches": read() - begun,
                  "seconds": time.process_time() - clock}))
if world > 1:
    dist.barrier()
    dist.destroy_process_group()
"""
)

EVALUATED = (
    CLOCK
    + """
from ssl_bench.evaluate.neighbours import knn_scores
from ssl_bench.evaluate.probe import Standardised, fit_rows
path, case, rows, queries = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
features = np.load(path, mmap_mode="r")[:rows]
labels = (torch.arange(rows)[:, None] % torch.tensor([2, 3]) == 0).float()
before, clock = peak(), time.process_time()
if case == "knn":
    found = knn_scores(features, labels, features[:queries], [20])[0]
else:
    found = fit_rows(Standardised(features, torch.device("cpu")), labels, (0.01, 1.0))[0]
print(json.dumps({"before": before, "peak": peak(), "seconds": time.process_time() - clock,
                  "finite": bool(found.isfinite().all())}))
"""
)


def store(folder: Path, images: int) -> Path:
    """An array file of images."""
    path = folder / f"{images}.npy"
    if not path.exists():
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(images, SIDE, SIDE))
    return path


def together(folder: Path, images: int, processes: int, residency: str) -> list[dict[str, Any]]:
    """What each of some processes says of a store."""
    path, meeting = store(folder, images), folder / f"meeting-{images}-{processes}-{residency}"
    numbers = [str(number) for number in (processes, BATCH, BATCHES)]
    call = [sys.executable, "-c", SHARED, str(path), str(meeting), residency]
    begun = [subprocess.Popen([*call, str(number), *numbers], stdout=subprocess.PIPE, text=True)
             for number in range(processes)]  # fmt: skip
    said = [process.communicate(timeout=300)[0] for process in begun]
    return [json.loads(text) for text in said]


def features(folder: Path) -> Path:
    """Features of as many images as the largest size."""
    path = folder / "features.npy"
    if not path.exists():
        table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(max(SIZES), WIDTH))
        rng = np.random.default_rng(0)
        for start in range(0, len(table), 50_000):
            table[start : start + 50_000] = rng.standard_normal((50_000, WIDTH), dtype=np.float32)
    return path


def evaluated(path: Path, case: str, rows: int) -> dict[str, Any]:
    """What a process says of a protocol on features that stay on the disk."""
    call = [sys.executable, "-c", EVALUATED, str(path), case, str(rows), str(QUERIES)]
    return dict(json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout))


def sizes(folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Everything that is measured: by case and size, what each process says."""
    path = features(folder)
    return {
        "sharded, 2 processes": {str(images): together(folder, images, 2, "sharded") for images in SIZES},
        "sharded, 100,000 images a process": {
            str(100_000 * number): together(folder, 100_000 * number, number, "sharded") for number in (1, 2, 4)
        },
        "disk, 1 process": {str(images): together(folder, images, 1, "disk") for images in SIZES},
        **{case: {str(rows): [evaluated(path, case, rows)] for rows in SIZES} for case in ("knn", "linear")},
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[dict[str, Any]]]]:
    return sizes(tmp_path_factory.mktemp("scale"))


def test_a_process_holds_and_reads_its_share_of_the_images(report, found) -> None:
    for images, said in found["sharded, 2 processes"].items():
        total = int(images) * SIDE**2
        for one in said:
            report.memory(f"sharded, 2 processes, {int(images):,} images", total / 2**20, one["before"], one["peak"])
            assert one["held"] == total // 2
            # Beside its share: the order of an epoch and the rows, 8 bytes each.
            assert one["peak"] - one["before"] < (one["held"] + 48 * int(images)) / 2**20 + SPREAD
            assert one["share"] == total // 2 + SIDE**2  # and one image again, for the shape
            assert one["batches"] == 0  # from the others, not from the disk


def test_what_a_process_holds_is_constant_in_the_images_of_a_process(found) -> None:
    said = [one for each in found["sharded, 100,000 images a process"].values() for one in each]
    assert {one["held"] for one in said} == {100_000 * SIDE**2}
    grown = [one["peak"] - one["before"] for one in said]
    assert max(grown) < min(grown) + SPREAD


def test_on_the_disk_a_batch_reads_its_images_alone(report, found) -> None:
    for images, (one,) in found["disk, 1 process"].items():
        report.memory(f"disk, {int(images):,} images", int(images) * SIDE**2 / 2**20, one["before"], one["peak"])
        assert (one["share"], one["batches"]) == (0, BATCH * BATCHES * SIDE**2)
        assert one["peak"] - one["before"] < 48 * int(images) / 2**20 + SPREAD


@pytest.mark.parametrize("case", ["knn", "linear"])
def test_evaluation_of_a_million_images_takes_bounded_memory(report, found, case: str) -> None:
    for rows, (one,) in found[case].items():
        report.memory(f"{case}, {int(rows):,} images", int(rows) * WIDTH * 4 / 2**20, one["before"], one["peak"])
        assert one["finite"]
    report.growth(f"{case}, by images", {int(rows): [one["seconds"]] for rows, (one,) in found[case].items()})
    (largest,) = found[case][str(max(SIZES))]
    assert largest["peak"] - largest["before"] < BLOCKS + 64 * max(SIZES) / 2**20  # labels, scores and logits of a row
