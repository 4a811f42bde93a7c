"""DICOM files that are deflated whole, unpacked no further than their own header asks for.

PS3.5 A.5: all that follows the file's meta information is one deflated stream.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from ssl_bench.data.scaling import TooLarge, Unreadable

HEAD = 1 << 20
"""Bytes that are unpacked to find out how large the image is."""

ROOM = 1 << 24
"""Bytes that a file may hold beside its pixels."""

META_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
"""The element that says how long the meta information is, which comes first."""


def inflated(content: bytes, pixel_limit: int) -> bytes:
    """A deflated file as it would be without, any other as it is.

    Raises:
        Unreadable: it unpacks to more than its header asks for.
        TooLarge: it has more pixels than the limit.
    """
    at = content.find(META_LENGTH, 0, 200)
    if at < 0:
        return content
    start = at + 12 + int(struct.unpack_from("<I", content, at + 8)[0])
    deflated, plain = DeflatedExplicitVRLittleEndian.encode(), ExplicitVRLittleEndian.encode()
    if deflated not in content[:start]:
        return content
    meta = content[:start].replace(deflated, plain.ljust(len(deflated), b"\0"))
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    head = stream.decompress(content[start:], HEAD)
    rest = stream.decompress(stream.unconsumed_tail, ROOM + _pixel_bytes(meta + head, pixel_limit))
    if stream.unconsumed_tail:
        raise Unreadable("it unpacks to more than its header asks for")
    return meta + head + rest


def _pixel_bytes(content: bytes, pixel_limit: int) -> int:
    """Bytes of the pixels that a header promises; none where it does not fit into what was unpacked of it."""
    try:
        dataset = pydicom.dcmread(BytesIO(content), stop_before_pixels=True, force=True)
        pixels = int(dataset.Rows) * int(dataset.Columns)
        width = int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
    except Exception:  # the caller reads the whole and tells what is wrong with it
        return 0
    if pixels > pixel_limit:
        raise TooLarge(pixels, pixel_limit)
    return pixels * min(width, 256) // 8
