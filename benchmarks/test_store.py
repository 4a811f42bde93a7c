"""Preparing a store against the plain loop, and loading a batch from it against decoding JPEGs.

The generated files are like the public ones: grey JPEGs of 2544 x 3056 px (MIMIC-CXR-JPG), PNGs of 1024 x 1024 px
(NIH). Both sides read files that are in the page cache.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2 as transforms

from benchmarks.interleave import interleave
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.source import ImageSource
from ssl_bench.data.store import Store, prepare
from ssl_bench.plugin.cohort import Cohort

SIDE, BATCH, DIFFERENT, ROUNDS, READS = 256, 64, 4, 3, 20
"""Prepared px, images of a batch, pictures that are drawn, timed rounds, reads of a batch in one timed call."""

PLAIN = transforms.Compose([transforms.Resize(SIDE), transforms.CenterCrop(SIDE)])
FORMATS = {"jpg": (2544, 3056), "png": (1024, 1024), "small.jpg": (SIDE, SIDE)}
"""Width and height by ending; ``small.jpg`` is somebody's own collection, resized once."""

FILES = {
    ending: f"{ending[-3:].upper().replace('JPG', 'JPEG')}s of {wide} x {high} px"
    for ending, (wide, high) in FORMATS.items()
}


def drawing(width: int, height: int, seed: int) -> Image.Image:
    """A grey picture with ribs and film grain, of about the bytes per pixel of a radiograph."""
    y, x = np.mgrid[:height, :width] / width
    shading = 120 + 60 * np.cos(6 * (x - 0.5)) + 20 * np.sin(60 * y + 10 * (x - 0.5) ** 2)
    grain = np.random.default_rng(seed).normal(0, 2, shading.shape)
    return Image.fromarray((shading + grain).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cohort]:
    """A batch of files of each format; a few pictures under many names, for the cost does not depend on it."""
    root, found = tmp_path_factory.mktemp("files"), {}
    for ending, size in FORMATS.items():
        names = [f"{number:03d}.{ending}" for number in range(BATCH)]
        for number, name in enumerate(names):
            if number < DIFFERENT:
                drawing(*size, number).save(root / name, quality=95)
            else:
                os.link(root / names[number % DIFFERENT], root / name)
        frame = pd.DataFrame({"image_id": names, "image_path": names})
        found[ending] = Cohort(ending.replace(".", "-"), root, frame, (), ())
    return found


def paths(cohort: Cohort) -> list[Path]:
    return [cohort.root / name for name in cohort.frame["image_path"]]


def plain(path: Path) -> np.ndarray:
    """One file as ``(256, 256)`` uint8, as anybody would write it."""
    with Image.open(path) as image:
        return np.asarray(PLAIN(image.convert("L")))


def plain_loop(files: Sequence[Path]) -> np.ndarray:
    return np.stack([plain(path) for path in files])


def first(cohort: Cohort, images: int) -> Cohort:
    return cohort.with_frame(cohort.frame.head(images))


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Store]:
    """Prepares in a folder of its own every time, for a store that is there is used again."""
    number = count()
    return lambda cohort, workers=0: prepare(cohort, tmp_path / str(next(number)), DecodeOptions(SIDE), workers=workers)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_prepare(benchmark, report, cohorts: dict[str, Cohort], prepared: Callable[..., Store], ending: str) -> None:
    cohort = first(cohorts[ending], 24)
    cases = {
        "all cores": lambda: prepared(cohort),
        "one thread": lambda: prepared(cohort, 1),
        "plain loop": lambda: plain_loop(paths(cohort)),
    }
    times = interleave(cases, ROUNDS)
    for name in ("all cores", "one thread"):
        report.ratio(f"prepare {FILES[ending]}, {name}", times, name, "plain loop", per=len(cohort))
    some = first(cohort, DIFFERENT)
    difference = np.abs(prepared(some).images[:].astype(float) - plain_loop(paths(some)))
    assert difference.mean() < 1.5  # the same pictures, in grey levels of 255
    benchmark.pedantic(cases["all cores"], rounds=2)


def drafted(path: Path, side: int = SIDE) -> None:
    """One file to pixels and no further, as small as the JPEG decoder itself can make it for the size that is asked."""
    with Image.open(path) as image:
        if image.format == "JPEG":
            factor = 2 * side / min(image.size)
            image.draft("L", (int(image.width * factor), int(image.height * factor)))
        image.load()


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_prepare_against_decoding_alone(
    report, cohorts: dict[str, Cohort], prepared: Callable[..., Store], ending: str
) -> None:
    cohort = cohorts[ending]

    def decoding(workers: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(drafted, paths(cohort)))

    cores = os.cpu_count() or 1
    times = interleave(
        {
            "all cores": lambda: prepared(cohort),
            "decoding alone": lambda: decoding(cores),
            "one thread": lambda: prepared(cohort, 1),
            "decoding alone, one thread": lambda: decoding(1),
        },
        ROUNDS,
    )
    for name, alone in (("all cores", "decoding alone"), ("one thread", "decoding alone, one thread")):
        aim = 0.83 if ending == "jpg" else None
        report.ratio(f"prepare {FILES[ending]}, {name}", times, name, alone, at_least=aim, per=len(cohort))


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_prepare_at_512_px(report, cohorts: dict[str, Cohort], tmp_path: Path, ending: str) -> None:
    """All that preparing adds to a decoded square of 512 px: hashes of file and pixels, looks, writing, the journal."""
    cohort, options, number = first(cohorts[ending], 24), DecodeOptions(512), count()
    cases = {
        "preparing": lambda: prepare(cohort, tmp_path / str(next(number)), options, workers=1),
        "decoding to 512 px": lambda: [decode(path, options) for path in paths(cohort)],
        "Pillow's decoding alone": lambda: [drafted(path, 512) for path in paths(cohort)],
    }
    times = interleave(cases, ROUNDS, clock=time.process_time)
    for alone, aim in (("decoding to 512 px", 0.83), ("Pillow's decoding alone", None)):
        case = f"prepare {FILES[ending]} at 512 px, CPU time of one thread"
        report.ratio(case, times, "preparing", alone, at_least=aim, per=len(cohort))


def test_prepare_grows_in_proportion(report, cohorts: dict[str, Cohort], prepared: Callable[..., Store]) -> None:
    parts = {images: first(cohorts["jpg"], images) for images in (16, 32, 64)}
    cases = {images: lambda part=part: prepared(part) for images, part in parts.items()}
    report.growth("prepare JPEGs, by images", interleave(cases, ROUNDS))


@pytest.mark.parametrize("ending", ["jpg", "small.jpg"])
def test_loading_a_batch(
    benchmark, report, cohorts: dict[str, Cohort], prepared: Callable[..., Store], ending: str
) -> None:
    store, files = prepared(cohorts[ending]), paths(cohorts[ending])
    rows = np.random.default_rng(0).permutation(BATCH)
    sources = {name: ImageSource(store.images, torch.device("cpu"), name) for name in ("disk", "ram")}

    def read(name: str) -> None:
        for _ in range(READS):
            sources[name].read(rows)

    def decoded() -> torch.Tensor:
        # Pillow works outside Python's lock: a thread for each core does without the copies between processes.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return torch.from_numpy(np.stack(list(pool.map(plain, files))))[:, None]

    times = interleave({**{name: lambda name=name: read(name) for name in sources}, "decoding": decoded}, ROUNDS)
    for name in sources:
        times[name] = [seconds / READS for seconds in times[name]]
        report.ratio(f"batch of {BATCH} from {name}, {FILES[ending]}", times, name, "decoding", at_least=20)
    assert sources["disk"].read(rows).shape == decoded().shape
    benchmark.pedantic(sources["disk"].read, (rows,), rounds=20)
