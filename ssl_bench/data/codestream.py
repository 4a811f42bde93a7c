"""What a compressed picture says of itself in its first bytes, so that nothing larger than allowed is unpacked.

JPEG and JPEG-LS: ITU-T T.81 B.2.2, T.87; JPEG 2000: ITU-T T.800 A.5.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

J2K = b"\xff\x4f\xff\x51"
"""Start of a JPEG 2000 codestream and of its size."""

FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Second byte of the markers of JPEG and JPEG-LS that a frame's size follows."""

BARE = {0x01, *range(0xD0, 0xD9)}
"""Second byte of the markers of JPEG that nothing belongs to."""


@dataclass(frozen=True)
class Codestream:
    """Size in px, bits of a value, and values of a pixel."""

    width: int
    height: int
    bits: int
    samples: int


def read_codestream(content: bytes) -> Codestream | None:
    """What a JPEG, JPEG-LS or JPEG 2000 picture says of itself; None where the bytes are none or say nothing."""
    if content.startswith(b"\xff\xd8"):
        return _jpeg(content)
    if content[4:8] == b"jP  ":
        content = _inside_box(content)
    return _jpeg2000(content) if content.startswith(J2K) else None


def _inside_box(content: bytes) -> bytes:
    """The codestream of a JP2 file (T.800 I.4)."""
    at = 0
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"jp2c":
            return content[at + (16 if length == 1 else 8) :]
        if length == 1 and at + 16 <= len(content):
            length = struct.unpack_from(">Q", content, at + 8)[0]
        if length < 8:
            break
        at += length
    return b""


def _jpeg2000(content: bytes) -> Codestream | None:
    try:
        right, bottom, left, top = struct.unpack_from(">4I", content, 8)
        samples, bits = struct.unpack_from(">HB", content, 40)
    except struct.error:
        return None
    return Codestream(right - left, bottom - top, (bits & 127) + 1, samples)


def _jpeg(content: bytes) -> Codestream | None:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in BARE or marker == 0xFF:  # any number of 0xFF may come before a marker
            at += 1 if marker == 0xFF else 2
            continue
        if marker in FRAMES:
            try:
                bits, height, width, samples = struct.unpack_from(">BHHB", content, at + 4)
            except struct.error:
                return None
            return Codestream(width, height, bits, samples)
        at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    return None
