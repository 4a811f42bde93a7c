"""The prepared store: every image decoded once into one memory-mapped array.

A store is a folder: ``images.npy`` (N, S, S) uint8, ``blocks.jsonl`` with hashes of every image's file and pixels,
``cohort.parquet``, and ``manifest.json``, which comes last and makes it complete. Its name follows from ids, relative
paths, sizes and options; whether its files are those of a cohort is told by their times, and by their bytes where these
differ. What is damaged is prepared again and the rest kept, so that a killed preparation goes on where it was, too.

Several processes, perhaps on several machines, prepare a part of its blocks each (:func:`prepare_part`), noted in
``blocks-K-of-N.jsonl``; the one that finds them all there makes the store complete, as one process would have.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ssl_bench.data.array import array_file, damaged, ensure_array, is_sound
from ssl_bench.data.blocks import OF_PARTS, Block, file_time, read_all_blocks, write_blocks
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.filling import Progress, fill, threads
from ssl_bench.data.imagefiles import ImageFiles, image_files, renewed
from ssl_bench.data.looks import what_is_wrong
from ssl_bench.data.seal import MANIFEST, Sealed, read_sealed, seal, sign_again
from ssl_bench.errors import DataError, shortened
from ssl_bench.files import TORN, locked
from ssl_bench.plugin.cohort import Cohort

FORMAT = 4
"""Version of the layout and of what decoding means; another version is another store."""

CHUNK = 256
"""Images of a block, between two notes of progress on the disk."""

OTHER_FILES: Literal["other files"] = "other files"
"""A complete store whose files had the same names and sizes, and other contents."""


@dataclass(frozen=True)
class Store:
    """A finished store.

    Args:
        folder: where it lies.
        images: ``(N, S, S)`` uint8, memory-mapped.
        image_ids: ``(N,)`` text, in the order of ``images``.
        pixels: ``(N,)`` hashes of the images, in the same order.
        rejected: reasons by image id, for images that were quarantined.
        fingerprint: of what it holds: ids, pixels, who is left out, and how images became squares.
    """

    folder: Path
    images: npt.NDArray[np.uint8]
    image_ids: tuple[str, ...]
    pixels: tuple[str, ...]
    rejected: dict[str, str]
    fingerprint: str

    def aligned(self, cohort: Cohort) -> tuple[Cohort, npt.NDArray[np.int64]]:
        """The cohort without quarantined images, and for each of its rows the row of ``images``."""
        row_of = {image_id: row for row, image_id in enumerate(self.image_ids)}
        kept = cohort.with_frame(cohort.frame[~cohort.frame["image_id"].isin(list(self.rejected))])
        rows = np.array([row_of[image_id] for image_id in kept.frame["image_id"]], dtype=np.int64)
        return kept, rows


def prepare(
    cohort: Cohort,
    cache: Path,
    options: DecodeOptions,
    *,
    workers: int = 0,
    on_bad: Literal["error", "quarantine"] = "error",
    bad_limit: float = 0.01,
    progress: Progress = lambda done, total: None,
    verify: bool = False,
) -> Store:
    """The store of a cohort, made if it is not there yet, mended if it is damaged.

    Args:
        cohort: checked, with all files in place.
        cache: folder of all stores; where the store is there it need not be writable.
        options: how images become squares.
        workers: threads (Pillow decodes outside Python's lock), 0 for one a core.
        on_bad: what an unreadable image does.
        bad_limit: largest share of unreadable images to quarantine.
        progress: told how far it is.
        verify: look at every image of a store that is there, not at a sample.

    Raises:
        DataError: images are unreadable, and are not to be quarantined or are too many; or the cache cannot be written.
    """
    files = image_files(cohort)

    def judge(rejected: dict[str, str]) -> None:
        _check_rejected(rejected, len(cohort), on_bad, bad_limit)

    with threads(workers or os.cpu_count() or 1) as pool:
        for folder in _folders(cache, cohort.name, files, options):
            found = _usable(folder, files, options, pool, verify=verify)
            if found is None:
                with _writing(folder):
                    # Another process may have been here; whole, for another sample might miss what this one found.
                    found = _usable(folder, files, options, pool, verify=True)
                    if found is None:
                        blocks = _filled(folder, files, options, pool, progress)
                        judge(_rejected(blocks))
                        found = seal(folder, cohort, options, FORMAT, blocks)
                        _forget_parts(folder)
            if isinstance(found, Sealed):
                judge(found.rejected)
                return _opened(folder, found)
    raise AssertionError("there is always another folder")


@dataclass(frozen=True)
class Shard:
    """Part ``number``, from 1 on, of ``of`` parts of a store, each of every so many blocks."""

    number: int
    of: int

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.number}-of-{self.of}"

    def blocks(self, total: int) -> list[range]:
        """Rows of its blocks among all rows."""
        starts = range((self.number - 1) * CHUNK, total, self.of * CHUNK)
        return [range(start, min(start + CHUNK, total)) for start in starts]

    def images(self, total: int) -> int:
        """How many of all images are its own."""
        return sum(map(len, self.blocks(total)))


def prepare_part(
    cohort: Cohort,
    cache: Path,
    options: DecodeOptions,
    shard: Shard,
    *,
    workers: int = 0,
    on_bad: Literal["error", "quarantine"] = "error",
    bad_limit: float = 0.01,
    progress: Progress = lambda done, total: None,
) -> Store | tuple[Path, int]:
    """Prepare a part of a store, on any machine that shares its folder; arguments and errors as :func:`prepare`.

    Returns:
        The store, where all parts are there; before that its folder and the number of images that are.
    """
    files = image_files(cohort)
    with threads(workers or os.cpu_count() or 1) as pool:
        for folder in _folders(cache, cohort.name, files, options):
            found = _usable(folder, files, options, pool)
            if found == OTHER_FILES:
                continue
            if found is None and _begun(folder, len(files), options.size):
                rejected = _fill_part(folder, files, options, shard, pool, progress)
                _check_rejected(rejected, len(cohort), on_bad, bad_limit)
                there = sum(len(block.pixels) for block in read_all_blocks(folder).values())
                if there < len(files):
                    return folder, there
            break
    return prepare(cohort, cache, options, workers=workers, on_bad=on_bad, bad_limit=bad_limit)


def _begun(folder: Path, images: int, size: int) -> bool:
    """Whether a store is to be prepared in parts; one that has been complete is looked at as a whole."""
    with _writing(folder):
        if read_sealed(folder) is not None:
            return False
        ensure_array(folder, images, size)
    return True


def _fill_part(
    folder: Path,
    files: ImageFiles,
    options: DecodeOptions,
    shard: Shard,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> dict[str, str]:
    """Prepare the blocks of a part that are not there; reasons of its unreadable images by id."""
    name, own = f"blocks-{shard.name}.jsonl", shard.blocks(len(files))
    with locked(folder / f"prepare-{shard.name}.lock", f"part {shard.name} of {folder}", wait=True):
        blocks = _whole_blocks(folder, files, options, pool, {rows.start for rows in own})
        write_blocks(folder, blocks, name)
        held = {range(block.first, block.first + len(block.pixels)) for block in blocks}
        done, total = count(1 + sum(map(len, held))), shard.images(len(files))
        todo = [rows for rows in own if rows not in held]
        blocks += fill(folder, files, options, todo, pool, lambda: progress(next(done), total), name)
    return _rejected(blocks)


def _forget_parts(folder: Path) -> None:
    """What processes left that prepared a part each; the store's own file has it all."""
    for pattern in (OF_PARTS, "prepare-*.lock"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
    _remove_torn(folder)


def open_store(folder: Path) -> Store:
    """A finished store, memory-mapped.

    Raises:
        DataError: it is incomplete or damaged.
    """
    sealed = read_sealed(folder)
    if sealed is None or not is_sound(folder, len(sealed.image_ids), sealed.manifest["options"]["size"]):
        raise DataError(f"the prepared images in {folder} are incomplete or damaged; prepare them again")
    return _opened(folder, sealed)


def find_store(cache: Path, fingerprint: str) -> Store | None:
    """The complete store below a cache that holds what a fingerprint says; None where there is none."""
    for path in sorted(cache.glob(f"stores/*/{MANIFEST}")):
        sealed = read_sealed(path.parent)
        if sealed and sealed.manifest["fingerprint"] == fingerprint:
            return open_store(path.parent)
    return None


def _opened(folder: Path, sealed: Sealed) -> Store:
    images = np.load(array_file(folder), mmap_mode="r")
    return Store(folder, images, sealed.image_ids, sealed.pixels, sealed.rejected, sealed.manifest["fingerprint"])


def _folders(cache: Path, name: str, files: ImageFiles, options: DecodeOptions) -> Iterator[Path]:
    """Where the store may lie: the second and later places are for files of the same names and sizes."""
    first = cache / "stores" / f"{name}-{options.size}px-{files.key(options, FORMAT)[:16]}"
    yield first
    yield from (first.with_name(f"{first.name}-{number}") for number in count(2))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the prepared images have no place in {folder.parent.parent}: {error.strerror}; choose another --cache"
        ) from None
    with locked(folder / "prepare.lock", f"store {folder}", wait=True):
        _remove_torn(folder, but=f".{OF_PARTS}.*")
        yield


def _remove_torn(folder: Path, but: str = "") -> None:
    """What a kill in the middle of a write left.

    Args:
        folder: of the store, of which this process is the only writer.
        but: pattern of files of other processes, which prepare a part each.
    """
    for path in (path for pattern in TORN for path in folder.glob(pattern)):
        if not fnmatch(path.name, but):
            path.unlink(missing_ok=True)


def _usable(
    folder: Path, files: ImageFiles, options: DecodeOptions, pool: ThreadPoolExecutor, *, verify: bool = False
) -> Sealed | Literal["other files"] | None:
    """What a complete and undamaged store says of itself; None where there is something to be done first."""
    sealed = read_sealed(folder)
    if sealed is None:
        return None
    blocks = [block for old in sealed.blocks if (block := renewed(old, files, pool))]
    if len(blocks) < len(sealed.blocks):
        return OTHER_FILES
    if not is_sound(folder, len(files), options.size):
        return None
    as_left = file_time(array_file(folder).stat()) == sealed.manifest["array_time"]
    if damaged(folder, blocks, len(files), options.size, pool, whole=verify or not as_left):
        return None
    if not as_left or tuple(blocks) != sealed.blocks:
        # Only so that it need not be looked at so closely again, so a cache that cannot be written will do.
        with suppress(OSError, DataError), _writing(folder):
            sign_again(folder, sealed, blocks)
    return sealed


def _filled(
    folder: Path, files: ImageFiles, options: DecodeOptions, pool: ThreadPoolExecutor, progress: Progress
) -> list[Block]:
    """All blocks: those that are there and whole, and the others prepared."""
    (folder / MANIFEST).unlink(missing_ok=True)
    ensure_array(folder, len(files), options.size)
    blocks = _whole_blocks(folder, files, options, pool)
    write_blocks(folder, blocks)  # anew, before the array is: a torn last line would spoil the next one
    done = count(1 + sum(len(block.pixels) for block in blocks))
    todo = list(_gaps(blocks, len(files)))
    blocks += fill(folder, files, options, todo, pool, lambda: progress(next(done), len(files)))
    return blocks


def _whole_blocks(
    folder: Path,
    files: ImageFiles,
    options: DecodeOptions,
    pool: ThreadPoolExecutor,
    within: Container[int] | None = None,
) -> list[Block]:
    """Blocks whose files hold what they did and whose pixels are in the array; ``within`` has the first rows to ask."""
    noted = read_all_blocks(folder)
    blocks: list[Block] = []
    for first in sorted(first for first in noted if within is None or first in within):
        block = renewed(noted[first], files, pool)
        after = blocks[-1].first + len(blocks[-1].pixels) if blocks else 0
        if block and after <= first <= len(files) - len(block.pixels):
            blocks.append(block)
    wrong = {block.first for block in damaged(folder, blocks, len(files), options.size, pool)}
    return [block for block in blocks if block.first not in wrong]


def _gaps(blocks: Iterable[Block], total: int) -> Iterator[range]:
    """Rows that no block holds, :data:`CHUNK` at most at once."""
    after = 0
    for first, length in [*((block.first, len(block.pixels)) for block in blocks), (total, 0)]:
        yield from (range(start, min(start + CHUNK, first)) for start in range(after, first, CHUNK))
        after = first + length


def _rejected(blocks: Iterable[Block]) -> dict[str, str]:
    return {image: reason for block in blocks for image, reason in block.rejected.items()}


def _check_rejected(rejected: dict[str, str], total: int, on_bad: str, limit: float) -> None:
    if not rejected:
        return
    reasons = shortened(list(rejected.values()))
    told = f"{len(rejected)} of {total} images {what_is_wrong(rejected)}"
    if on_bad == "error":
        raise DataError(f"{told}: {reasons}; fix them, or leave them out with --set data.on_bad=quarantine")
    if len(rejected) > limit * total:
        raise DataError(f"{told}, more than the {limit:.1%} of data.bad_limit: {reasons}")
