"""The prepared store: every image decoded once into one memory-mapped array.

A store is a folder named by the fingerprint of its inputs: ``images.npy`` (N, S, S) uint8, ``cohort.parquet``,
``manifest.json``. It is complete once the manifest is there; until then ``done.jsonl`` numbers the finished images, so
that a killed preparation goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.cohort import Cohort, leaves_root, missing_images
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.errors import DataError, shortened
from ssl_bench.files import locked, write_json, write_text

FORMAT = 1
"""Version of the layout; another version is another fingerprint."""

CHUNK = 256
"""Images between two notes of progress on the disk."""

Progress = Callable[[int, int], None]
"""Called with the images done and their number."""


@dataclass(frozen=True)
class Store:
    """A finished store.

    Args:
        folder: where it lies.
        images: ``(N, S, S)`` uint8, memory-mapped.
        image_ids: ``(N,)`` text, in the order of ``images``.
        rejected: reasons by image id, for images that were quarantined.
        fingerprint: of the input files and options.
    """

    folder: Path
    images: npt.NDArray[np.uint8]
    image_ids: tuple[str, ...]
    rejected: dict[str, str]
    fingerprint: str

    def aligned(self, cohort: Cohort) -> tuple[Cohort, npt.NDArray[np.int64]]:
        """The cohort without quarantined images, and for each of its rows the row of ``images``."""
        row_of = {image_id: row for row, image_id in enumerate(self.image_ids)}
        kept = cohort.with_frame(cohort.frame[~cohort.frame["image_id"].isin(list(self.rejected))])
        rows = np.array([row_of[image_id] for image_id in kept.frame["image_id"]], dtype=np.int64)
        return kept, rows


def fingerprint(cohort: Cohort, options: DecodeOptions) -> str:
    """A hash of the image files (path, size, time of change) and of how they are decoded."""
    digest = hashlib.sha256(json.dumps({"format": FORMAT, **asdict(options)}, sort_keys=True).encode())
    digest.update(str(cohort.root.resolve()).encode())
    for image_id, path in zip(cohort.frame["image_id"], cohort.frame["image_path"], strict=True):
        status = (cohort.root / path).stat()
        digest.update(f"{image_id}\t{path}\t{status.st_size}\t{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def check_images(cohort: Cohort) -> None:
    """All image files are there, below the root.

    Raises:
        DataError: naming the first 20 and the count of the rest.
    """
    missing = [path for path in missing_images(cohort) if not leaves_root(path)]  # check_cohort tells of those
    if missing:
        raise DataError(
            f"{len(missing)} of {len(cohort)} images are not below {cohort.root}: {shortened(missing)}; "
            "complete the download, or remove their rows"
        )


def prepare(
    cohort: Cohort,
    cache: Path,
    options: DecodeOptions,
    *,
    workers: int = 0,
    on_bad: Literal["error", "quarantine"] = "error",
    bad_limit: float = 0.01,
    progress: Progress = lambda done, total: None,
) -> Store:
    """The store of a cohort, made if it is not there yet.

    Args:
        cohort: checked, with all files in place.
        cache: folder of all stores.
        options: how images become squares.
        workers: threads (Pillow decodes outside Python's lock), 0 for one a core.
        on_bad: what an unreadable image does.
        bad_limit: largest share of unreadable images to quarantine.
        progress: told how far it is.

    Raises:
        DataError: images are unreadable, and are not to be quarantined or are too many.
    """
    key = fingerprint(cohort, options)
    folder = cache / "stores" / f"{cohort.name}-{options.size}px-{key[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "prepare.lock", f"store {folder}", wait=True):
        if not (folder / "manifest.json").is_file():
            rejected = _fill(folder, cohort, options, workers or os.cpu_count() or 1, progress)
            _check_rejected(rejected, len(cohort), on_bad, bad_limit)
            _finish(folder, cohort, options, key, rejected)
    store = open_store(folder)
    _check_rejected(store.rejected, len(cohort), on_bad, bad_limit)
    return store


def open_store(folder: Path) -> Store:
    """A finished store, memory-mapped."""
    manifest = json.loads((folder / "manifest.json").read_text())
    images = np.load(folder / "images.npy", mmap_mode="r")
    ids = pd.read_parquet(folder / "cohort.parquet", columns=["image_id"])["image_id"]
    return Store(folder, images, tuple(ids), manifest["rejected"], manifest["fingerprint"])


def _fill(folder: Path, cohort: Cohort, options: DecodeOptions, workers: int, progress: Progress) -> dict[str, str]:
    """Decode what is not done yet; returns the reasons of unreadable images."""
    shape = (len(cohort), options.size, options.size)
    partial, journal = folder / "images.partial.npy", folder / "done.jsonl"
    if (folder / "images.npy").is_file():  # killed between the last two steps of _finish
        os.replace(folder / "images.npy", partial)
    done, rejected = _read_journal(journal) if partial.is_file() else (0, {})
    # Written anew before the array is: a torn last line would spoil the next one, an old note would vouch for zeros.
    write_text(journal, json.dumps({"done": done, "rejected": rejected}) + "\n")
    if not done:
        _check_room(folder, len(cohort) * options.size**2)
    begins = _open_array(partial, None if done else shape)
    paths = [cohort.root / path for path in cohort.frame["image_path"]]
    # Written, not mapped: a map would keep every page it has touched, and end the process where the disk is full.
    with ThreadPoolExecutor(workers) as pool, journal.open("a") as notes, partial.open("r+b") as file:
        decoded = _decode_ahead(pool, paths[done:], options, ahead=4 * workers)
        for start in range(done, len(paths), CHUNK):
            block = np.zeros((min(CHUNK, len(paths) - start), *shape[1:]), np.uint8)
            bad: dict[str, str] = {}
            for row in range(start, start + len(block)):
                result = next(decoded)
                if isinstance(result, DataError):
                    bad[str(cohort.frame["image_id"].iloc[row])] = str(result)
                else:
                    block[row - start] = result
                progress(row + 1, len(paths))
            file.seek(begins + start * options.size**2)
            file.write(block.data)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the journal says so
            notes.write(json.dumps({"done": start + len(block), "rejected": bad}) + "\n")
            notes.flush()
            rejected |= bad
    return rejected


def _open_array(path: Path, shape: tuple[int, ...] | None) -> int:
    """Make an array of zeros, or take the one that is there (None); returns where in the file its values begin."""
    mode: Literal["w+", "r+"] = "w+" if shape else "r+"
    images = np.lib.format.open_memmap(path, mode=mode, dtype=np.uint8, shape=shape)
    return int(images.offset)


def _check_room(folder: Path, needed: int) -> None:
    # Better told now than after a night.
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"the prepared images need {needed / 2**30:.1f} GiB, the disk of {folder} has {free / 2**30:.1f} GiB left; "
            "free some space or choose another --cache"
        )


def _decode_ahead(
    pool: ThreadPoolExecutor, paths: list[Path], options: DecodeOptions, ahead: int
) -> Iterator[npt.NDArray[np.uint8] | DataError]:
    """Decoded images in order, with a bounded number in flight so that memory does not grow."""

    def attempt(path: Path) -> npt.NDArray[np.uint8] | DataError:
        try:
            return decode(path, options)
        except DataError as error:
            return error

    waiting = iter(paths)
    queue = [pool.submit(attempt, path) for path in islice(waiting, ahead)]
    while queue:
        yield queue.pop(0).result()
        queue += [pool.submit(attempt, path) for path in islice(waiting, 1)]


def _read_journal(journal: Path) -> tuple[int, dict[str, str]]:
    """Images done and those rejected before a kill; a torn last line does not count."""
    done, rejected = 0, dict[str, str]()
    for line in journal.read_text().splitlines() if journal.is_file() else []:
        try:
            note = json.loads(line)
        except json.JSONDecodeError:
            break
        done = note["done"]
        rejected |= note["rejected"]
    return done, rejected


def _check_rejected(rejected: dict[str, str], total: int, on_bad: str, limit: float) -> None:
    if not rejected:
        return
    reasons = shortened(list(rejected.values()))
    if on_bad == "error":
        raise DataError(
            f"{len(rejected)} of {total} images cannot be read: {reasons}; mend them, or leave them out with "
            "--set data.on_bad=quarantine"
        )
    if len(rejected) > limit * total:
        raise DataError(
            f"{len(rejected)} of {total} images cannot be read, more than the {limit:.1%} of data.bad_limit: {reasons}"
        )


def _finish(folder: Path, cohort: Cohort, options: DecodeOptions, key: str, rejected: dict[str, str]) -> None:
    cohort.frame.to_parquet(folder / "cohort.parquet", index=False)
    os.replace(folder / "images.partial.npy", folder / "images.npy")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "fingerprint": key,
        "dataset": cohort.name,
        "root": str(cohort.root),
        "options": asdict(options),
        "images": len(cohort),
        "rejected": rejected,
    }
    write_json(folder / "manifest.json", manifest)
    (folder / "done.jsonl").unlink(missing_ok=True)
