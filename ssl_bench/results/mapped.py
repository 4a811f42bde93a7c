"""Arrays of an ``.npz`` file as maps of the disk, so that features of a million images need not fit into memory."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import numpy.typing as npt

LARGE = 1 << 28
"""Bytes of a file from which on its arrays are mapped."""


def is_mapped(path: Path) -> bool:
    """Whether arrays of a file are mapped, not read."""
    return path.stat().st_size >= LARGE


def mapped(path: Path, name: str) -> npt.NDArray[Any]:
    """An array of a file that numpy's ``savez`` wrote, read-only.

    Raises:
        KeyError: there is no such array.
        ValueError: it is compressed, or no array.
        BadZipFile: the file is damaged.
    """
    with ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    if member.compress_type != ZIP_STORED:
        raise ValueError(f"array '{name}' of {path} is compressed and cannot be mapped")
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)  # behind it the lengths of the name and of what follows it
        file.seek(sum(struct.unpack("<HH", file.read(4))), 1)
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, columns_first, kind = read(file)
        array: npt.NDArray[Any] = np.memmap(path, kind, "r", file.tell(), shape, order="F" if columns_first else "C")
    return array
