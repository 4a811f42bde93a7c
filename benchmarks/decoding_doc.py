"""Decoding speeds in docs/measurements/data.md: ``python -m benchmarks.decoding_doc ["what it is"=FOLDER ...]``.

Files of the usual kinds are generated; folders of others are measured beside them. Everything is processor time of one
thread, so that a machine that does other work besides changes it little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from statistics import median

import pandas as pd

from benchmarks.real_study import filled
from benchmarks.test_store import DIFFERENT, SIDE, drafted, drawing
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.spellings import PICTURES
from ssl_bench.data.store import prepare
from ssl_bench.files import write_text
from ssl_bench.plugin.cohort import Cohort

PAGE = Path(__file__).parents[1] / "docs" / "measurements" / "data.md"

KINDS = {
    "JPEG of 2544 x 3056 px (generated)": (".jpg", 2544, 3056),
    "PNG of 1024 px (generated)": (".png", 1024, 1024),
    "JPEG of 256 px (generated)": (".jpg", SIDE, SIDE),
    "PNG of 256 px (generated)": (".png", SIDE, SIDE),
}
"""Ending, width and height by what the table calls them."""


def generated(folder: Path, images: int, ending: str, width: int, height: int) -> Path:
    """A folder of pictures, a few of them under many names, for the cost does not depend on it."""
    folder.mkdir()
    for number in range(images):
        path = folder / f"{number:03d}{ending}"
        if number < DIFFERENT:
            drawing(width, height, number).save(path, quality=95)
        else:
            os.link(folder / f"{number % DIFFERENT:03d}{ending}", path)
    return folder


def row(what: str, folder: Path, images: int, rounds: int, cache: Path) -> str:
    """A line of the table."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    names = names[:images]
    frame = pd.DataFrame({"image_id": names, "image_path": names})
    cohort, options, number = Cohort("measured", folder, frame, (), ()), DecodeOptions(SIDE), count()
    cases: Mapping[str, Callable[[], object]] = {
        "alone": lambda: [drafted(folder / name) for name in names],
        "checking": lambda: [decode(folder / name, options) for name in names],
        "preparing": lambda: prepare(cohort, cache / str(next(number)), options, workers=1),
    }
    times = {name: median(taken) for name, taken in interleaved(cases, rounds).items()}
    size = sum(os.path.getsize(folder / name) for name in names) / len(names) / 1e6
    speeds = [f"{len(names) / times[name]:,.0f}" for name in ("checking", "preparing")]
    return f"| {what} | {len(names)} | {size:.2f} | {' | '.join(speeds)} | {times['alone'] / times['preparing']:.2f} |"


def interleaved(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each case, in turns, after a turn that does not count."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, case in cases.items():
            began = time.process_time()
            case()
            times[name] += [time.process_time() - began] * (turn > 0)
    return times


def table(folders: Mapping[str, Path], images: int, rounds: int) -> Iterator[str]:
    """Its lines."""
    yield "| files | images | MB each | checking, images/s | preparing, images/s | decoding alone, share of preparing |"
    yield "|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as base:
        for number, (what, kind) in enumerate(KINDS.items()):
            folder = generated(Path(base) / f"files{number}", images, *kind)
            yield row(what, folder, images, rounds, Path(base) / f"cache{number}")
        for number, (what, folder) in enumerate(folders.items()):
            yield row(what, folder, images, rounds, Path(base) / f"others{number}")


def main() -> None:
    """Replace the table of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", metavar="WHAT=FOLDER", help="of further pictures, below it at any depth")
    parser.add_argument("--images", type=int, default=64, help="at most, of a folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    folders = {what: Path(folder) for what, _, folder in (text.partition("=") for text in arguments.folders)}
    measured = "\n".join(table(folders, arguments.images, arguments.rounds))
    text = arguments.page.read_text(encoding="utf-8")
    write_text(arguments.page, filled(text, {"decoding": measured}))


if __name__ == "__main__":
    main()
