"""Picture files that Pillow opens, as 8-bit grey; what Pillow would cut to 8 bits is read another way or refused."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from ssl_bench.data.codestream import read_codestream
from ssl_bench.data.scaling import TooLarge, Unreadable, luminance, windowed

WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow modes of more than 8 bits; converting them to 8 bits clips instead of scaling."""

FORMATS = ("PNG", "JPEG", "JPEG2000", "TIFF", "BMP", "GIF", "PPM", "WEBP")
"""What is opened: Pillow's other readers start programs (EPS) or hold images of another size than they say (ICO)."""

# Pillow's own limit would stop an image that a higher ``pixel_limit`` allows, and silencing its warning is not safe in
# threads; ``pixel_limit`` is checked before a pixel is decoded.
Image.MAX_IMAGE_PIXELS = None

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Tags of TIFF 6.0."""

WHITE_IS_ZERO, SIGNED = 0, 2
"""Values of the last two."""


def read_picture(content: bytes, pixel_limit: int, size: int) -> Image.Image:
    """The picture in mode ``L``, upright.

    RGB, RGBA, palette and CMYK become luminance (alpha is dropped); more than 8 bits are scaled by the window of the
    percentiles :data:`ssl_bench.data.scaling.WINDOW`.

    Args:
        content: of the file.
        pixel_limit: of its pixels.
        size: side in px that is wanted of it; a JPEG is decoded at no more than is needed for that.

    Raises:
        Unreadable: it holds several pictures, or values that would not survive.
        Exception: whatever Pillow raises for a file that is damaged or no picture.
    """
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        _check_pixels(image.size, pixel_limit)
        deep = _check_kind(image, content)
        if image.format == "JPEG":
            image.draft("L", _draft_size(*image.size, size))  # decodes at 1/2, 1/4 or 1/8 where that is enough
        grey = _deep_png(content) if deep else to_grey(image)
        return _upright(image, grey)


def _check_pixels(size: tuple[int, int], limit: int) -> None:
    pixels = size[0] * size[1]
    if pixels > limit:
        raise TooLarge(pixels, limit)


def _draft_size(width: int, height: int, size: int) -> tuple[int, int]:
    # Twice the size that is wanted, so that the antialiased resize still decides what a pixel is.
    factor = 2 * size / min(width, height)
    return max(1, int(width * factor)), max(1, int(height * factor))


def _check_kind(image: ImageFile.ImageFile, content: bytes) -> bool:
    """Refuse what Pillow would read wrongly; returns whether it is a PNG that Pillow would cut to 8 bits.

    Raises:
        Unreadable: there are several pictures, or more than 8 bits in a kind that cannot be scaled.
    """
    frames = getattr(image, "n_frames", 1) if image.format in ("PNG", "TIFF", "GIF", "WEBP") else 1
    if frames != 1:
        raise Unreadable(f"expected one picture, found {frames} in one {image.format} file")
    if image.format == "PNG":
        return content[24] == 16 and image.mode not in WIDE_MODES  # byte 24: bits of a value
    if image.format == "JPEG2000":
        _check_jpeg2000(image, content)
    if image.format == "TIFF":
        _check_tiff(image)
    if image.format == "PPM" and image.mode not in WIDE_MODES and _ppm_maximum(image) > 255:
        raise _too_deep(image.mode)
    return False


def _too_deep(mode: str) -> Unreadable:
    return Unreadable(f"expected 8 bits a value, found more in a picture of mode {mode}; save it as 8 bits or as grey")


def _check_jpeg2000(image: ImageFile.ImageFile, content: bytes) -> None:
    stream = read_codestream(content)
    if stream is None or (stream.width, stream.height) != image.size:
        raise Unreadable("its header and its codestream disagree on its size")
    if stream.bits > 8 and image.mode not in WIDE_MODES:
        raise _too_deep(image.mode)


def _check_tiff(image: ImageFile.ImageFile) -> None:
    tags = image.tag_v2  # type: ignore[attr-defined]
    if max(tags.get(BITS, (1,))) > 8 and image.mode not in WIDE_MODES:
        raise _too_deep(image.mode)
    if SIGNED in _several(tags.get(SAMPLE_FORMAT)) and image.mode not in WIDE_MODES:
        raise Unreadable("signed 8-bit pixels are not supported; save it as 16 bits or unsigned")


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _ppm_maximum(image: ImageFile.ImageFile) -> int:
    found = [_several(tile[3])[-1] for tile in image.tile]
    return max((number for number in found if isinstance(number, int)), default=0)


def to_grey(image: Image.Image) -> Image.Image:
    """The image in mode ``L``."""
    if image.mode in WIDE_MODES:
        return Image.fromarray(windowed(_values(image)))
    if image.mode == "L":
        return image
    if image.mode in ("RGBA", "LA", "La", "RGBa", "PA"):
        # Alpha is dropped, not composited: NIH's RGBA files are opaque copies of the grey image.
        return image.convert("RGBA").convert("RGB").convert("L")
    return image.convert("RGB").convert("L")


def _values(image: Image.Image) -> npt.NDArray[Any]:
    """Values of a wide image, white the highest; Pillow leaves the sign of 32 bits and white-is-zero to the caller."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I" and tags.get(BITS) == (32,) and SIGNED not in _several(tags.get(SAMPLE_FORMAT)):
        values = values.view(np.uint32)
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    return -values.astype(np.float64) if inverted else values


def _deep_png(content: bytes) -> Image.Image:
    """Grey with alpha or colour of 16 bits; only such files load torchvision here."""
    import torch
    from torchvision.io import ImageReadMode, decode_png

    encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    values = decode_png(encoded, ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()  # (H, W, C) uint16
    return Image.fromarray(windowed(luminance(values) if values.shape[2] > 2 else values[..., 0]))


def _upright(image: ImageFile.ImageFile, grey: Image.Image) -> Image.Image:
    """Turned as EXIF or XMP says; Pillow turns TIFF itself."""
    image.load()  # a PNG may say so at its end
    if image.format == "TIFF" or not {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"} & image.info.keys():
        return grey
    turned = image.getexif().get(ORIENTATION, 1)
    operation = TURNS.get(turned)
    return grey.transpose(operation) if operation is not None else grey


ORIENTATION = 274
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What makes a picture upright, by its orientation in EXIF (CIPA DC-008 4.6.5)."""
