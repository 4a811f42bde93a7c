"""Feather and other Arrow files, held to what their messages say before a buffer of them is unpacked.

Format: https://arrow.apache.org/docs/format/Columnar.html (encapsulated messages, compressed buffers) and
https://flatbuffers.dev (tables); fields by their place in Arrow's Message.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import feather, ipc

from ssl_bench.data.unpacking import CELL, check_unpacked

MAGIC, OLD_MAGIC = b"ARROW1\0\0", b"FEA1"
"""How files of Arrow's format, and Feather files of the first version, begin; streams have no mark."""

DICTIONARY, RECORDS = 2, 3
"""Kinds of messages that hold values."""


def read_arrow(path: Path) -> pd.DataFrame:
    """A Feather or Arrow file, or an Arrow stream, as a table.

    Its messages are read in their order, never by the footer, which may name others than those that were looked at.

    Raises:
        DataError: it would unpack to far more than its size.
        Exception: whatever pyarrow raises for a file that is damaged or none of Arrow's.
    """
    with pa.memory_map(str(path)) as file:
        content = file.read_buffer()
        head = content.slice(0, 8).to_pybytes()
        if head.startswith(OLD_MAGIC):  # nothing in it is packed
            old: pd.DataFrame = feather.read_feather(path)
            return old
        messages = content.slice(len(MAGIC)) if head == MAGIC else content
        schema, found = ipc.open_stream(messages).schema, 0
        for message in _messages(messages):
            rows, unpacked = _size(message)
            found += max(unpacked, CELL * rows * len(schema))
            check_unpacked(path, found)
        table = ipc.open_stream(messages).read_all()
        table.validate(full=True)  # a damaged file may point anywhere in memory
        frame: pd.DataFrame = table.to_pandas()
        return frame


def _messages(content: pa.Buffer) -> Iterator[pa.Message]:
    reader = ipc.MessageReader.open_stream(content)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _size(message: pa.Message) -> tuple[int, int]:
    """Rows of a message, and bytes of its buffers when unpacked; nothing of messages that hold no values."""
    said = message.metadata.to_pybytes()
    (root,) = struct.unpack_from("<I", said)
    place, header = _field(said, root, 1), _field(said, root, 2)
    kind = said[place] if place else 0
    if kind not in (DICTIONARY, RECORDS) or not header:
        return 0, 0
    batch = _pointed(said, header)
    if kind == DICTIONARY:
        batch = _pointed(said, _field(said, batch, 1))
    length, buffers, packed = (_field(said, batch, number) for number in (0, 2, 3))
    rows = struct.unpack_from("<q", said, length)[0] if length else 0
    ends = list(_buffers(said, _pointed(said, buffers))) if buffers else []
    if not packed:
        return rows, sum(size for _, size in ends)
    return rows, sum(_unpacked(message.body, offset, size) for offset, size in ends)


def _field(said: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table is; 0 where it has none."""
    vtable = table - struct.unpack_from("<i", said, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", said, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", said, vtable + 4 + 2 * number)[0]
    return table + offset if offset else 0


def _pointed(said: bytes, place: int) -> int:
    return place + int(struct.unpack_from("<I", said, place)[0])


def _buffers(said: bytes, vector: int) -> Iterator[tuple[int, int]]:
    """Offset and size of each buffer in the body."""
    (count,) = struct.unpack_from("<I", said, vector)
    yield from struct.iter_unpack("<qq", said[vector + 4 : vector + 4 + 16 * count])


def _unpacked(body: pa.Buffer, offset: int, size: int) -> int:
    """Bytes of a packed buffer, which says them before it begins; -1 stands for one that is not packed."""
    if size < 8:
        return 0
    (found,) = struct.unpack("<q", body.slice(offset, 8).to_pybytes())
    return size if found == -1 else max(0, int(found))
