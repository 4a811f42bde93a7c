"""Packed files of others, read no further than any whole table goes: a kilobyte may unpack to gigabytes.

Deflate packs a thousand times at most, bzip2, xz and Parquet a million times, a genuine table 3 to 30 times.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.errors import DataError

LARGE, PACKED = 1 << 28, 200
"""Bytes that any file may take when unpacked, and how many times its size a larger one may."""

CELL = 8
"""Bytes that a cell takes at least."""

TOGETHER = 1 << 20
"""Cells of a text table that are read at a time."""

STREAMS: Mapping[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
"""What opens a stream by the ending of its file; ``.zst`` needs a package of its own."""


def check_unpacked(path: Path, found: int, what: str = "table") -> None:
    """Refuse a file that is far smaller than what it holds.

    Args:
        path: of the file.
        found: bytes that it takes when unpacked.
        what: it should be, for the message.

    Raises:
        DataError: naming both sizes.
    """
    size = path.stat().st_size
    if found > max(LARGE, PACKED * size):
        raise DataError(f"{path} has {size:,} bytes and would unpack to {found:,} or more, as no whole {what} does; "
                        "download it again, or rewrite it")  # fmt: skip


def check_cells(path: Path, rows: int, columns: int) -> None:
    """Refuse a table of more cells than its file can mean; raises as :func:`check_unpacked` does."""
    check_unpacked(path, CELL * rows * columns)


def in_parts(path: Path, columns: int, file: Any, **options: Any) -> pd.DataFrame:
    """A text table read part by part, for a row of few bytes takes as many cells as the longest has.

    Args:
        path: of the file.
        columns: that each row gets.
        file: what pandas reads.
        options: of :func:`pandas.read_csv`.

    Raises:
        DataError: it has far more cells than bytes.
    """
    parts, rows = [], 0
    with pd.read_csv(file, names=range(columns), chunksize=max(1, TOGETHER // columns), **options) as read:
        for part in read:
            rows += len(part)
            check_cells(path, rows, columns)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def check_zip(path: Path, what: str = "table") -> None:
    """Refuse a zip archive (``.npz``, ``.xlsx``) by the sizes that it names; no more than these is ever read of it.

    Raises:
        DataError: it is none, or it names too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile:
        raise DataError(f"{path} is no intact {path.suffix} file, which is a zip archive; write it again") from None
    check_unpacked(path, found, what)


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file by what its footer says; a column of one value takes no more bytes for more rows.

    Raises:
        DataError: it names too much.
        pyarrow.ArrowException: it is no Parquet file.
    """
    import pyarrow.parquet as pq

    said = pq.read_metadata(path)
    unpacked = sum(said.row_group(number).total_byte_size for number in range(said.num_row_groups))
    check_unpacked(path, max(unpacked, CELL * said.num_rows * said.num_columns))


@contextmanager
def open_arrays(path: Path) -> Iterator[Any]:
    """The arrays of an ``.npz`` file by name, each read when it is asked for.

    Raises:
        DataError: the file is no zip archive, or it unpacks to too much.
        OSError: it cannot be opened.
    """
    check_zip(path, "file of arrays")
    with np.load(path, allow_pickle=False) as kept:
        yield kept


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an ``.npz`` file; raises as :func:`open_arrays` does."""
    with open_arrays(path) as kept:
        arrays = dict(kept)
    # Items of no bytes can be as many as one likes.
    check_unpacked(path, sum(array.size * max(1, array.itemsize) for array in arrays.values()), "file of arrays")
    return arrays


class Limited(io.RawIOBase):
    """An unpacked stream that ends in an error where it gives more than its file can mean.

    Args:
        file: the stream.
        path: of the packed file.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path, self._read = file, path, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; how many bytes came.

        Raises:
            DataError: with these there are too many.
        """
        part = self._file.read(len(buffer))
        buffer[: len(part)] = part
        self._read += len(part)
        check_unpacked(self._path, self._read)
        return len(part)


@contextmanager
def unpacked(path: Path, ending: str) -> Iterator[IO[bytes]]:
    """A packed stream, unpacked; :class:`Limited`.

    Args:
        path: of the file.
        ending: how it is packed, one of :data:`STREAMS` or ``.zst``.

    Raises:
        DataError: while it is read, where it gives too much.
        ModuleNotFoundError: for ``.zst``, without the package zstandard.
    """
    opener = STREAMS.get(ending) or import_module("zstandard").open
    with cast("IO[bytes]", opener(path, "rb")) as file:
        yield io.BufferedReader(Limited(file, path), 1 << 18)
