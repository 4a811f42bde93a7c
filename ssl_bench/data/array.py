"""The array of a store: one file in numpy's format, made, mended and looked at image by image."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssl_bench.data.blocks import Block, digest
from ssl_bench.errors import DataError

Rows = npt.NDArray[np.int64]

CHECKED = 1 << 26
"""Bytes of an array that are looked at whenever it is opened: a small one is looked at whole."""


def array_file(folder: Path) -> Path:
    """The array of a store's images."""
    return folder / "images.npy"


def header(images: int, size: int) -> bytes:
    """How an array of ``(images, size, size)`` uint8 begins in numpy's format."""
    buffer = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (images, size, size)}
    np.lib.format.write_array_header_1_0(buffer, shape)
    return buffer.getvalue()


def ensure_array(folder: Path, images: int, size: int) -> None:
    """Make the array, or give one that is there its right header and length.

    Raises:
        DataError: the disk has no room for it.
    """
    begin, path = header(images, size), array_file(folder)
    if not path.is_file():
        _check_room(folder, images * size**2)
        path.touch()
    with path.open("r+b") as file:
        if file.read(len(begin)) != begin:
            file.seek(0)
            file.write(begin)
        file.truncate(len(begin) + images * size**2)


def _check_room(folder: Path, needed: int) -> None:
    # Better told now than after a night.
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"the prepared images need {needed / 2**30:.1f} GiB, the disk of {folder} has {free / 2**30:.1f} GiB left; "
            "free some space or choose another --cache"
        )


def is_sound(folder: Path, images: int, size: int) -> bool:
    """Whether the array has the header and the length of its shape."""
    begin, path = header(images, size), array_file(folder)
    if not path.is_file() or path.stat().st_size != len(begin) + images * size**2:
        return False
    with path.open("rb") as file:
        return file.read(len(begin)) == begin


def damaged(
    folder: Path, blocks: Sequence[Block], images: int, size: int, pool: ThreadPoolExecutor, *, whole: bool = True
) -> list[Block]:
    """Blocks that hold an image whose pixels are not those of its hash.

    Args:
        folder: of the store, its array sound.
        blocks: to look at.
        images: of the store.
        size: side of an image in px.
        pool: to read and hash in.
        whole: look at every image, not at :data:`CHECKED` bytes of them, drawn anew each time.
    """
    rows = [np.arange(block.first, block.first + len(block.pixels)) for block in blocks]
    share = CHECKED / max(1, images * size**2)
    if not whole and share < 1:
        # Of the operating system's randomness: no result depends on it, and every opening looks elsewhere.
        random = np.random.default_rng()
        rows = [own[random.random(len(own)) < share] for own in rows]
    begins = len(header(images, size))
    intact = pool.map(lambda block, own: _is_intact(folder, block, own, begins, size**2), blocks, rows)
    return [block for block, good in zip(blocks, intact, strict=True) if not good]


def _is_intact(folder: Path, block: Block, rows: Rows, begins: int, length: int) -> bool:
    # Read, not mapped: a map would keep every page it has touched.
    with array_file(folder).open("rb") as file:
        return all(
            digest(os.pread(file.fileno(), length, begins + row * length)) == block.pixels[row - block.first]
            for row in rows.tolist()
        )
