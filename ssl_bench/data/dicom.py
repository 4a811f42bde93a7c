"""DICOM images as 8-bit grey; imported only where such a file is met.

DICOM PS3.3 C.7.6.3 (pixels), C.7.5.1.1.2 (padding), PS3.5 A (transfer syntaxes), PS3.10 7.1 (files):
https://dicom.nema.org
"""

from __future__ import annotations

import logging
import warnings
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.errors import InvalidDicomError
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from ssl_bench.data.codestream import read_codestream
from ssl_bench.data.dicomgrey import number, shown
from ssl_bench.data.inflate import inflated
from ssl_bench.data.scaling import TooLarge, Unreadable, luminance

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

UNDEFINED = 0xFFFFFFFF
"""Length of an element that ends with a mark of its own, as compressed pixels do."""

FLOATS = ("FloatPixelData", "DoubleFloatPixelData")
NEEDED = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")
NEEDED_OF_INTEGERS = ("BitsStored", "PixelRepresentation")

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
GROUPED = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
"""Sequences of enhanced images, and what is read of their items."""

# A value that breaks the rules of its kind is met where it is needed; until then it is nobody's business.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")


def read_dicom(content: bytes, pixel_limit: int) -> Image.Image:
    """The image in mode ``L``.

    Values are rescaled, then windowed by the file's VOI LUT or its first window; MONOCHROME1 is inverted. An 8-bit
    image without either is taken as it is; a wider one is scaled as any image of more than 8 bits.

    Raises:
        Unreadable: the file is no DICOM image, is damaged, or compressed in a way that cannot be decoded.
        TooLarge: it has more pixels than the limit, in its header or in its compressed picture.
    """
    try:
        dataset = _with_groups(_dataset(content, pixel_limit))
        _check(dataset, pixel_limit)
        values = _pixels(dataset)
        if values.ndim == 3:
            grey = _colour(values, dataset)
        else:
            grey = shown(_stored(values, dataset), dataset, inverted=photometric(dataset) == "MONOCHROME1")
        return Image.fromarray(grey)
    except (Unreadable, TooLarge):
        raise
    except InvalidDicomError:
        raise Unreadable("it is no DICOM file") from None
    except MemoryError:
        raise Unreadable("it needs more memory than is available") from None
    except Exception as error:  # of pydicom and what it calls; a damaged header raises nearly anything
        raise Unreadable(f"its DICOM header or its pixels are damaged{_told(error)}") from None


def _told(error: Exception) -> str:
    """The words of an error, where they are about the file and not about Python's objects."""
    words = " ".join(str(error).split())
    internal = isinstance(error, TypeError | AttributeError | LookupError) or not words
    return "" if internal or "'" in words or "Type" in words else f": {words}"


def photometric(dataset: Any) -> str:
    """The photometric interpretation, however it is spelt."""
    return str(dataset.PhotometricInterpretation).strip().upper()


def _dataset(content: bytes, pixel_limit: int) -> Any:
    """The file's header and its still compressed pixels; also of files that lack preamble or transfer syntax."""
    content = inflated(content, pixel_limit)
    try:
        dataset = pydicom.dcmread(BytesIO(content))
    except InvalidDicomError:
        dataset = pydicom.dcmread(BytesIO(content), force=True)
        if not any(name in dataset for name in ("SOPClassUID", "Modality", "Rows", "PatientID")):
            raise
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = _found_syntax(dataset)
    return dataset


def _with_groups(dataset: Any) -> Any:
    """The header with the rescaling and the window that enhanced images keep in functional groups (C.7.6.16.2)."""
    for group, part in product(GROUPS, GROUPED):
        item = _first_item(_first_item(dataset, group), part)
        for tag in list(item.keys()):
            dataset[tag] = item.get_item(tag)
    return dataset


def _first_item(dataset: Any, sequence: str) -> Any:
    """The first item of a sequence, an empty one where it has none."""
    return next(iter(dataset.get(sequence) or ()), Dataset())


def _found_syntax(dataset: Any) -> Any:
    """The syntax that the header was found to be written in; compressed pixels need one that is said."""
    element = dataset.get_item("PixelData")
    if element is not None and getattr(element, "length", 0) == UNDEFINED:
        raise Unreadable("its pixels are compressed and it lacks the transfer syntax that says how")
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _check(dataset: Any, pixel_limit: int) -> None:
    """Everything that must hold before a pixel is decoded."""
    kind = next((name for name in ("PixelData", *FLOATS) if name in dataset), "")
    needed = NEEDED if kind in FLOATS else (*NEEDED, *NEEDED_OF_INTEGERS)
    lacking = [name for name in needed if dataset.get(name) in (None, "")]
    if lacking or not kind:
        names = ", ".join([*lacking, *([] if kind else ["PixelData"])])
        raise Unreadable(f"it is DICOM without {names}, so without an image")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    _check_pixels(rows * columns, pixel_limit)
    frames = number(dataset, "NumberOfFrames")
    if frames not in (None, 0, 1):
        raise Unreadable(f"expected one frame, found {frames:g}")
    if photometric(dataset) not in (*GREY, *COLOURS):
        known = ", ".join((*GREY, *COLOURS))
        raise Unreadable(f"expected pixels as {known}, found {dataset.PhotometricInterpretation}")
    if (photometric(dataset) in GREY) != (int(dataset.SamplesPerPixel) == 1):
        raise Unreadable(f"{photometric(dataset)} does not go with {dataset.SamplesPerPixel} samples per pixel")
    if kind == "PixelData":
        _shift(dataset)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        _check_codestream(dataset, rows, columns, pixel_limit)
    else:
        _check_length(dataset, kind, rows * columns)


def _check_pixels(pixels: int, limit: int) -> None:
    if pixels > limit:
        raise TooLarge(pixels, limit)
    if not pixels:
        raise Unreadable("it has no pixels")


def _check_length(dataset: Any, kind: str, pixels: int) -> None:
    """Pixels for twice the size are those of another image than the header's."""
    bits = pixels * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
    found = len(dataset[kind].value)
    if found >= 2 * bits / 8 and found > bits // 8 + 2:
        raise Unreadable(f"its header announces {bits // 8} bytes of pixels, found {found}")


def _check_codestream(dataset: Any, rows: int, columns: int, pixel_limit: int) -> None:
    """The compressed picture's own size: a header may promise less than would be unpacked."""
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        whole = rows * columns * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated) // 8
        if len(frame) > 64 + 2 * whole + 4096:  # run lengths take at most a byte more for 128
            raise Unreadable(f"its run lengths take {len(frame)} bytes for {whole} bytes of pixels")
        return
    stream = read_codestream(frame)
    if stream is None:
        return  # the decoder will say what is wrong with it
    _check_pixels(stream.width * stream.height, pixel_limit)
    if (stream.height, stream.width) != (rows, columns):
        raise Unreadable(
            f"its header says {columns} x {rows} px, its compressed picture {stream.width} x {stream.height}"
        )


def _pixels(dataset: Any) -> npt.NDArray[Any]:
    """The stored values, decompressed: ``(H, W)`` or ``(H, W, 3)``."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        values = np.asarray(pixel_array(dataset, correct_unused_bits=False))  # see _stored
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    except RuntimeError as error:  # either no decoder, or all of them failed
        if _has_decoder(syntax):
            raise Unreadable(
                f"its compressed pixels are damaged or of a kind that is not decoded{_told(error)}"
            ) from None
        raise Unreadable(
            f"it is compressed as {syntax.name} ({syntax}), which cannot be decoded here; install pylibjpeg with its "
            "plugins, or store it uncompressed"
        ) from None


def _has_decoder(syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:  # a syntax that pydicom does not know at all
        return False


def _stored(values: npt.NDArray[Any], dataset: Any) -> npt.NDArray[Any]:
    """Values of the bits that hold them: others may hold an overlay, or nothing (C.7.6.3.1.1).

    Raises:
        Unreadable: there is something in the other bits that nothing explains.
    """
    if values.dtype.kind == "f" or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return values
    stored, allocated = int(dataset.BitsStored), 8 * values.dtype.itemsize
    shift = _shift(dataset)
    if stored == allocated:
        return values
    own = (values.view(f"u{values.dtype.itemsize}") >> shift).astype(np.int64) & ((1 << stored) - 1)
    if values.dtype.kind == "i":
        own = np.where(own >> (stored - 1), own - (1 << stored), own)
    if shift == 0 and not _has_overlay(dataset) and not _is_same(values, own, stored):
        raise Unreadable(f"its header announces {stored} bits, its values need more")
    return own


def _shift(dataset: Any) -> int:
    """By how many bits the values lie above the lowest.

    Raises:
        Unreadable: they would not fit.
    """
    stored, allocated, high = int(dataset.BitsStored), int(dataset.BitsAllocated), number(dataset, "HighBit")
    shift = 0 if high is None else int(high) + 1 - stored
    if not 0 < stored <= allocated or not 0 <= shift <= allocated - stored:
        raise Unreadable(f"its {stored} bits with the highest at {high} do not fit into {allocated}")
    return shift


def _is_same(values: npt.NDArray[Any], own: npt.NDArray[Any], stored: int) -> bool:
    """Whether the bits above those stored are empty, or repeat the sign."""
    return bool(np.all((values == own) | (values.astype(np.int64) == own & ((1 << stored) - 1))))


def _has_overlay(dataset: Any) -> bool:
    """Whether overlays lie in the bits that pixels do not use, as older files have them (PS3.3 C.9.2)."""
    return any(
        (group, 0x0102) in dataset and int(dataset[group, 0x0102].value or 0) > 0 for group in range(0x6000, 0x6020, 2)
    )


def _colour(values: npt.NDArray[Any], dataset: Any) -> npt.NDArray[np.uint8]:
    if int(dataset.BitsAllocated) <= 8:
        return np.asarray(Image.fromarray(values.astype(np.uint8)).convert("L"))
    if photometric(dataset) != "RGB":
        raise Unreadable(f"{photometric(dataset)} of {dataset.BitsAllocated} bits is not read; store it as RGB or grey")
    return shown(luminance(values), dataset, inverted=False)
