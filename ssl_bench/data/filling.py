"""Image files decoded into the array of a store, several at once and block by block."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssl_bench.data import blocks as journal
from ssl_bench.data.array import array_file, header
from ssl_bench.data.blocks import Block, digest
from ssl_bench.data.decode import DecodeOptions, decode_content, read_content
from ssl_bench.data.imagefiles import ImageFiles
from ssl_bench.data.looks import shows_nothing
from ssl_bench.errors import DataError

Progress = Callable[[int, int], None]
"""Called with the images done and their number."""

TOGETHER = 4
"""Images of a task: handing one over costs as much as a twentieth of decoding a small file."""

AHEAD = 32
"""Tasks that are begun before their images are asked for."""


@dataclass(frozen=True)
class Prepared:
    """One image as the store has it; ``reason`` says why it cannot be read, and then it is black."""

    grey: npt.NDArray[np.uint8]
    pixels: str
    file: str
    reason: str


def prepared(path: str, options: DecodeOptions) -> Prepared:
    """A file decoded, with hashes of its bytes and of its pixels."""
    file, reason = "", ""
    try:
        content = read_content(path, options)
        file = digest(content)
        grey = np.ascontiguousarray(decode_content(content, path, options))
    except DataError as error:
        grey, reason = np.zeros((options.size, options.size), np.uint8), str(error)
    return Prepared(grey, digest(grey.data), file, reason)


def fill(
    folder: Path,
    files: ImageFiles,
    options: DecodeOptions,
    todo: Sequence[range],
    pool: ThreadPoolExecutor,
    tell: Callable[[], None],
    name: str = journal.NAME,
) -> Iterator[Block]:
    """Decode blocks into the array; each is on the disk, and noted there, before it is yielded.

    Args:
        folder: of the store, with its array.
        files: of the cohort.
        options: how images become squares.
        todo: rows of each block.
        pool: to decode in.
        tell: called after each image.
        name: of the file that the blocks are noted in.
    """
    decoded = _ahead(pool, (files.paths[row] for rows in todo for row in rows), options)
    # Written, not mapped: a map would keep every page it has touched, and end the process where the disk is full.
    with array_file(folder).open("r+b") as array, (folder / name).open("a", encoding="utf-8") as notes:
        begins = len(header(len(files), options.size))
        for rows in todo:
            images = []
            for _ in rows:
                images.append(next(decoded))
                tell()
            array.seek(begins + rows.start * options.size**2)
            array.write(np.stack([image.grey for image in images]).data)
            array.flush()
            os.fsync(array.fileno())  # on the disk before the note says so
            block = _noted(rows, files, images)
            notes.write(block.line())
            notes.flush()
            yield block


def _noted(rows: range, files: ImageFiles, images: Sequence[Prepared]) -> Block:
    blank = shows_nothing([image.grey for image in images])
    useless = {row: image.reason or f"image {files.paths[row]} {nothing}"
               for row, image, nothing in zip(rows, images, blank, strict=True) if image.reason or nothing}  # fmt: skip
    return Block(
        rows.start,
        tuple(image.pixels for image in images),
        tuple(image.file for image in images),
        files.times[rows.start : rows.stop],
        {files.image_ids[row]: reason for row, reason in useless.items()},
    )


@contextmanager
def threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that starts nothing more once its block is left, by a signal for example."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, paths: Iterable[str], options: DecodeOptions) -> Iterator[Prepared]:
    """Decoded images in order, with a bounded number in flight so that memory does not grow."""
    waiting = iter(paths)
    tasks = iter(lambda: list(islice(waiting, TOGETHER)), [])
    ahead: deque[Future[list[Prepared]]] = deque()
    ahead += [pool.submit(_several, some, options) for some in islice(tasks, AHEAD)]
    while ahead:
        yield from ahead.popleft().result()
        ahead += [pool.submit(_several, some, options) for some in islice(tasks, 1)]


def _several(paths: Sequence[str], options: DecodeOptions) -> list[Prepared]:
    return [prepared(path, options) for path in paths]
