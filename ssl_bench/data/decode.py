"""One image file to one square of 8-bit grey."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from ssl_bench.data.pictures import read_picture
from ssl_bench.data.scaling import Grey, TooLarge, Unreadable
from ssl_bench.errors import DataError

Fit = Literal["crop", "pad", "whole"]

DICOM = ("", ".dcm", ".dicom", ".dic", ".ima")
"""Endings of files that pydicom reads where they lack the mark of DICOM; most archives give their files none at all."""

PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"GIF8", b"RIFF", b"\0\0\0\x0cjP  ")
"""How picture files begin, whatever their ending."""

WIDEST_PIXEL = 8
"""Bytes of a pixel in the widest image that is read; larger files are not even loaded."""


@dataclass(frozen=True)
class DecodeOptions:
    """How images become squares.

    Args:
        size: side of the square in px.
        fit: ``crop`` the middle, ``pad`` with black, or leave the ``whole`` picture as it is.
        pixel_limit: an image of more pixels is refused (decompression bombs).
    """

    size: int
    fit: Fit = "crop"
    pixel_limit: int = 100_000_000


def decode(path: Path | str, options: DecodeOptions) -> Grey:
    """Read an image as ``(size, size)`` uint8 grey; as :func:`decode_content`, and the file may be missing."""
    return decode_content(read_content(path, options), path, options)


def read_content(path: Path | str, options: DecodeOptions) -> bytes:
    """The bytes of an image file; its path may be a text, for making a path of it takes a tenth of a small file's time.

    Raises:
        DataError: the file is missing, cannot be read, or has more bytes than any image of the allowed pixels.
    """
    most = WIDEST_PIXEL * options.pixel_limit
    try:
        with FileIO(path) as file:
            content = file.read() if os.fstat(file.fileno()).st_size <= most else None
    except OSError as error:
        raise DataError(f"image {path} cannot be read: {error.strerror}") from None
    if content is None:
        raise DataError(
            f"image {path} has more than {WIDEST_PIXEL} bytes for each of the {options.pixel_limit} pixels that are "
            "the limit; raise data.pixel_limit"
        )
    return content


def decode_content(content: bytes, path: Path | str, options: DecodeOptions) -> Grey:
    """The bytes of an image file as ``(size, size)`` uint8 grey, upright.

    What it is follows from the bytes; the path's ending counts where DICOM lacks its mark.

    Args:
        content: of the file.
        path: where it came from, for messages.
        options: how it becomes a square.

    Raises:
        DataError: the file is empty, truncated, too large, or no image, or its values' range is not known.
    """
    try:
        image = _read(content, path, options)
    except TooLarge as error:
        raise DataError(f"image {path} {error}") from None
    except Unreadable as error:
        raise DataError(f"image {path} cannot be read: {error}") from None
    return np.asarray(squared(image, options.size, options.fit), dtype=np.uint8)


def _read(content: bytes, path: Path | str, options: DecodeOptions) -> Image.Image:
    """The image in mode ``L``."""
    marked = content[128:132] == b"DICM"
    pictured = content.startswith(PICTURES)
    if marked or (not pictured and os.path.splitext(path)[1].lower() in DICOM):
        from ssl_bench.data.dicom import read_dicom  # pydicom is loaded where a file needs it

        return read_dicom(content, options.pixel_limit)
    try:
        return read_picture(content, options.pixel_limit, options.size)
    except UnidentifiedImageError:  # whose words name the buffer
        raise Unreadable("cannot identify image file") from None
    except MemoryError:
        raise Unreadable("it needs more memory than is available") from None
    except (Unreadable, TooLarge):
        raise
    except Exception as error:  # Pillow's readers raise nearly anything where a file is damaged
        raise Unreadable(" ".join(str(error).split()) or "it is damaged") from None


def squared(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """A square of ``size`` px: the short side fits and the middle is kept (``crop``), or all is kept (``pad``)."""
    width, height = image.size
    if fit == "whole" or (width, height) == (size, size):
        return image
    if fit == "crop":
        # Cropped while resizing, so that a strip of one px by millions needs no memory for the rest.
        left, top, side = (width - min(width, height)) / 2, (height - min(width, height)) / 2, min(width, height)
        return image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    scaled = max(1, round(width * size / max(width, height))), max(1, round(height * size / max(width, height)))
    image = image.resize(scaled, Image.Resampling.BILINEAR)  # Pillow antialiases when it shrinks
    square = Image.new("L", (size, size))
    square.paste(image, ((size - image.size[0]) // 2, (size - image.size[1]) // 2))
    return square
