"""DICOM images as 8-bit grey; imported only where a ``.dcm`` file is met.

DICOM PS3.3 C.7.6.3 (pixels), C.11.1 (modality LUT) and C.11.2 (windows and VOI LUT): https://dicom.nema.org
"""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi, get_decoder

from ssl_bench.errors import DataError

Floats = npt.NDArray[np.float64]

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

FAULTS = (InvalidDicomError, OSError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError,
          NotImplementedError, struct.error)  # fmt: skip
"""What pydicom raises for files that are damaged, cut off or no DICOM."""


def read_dicom(content: bytes, path: Path, pixel_limit: int) -> Image.Image | npt.NDArray[Any]:
    """The image in mode ``L``, or its values where nothing in the file says how they become grey.

    Values are rescaled, then windowed by the file's VOI LUT or its first window; MONOCHROME1 is inverted. An 8-bit
    image without either is taken as it is; a wider one is for the caller to scale, as any image of more than 8 bits.

    Raises:
        DataError: the file is no DICOM image, is damaged, too large, or compressed in a way that cannot be decoded.
    """
    try:
        dataset = pydicom.dcmread(BytesIO(content))
        _check(dataset, path, pixel_limit)
        values = _pixels(dataset, path)
        if dataset.PhotometricInterpretation in COLOURS:
            return Image.fromarray(values.astype(np.uint8)).convert("L")
        return _grey(values, dataset)
    except FAULTS as error:
        raise DataError(f"image {path} cannot be read: {' '.join(str(error).split())}") from None


def _pixels(dataset: Any, path: Path) -> npt.NDArray[Any]:
    """The stored values, decompressed."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        return np.asarray(dataset.pixel_array)
    except RuntimeError as error:  # either no decoder, or all of them failed
        if _has_decoder(syntax):
            raise ValueError(str(error)) from None
        raise DataError(
            f"image {path} is compressed as {syntax.name} ({syntax}), which cannot be decoded here; install pylibjpeg "
            "with its plugins, or store it uncompressed"
        ) from None


def _has_decoder(syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:  # a syntax that pydicom does not know at all
        return False


def _check(dataset: Any, path: Path, pixel_limit: int) -> None:
    """Everything that must hold before a pixel is decoded."""
    lacking = [name for name in ("Rows", "Columns", "PixelData") if name not in dataset]
    if lacking:
        raise DataError(f"image {path} cannot be read: it is DICOM without {', '.join(lacking)}, so without an image")
    pixels = int(dataset.Rows) * int(dataset.Columns)
    if pixels > pixel_limit:
        raise DataError(f"image {path} has {pixels} pixels, the limit is {pixel_limit}; raise data.pixel_limit")
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise DataError(f"image {path} cannot be read: expected one frame, found {dataset.NumberOfFrames}")
    if dataset.PhotometricInterpretation not in (*GREY, *COLOURS):
        known = ", ".join((*GREY, *COLOURS))
        raise DataError(
            f"image {path} cannot be read: expected pixels as {known}, found {dataset.PhotometricInterpretation}"
        )


def _grey(stored: npt.NDArray[Any], dataset: Any) -> Image.Image | npt.NDArray[Any]:
    values = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    scaled = _by_lut(values, dataset) if "VOILUTSequence" in dataset else _by_window(values, dataset)
    if scaled is None and int(dataset.BitsStored) > 8:
        return -values if inverted else values
    grey = values if scaled is None else scaled * 255.0
    grey = np.rint(np.clip(grey, 0.0, 255.0))
    return Image.fromarray((255.0 - grey if inverted else grey).astype(np.uint8))


def _by_lut(values: Floats, dataset: Any) -> Floats:
    """Through the file's VOI LUT, as shares of its highest entry."""
    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    return np.asarray(apply_voi(values.astype(np.int64), dataset), dtype=np.float64) / ((1 << bits) - 1)


def _by_window(values: Floats, dataset: Any) -> Floats | None:
    """Through the file's first window, as shares of white; None where it has none (C.11.2.1.2 and C.11.2.1.3)."""
    center, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    kind = str(dataset.get("VOILUTFunction") or "LINEAR")
    if center is None or width is None or width <= (1 if kind == "LINEAR" else 0):
        return None
    if kind == "SIGMOID":
        return np.asarray(1.0 / (1.0 + np.exp(-4.0 * (values - center) / width)), dtype=np.float64)
    if kind == "LINEAR_EXACT":
        return np.asarray((values - center) / width + 0.5)
    return np.asarray((values - (center - 0.5)) / (width - 1.0) + 0.5)


def _first(value: Any) -> float | None:
    """The first of one or several numbers."""
    if value in (None, ""):
        return None
    return float(value[0]) if hasattr(value, "__iter__") else float(value)
