"""Picture files as hospitals keep them: PNG of 16 bits, and DICOM with a header."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from sslbench_synthetic.hospitals.device import Pixels

DEPTH = 16
"""Steps of a 12-bit detector in one of 8 bits."""


def save_png8(pixels: Pixels, path: Path, number: int) -> None:
    """A PNG of 8 bits."""
    Image.fromarray(pixels).save(path, compress_level=1)


def save_png16(pixels: Pixels, path: Path, number: int) -> None:
    """A PNG of 16 bits that holds 12."""
    Image.fromarray(pixels.astype(np.uint16) * DEPTH).save(path, compress_level=1)


def uid(*parts: object) -> str:
    """A DICOM identifier that is the same for the same parts."""
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return f"2.25.{int(digest[:30], 16)}"


def save_dicom(pixels: Pixels, path: Path, header: dict[str, str], *, inverted: bool = False) -> None:
    """A DICOM file of 12 bits.

    Args:
        pixels: ``(H, W)``, white is bone.
        path: to write.
        header: further elements by keyword, as text.
        inverted: write it as MONOCHROME1, white as the lowest value.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = UID(header.get("SOPInstanceUID") or uid(path.name))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "DX"
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    values = pixels.astype(np.uint16) * DEPTH
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PixelData = (256 * DEPTH - 1 - values if inverted else values).astype("<u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
