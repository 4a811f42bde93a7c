"""One image file to one square of 8-bit grey."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from ssl_bench.errors import DataError

Grey = npt.NDArray[np.uint8]

WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow modes of more than 8 bits; converting them to 8 bits clips instead of scaling."""

WINDOW = (0.5, 99.5)
"""Percentiles that become black and white in an image of more than 8 bits."""

FORMATS = ("PNG", "JPEG", "JPEG2000", "TIFF", "BMP", "GIF", "PPM", "WEBP")
"""What is opened: Pillow's other readers start programs (EPS) or hold images of another size than they say (ICO)."""
DICOM = (".dcm", ".dicom")
"""Endings of files that pydicom reads."""

WIDEST_PIXEL = 8
"""Bytes of a pixel in the widest image that is read; larger files are not even loaded."""

# Pillow's own limit would stop an image that a higher ``pixel_limit`` allows, and silencing its warning is not safe in
# threads; ``pixel_limit`` is checked before a pixel is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class DecodeOptions:
    """How images become squares.

    Args:
        size: side of the square in px.
        fit: ``crop`` the middle, or ``pad`` with black.
        pixel_limit: an image of more pixels is refused (decompression bombs).
    """

    size: int
    fit: Literal["crop", "pad"] = "crop"
    pixel_limit: int = 100_000_000


def decode(path: Path, options: DecodeOptions) -> Grey:
    """Read an image as ``(size, size)`` uint8 grey; as :func:`decode_content`, and the file may be missing."""
    return decode_content(read_content(path, options), path, options)


def read_content(path: Path, options: DecodeOptions) -> bytes:
    """The bytes of an image file.

    Raises:
        DataError: the file is missing, cannot be read, or has more bytes than any image of the allowed pixels.
    """
    try:
        with path.open("rb") as file:
            content = file.read(WIDEST_PIXEL * options.pixel_limit + 1)
    except OSError as error:
        raise DataError(f"image {path} cannot be read: {error.strerror}") from None
    if len(content) > WIDEST_PIXEL * options.pixel_limit:
        raise DataError(
            f"image {path} has more than {WIDEST_PIXEL} bytes for each of the {options.pixel_limit} pixels that are "
            "the limit; raise data.pixel_limit"
        )
    return content


def decode_content(content: bytes, path: Path, options: DecodeOptions) -> Grey:
    """The bytes of an image file as ``(size, size)`` uint8 grey.

    RGB, RGBA, palette and CMYK become luminance (alpha is dropped); more than 8 bits are scaled by the window of the
    percentiles :data:`WINDOW`; DICOM by its own window, where it has one.

    Args:
        content: of the file.
        path: where it came from, for messages; its ending tells DICOM from other images.
        options: how it becomes a square.

    Raises:
        DataError: the file is empty, truncated, too large, or no image.
    """
    if path.suffix.lower() in DICOM:
        return _decoded_dicom(content, path, options)
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            return _decoded(image, path, options)
    except UnidentifiedImageError:  # which names the buffer
        raise DataError(f"image {path} cannot be read: cannot identify image file") from None
    except (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise DataError(f"image {path} cannot be read: {' '.join(str(error).split())}") from None


def _decoded_dicom(content: bytes, path: Path, options: DecodeOptions) -> Grey:
    from ssl_bench.data.dicom import read_dicom  # pydicom is loaded where a file needs it

    found = read_dicom(content, path, options.pixel_limit)
    image = found if isinstance(found, Image.Image) else Image.fromarray(windowed(found))
    return np.asarray(squared(image, options.size, options.fit), dtype=np.uint8)


def _decoded(image: ImageFile.ImageFile, path: Path, options: DecodeOptions) -> Grey:
    width, height = image.size
    if width * height > options.pixel_limit:
        raise DataError(
            f"image {path} has {width * height} pixels, the limit is {options.pixel_limit}; raise data.pixel_limit"
        )
    if image.format == "JPEG":
        image.draft("L", _draft_size(width, height, options.size))  # decodes at 1/2, 1/4 or 1/8 where that is enough
    return np.asarray(squared(to_grey(image), options.size, options.fit), dtype=np.uint8)


def _draft_size(width: int, height: int, size: int) -> tuple[int, int]:
    # Twice the size that is wanted, so that the antialiased resize still decides what a pixel is.
    factor = 2 * size / min(width, height)
    return max(1, int(width * factor)), max(1, int(height * factor))


def to_grey(image: Image.Image) -> Image.Image:
    """The image in mode ``L``."""
    if image.mode in WIDE_MODES:
        return Image.fromarray(windowed(np.asarray(image)))
    if image.mode == "L":
        return image
    if image.mode in ("RGBA", "LA", "La", "RGBa"):
        # Alpha is dropped, not composited: NIH's RGBA files are opaque copies of the grey image.
        return image.convert("RGBA").convert("RGB").convert("L")
    return image.convert("RGB").convert("L")


def windowed(values: npt.NDArray[Any]) -> Grey:
    """Grey values of any range as 8 bits, the percentiles :data:`WINDOW` at black and white."""
    low, high = np.percentile(values, WINDOW)
    scaled = (values.astype(np.float32) - low) / max(float(high - low), 1e-6)
    return np.asarray(np.rint(np.clip(scaled, 0.0, 1.0) * 255.0), dtype=np.uint8)


def squared(image: Image.Image, size: int, fit: Literal["crop", "pad"]) -> Image.Image:
    """A square of ``size`` px: the short side fits and the middle is kept (``crop``), or all is kept (``pad``)."""
    width, height = image.size
    if fit == "crop":
        # Cropped while resizing, so that a strip of one px by millions needs no memory for the rest.
        left, top, side = (width - min(width, height)) / 2, (height - min(width, height)) / 2, min(width, height)
        return image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    scaled = max(1, round(width * size / max(width, height))), max(1, round(height * size / max(width, height)))
    image = image.resize(scaled, Image.Resampling.BILINEAR)  # Pillow antialiases when it shrinks
    square = Image.new("L", (size, size))
    square.paste(image, ((size - image.size[0]) // 2, (size - image.size[1]) // 2))
    return square
