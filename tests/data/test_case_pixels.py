"""Small pictures that data tools get wrong without a word, each with the grey values that are right.

Each stands for a kind; the kinds' other members are in test_any_picture.py, test_any_dicom.py and
test_dicom_headers.py. The numbers are those of the cases of tables in tests/plugins/datasets/test_cases.py.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from ssl_bench.data.decode import DecodeOptions, decode_content

SIDE = 16
TRUTH = (np.arange(SIDE * SIDE, dtype=float) * 7 % 256).reshape(SIDE, SIDE)
"""Every grey value once, not symmetric in any direction."""

TWELVE = np.rint(TRUTH * 4095 / 255).astype("<u2")
WINDOW = {"WindowCenter": "2047.5", "WindowWidth": "4096"}


def dicom(values: np.ndarray = TWELVE, *, bits: int = 12, text: tuple[bytes, bytes] = (b"", b""), **tags: Any) -> bytes:
    """A DICOM file; one text of it changed into another of the same length, which pydicom would not write."""
    dataset, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, SecondaryCaptureImageStorage
    dataset.file_meta, meta.MediaStorageSOPInstanceUID = meta, "1.2.3"
    own = {
        "SOPClassUID": SecondaryCaptureImageStorage, "SOPInstanceUID": "1.2.3", "Rows": SIDE, "Columns": SIDE,
        "SamplesPerPixel": 1 if values.ndim == 2 else 3, "BitsAllocated": 8 * values.itemsize, "BitsStored": bits,
        "PhotometricInterpretation": "MONOCHROME2" if values.ndim == 2 else "RGB", "HighBit": bits - 1,
        "PixelRepresentation": 0, "PixelData": values.tobytes(), **({} if values.ndim == 2 else {
            "PlanarConfiguration": 0}),
    }  # fmt: skip
    for name, value in (own | tags).items():
        setattr(dataset, name, value)
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue().replace(*text) if text[0] else buffer.getvalue()


def table(entries: np.ndarray, bits: int) -> list[Dataset]:
    """A sequence of one table of values."""
    item = Dataset()
    item.LUTDescriptor, item.LUTData, item.ModalityLUTType = (
        [len(entries), 0, bits],
        entries.astype("<u2").tobytes(),
        "US",
    )
    item["LUTData"].VR = "OW"
    return [item]


def grey_and_alpha() -> bytes:
    """A PNG of 16 bits in grey with alpha, which Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    values = np.stack([TRUTH * 257, np.full_like(TRUTH, 65535)], axis=2).astype(">u2")
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 4, 0, 0, 0)) + \
        chunk(b"IDAT", rows) + chunk(b"IEND", b"")  # fmt: skip


def turned() -> bytes:
    """A picture on its side, which says so."""
    exif, buffer = Image.Exif(), BytesIO()
    exif[274] = 6
    aside = Image.fromarray(TRUTH.astype(np.uint8)).transpose(Image.Transpose.ROTATE_90)
    aside.save(buffer, "JPEG", quality=100, exif=exif)
    return buffer.getvalue()


CASES: dict[str, tuple[Callable[[], bytes], int]] = {
    "41 decimal comma": (lambda: dicom(**WINDOW, text=(b"2047.5", b"2047,5")), 2),
    "42 empty sequence": (lambda: dicom(**WINDOW, VOILUTSequence=[]), 2),
    "43 eight bits rescaled": (lambda: dicom(TRUTH.astype(np.uint8), bits=8, RescaleSlope="1",
                                             RescaleIntercept="-1024"), 4),
    "45 no preamble": (lambda: dicom(**WINDOW)[132:], 2),
    "48 narrow table": (lambda: dicom(VOILUTSequence=table(np.arange(4096), 16)), 2),
    "51 modality table": (lambda: dicom(ModalityLUTSequence=table(np.arange(4096), 12), **WINDOW), 2),
    "59 empty slope": (lambda: dicom(**WINDOW, RescaleSlope="", RescaleIntercept="0"), 2),
    "80 grey and alpha": (grey_and_alpha, 4),
    "82 orientation": (turned, 6),
    "103 colour of 16 bits": (lambda: dicom(np.repeat((TRUTH * 257).astype("<u2")[..., None], 3, axis=2), bits=16), 4),
}  # fmt: skip
"""What makes the file, and by how many of 255 grey levels its values may be off."""


@pytest.mark.parametrize("case", CASES)
def test_every_grey_value_is_right(case: str) -> None:
    make, off = CASES[case]
    grey = decode_content(make(), Path("a.dcm"), DecodeOptions(SIDE))
    np.testing.assert_allclose(grey.astype(float), TRUTH, atol=off)
