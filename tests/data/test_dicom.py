"""DICOM images to 8-bit grey: windows, tables of values, inversion, compressed pixels, and files made to be wrong."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.errors import DataError

OPTIONS = DecodeOptions(size=16)
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)
"""Every grey value, at the size that is asked for, so that nothing is resized."""


def dicom(values: np.ndarray, path: Path, *, bits: int = 12, pixels: bytes = b"", syntax: Any = ExplicitVRLittleEndian,
          **tags: Any) -> Path:  # fmt: skip
    """Write a grey DICOM image; tags of the image by keyword, None leaves one out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    allocated = 8 if bits <= 8 else 16
    values = values.astype(np.int16 if values.min() < 0 else f"uint{allocated}")
    own = {
        "SOPClassUID": SecondaryCaptureImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Rows": values.shape[0], "Columns": values.shape[1], "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": allocated, "BitsStored": bits,
        "HighBit": bits - 1, "PixelRepresentation": int(values.min() < 0), "PixelData": pixels or values.tobytes(),
    }  # fmt: skip
    for name, value in (own | tags).items():
        if value is not None:
            setattr(dataset, name, value)
    dataset["PixelData"].VR = "OB" if pixels or allocated == 8 else "OW"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.dcm"


def test_eight_bits_without_a_window_are_taken_as_they_are(path: Path) -> None:
    np.testing.assert_array_equal(decode(dicom(RAMP, path, bits=8), OPTIONS), RAMP)


def test_monochrome1_is_inverted(path: Path) -> None:
    dicom(RAMP, path, bits=8, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(decode(path, OPTIONS), 255 - RAMP)


@pytest.mark.parametrize("inverted", [False, True])
def test_more_bits_without_a_window_are_scaled_and_not_clipped(path: Path, inverted: bool) -> None:
    dicom(1000 + 10 * RAMP, path, PhotometricInterpretation=f"MONOCHROME{2 - inverted}")
    grey = decode(path, OPTIONS).astype(int)
    expected = 255 - RAMP.astype(int) if inverted else RAMP
    np.testing.assert_allclose(grey, expected, atol=2)


def test_the_linear_window_is_the_standards(path: Path) -> None:
    grey = decode(dicom(4 * RAMP, path, WindowCenter=512, WindowWidth=513), OPTIONS)
    # PS3.3 C.11.2.1.2: black at or below c - 0.5 - (w - 1) / 2, white above c - 0.5 + (w - 1) / 2
    expected = np.clip(((4.0 * RAMP - 511.5) / 512 + 0.5) * 255, 0, 255).round()
    np.testing.assert_array_equal(grey, expected)
    assert (grey == 0).sum() > 60
    assert (grey == 255).sum() > 60


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("LINEAR_EXACT", (RAMP - 100.0) / 50 + 0.5), ("SIGMOID", 1 / (1 + np.exp(-4 * (RAMP - 100.0) / 50)))],
)
def test_other_window_functions(path: Path, kind: str, expected: np.ndarray) -> None:
    dicom(RAMP, path, WindowCenter=[100, 7], WindowWidth=[50, 9], VOILUTFunction=kind)
    np.testing.assert_array_equal(decode(path, OPTIONS), np.clip(expected * 255, 0, 255).round())


def test_a_window_of_no_width_counts_for_nothing(path: Path) -> None:
    dicom(16 * RAMP, path, WindowCenter=100, WindowWidth=0)
    np.testing.assert_allclose(decode(path, OPTIONS), RAMP, atol=2)


def test_values_are_rescaled_before_the_window(path: Path) -> None:
    dicom(
        RAMP,
        path,
        RescaleSlope=2,
        RescaleIntercept=-256,
        WindowCenter=0,
        WindowWidth=511,
        VOILUTFunction="LINEAR_EXACT",
    )
    expected = np.clip(((2.0 * RAMP - 256) / 511 + 0.5) * 255, 0, 255).round()
    np.testing.assert_array_equal(decode(path, OPTIONS), expected)


def test_signed_values(path: Path) -> None:
    dicom(RAMP.astype(int) - 128, path, WindowCenter=0, WindowWidth=256, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(decode(path, OPTIONS), RAMP, atol=1)


def test_a_table_of_values_wins_over_the_window(path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 12], (16 * np.arange(255, -1, -1)).astype("<u2").tobytes()
    table["LUTData"].VR = "OW"
    dicom(RAMP, path, VOILUTSequence=[table], WindowCenter=1, WindowWidth=2)
    np.testing.assert_allclose(decode(path, OPTIONS), (255 - RAMP) * (16 * 255 / 4095), atol=0.5)


@pytest.mark.parametrize(("kind", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)])
def test_compressed_pixels(path: Path, kind: str, syntax: Any) -> None:
    buffer = BytesIO()
    smooth = np.linspace(0, 255, 32 * 32).reshape(32, 32).astype(np.uint8)
    Image.fromarray(smooth).save(buffer, kind, **({"no_jp2": True} if kind == "JPEG2000" else {"quality": 95}))
    dicom(smooth, path, bits=8, syntax=syntax, pixels=encapsulate([buffer.getvalue()]))
    np.testing.assert_allclose(decode(path, DecodeOptions(32)), smooth, atol=4)


def test_run_lengths(path: Path) -> None:
    flat = bytes([1, 0, 0, 0, 64, 0, 0, 0] + [0] * 56) + bytes([129, 7, 129, 7])  # two runs of 128
    dicom(np.full((16, 16), 7), path, bits=8, syntax=RLELossless, pixels=encapsulate([flat]))
    assert (decode(path, OPTIONS) == 7).all()


def test_a_syntax_that_cannot_be_decoded_is_named(path: Path) -> None:
    dicom(RAMP, path, syntax=JPEGLosslessSV1, pixels=encapsulate([b"\xff\xd8\xff\xd9"]))
    with pytest.raises(
        DataError,
        match=r"a\.dcm cannot be read: it is compressed as JPEG Lossless.*1\.2\.840\.10008\.1\.2\.4\.70.*install",
    ):
        decode(path, OPTIONS)


def test_damaged_compressed_pixels_are_not_blamed_on_the_syntax(path: Path) -> None:
    dicom(RAMP, path, bits=8, syntax=JPEG2000Lossless, pixels=encapsulate([b"\xff\x4f\xff\x51" + bytes(60)]))
    with pytest.raises(DataError, match=r"a\.dcm cannot be read: "):
        decode(path, OPTIONS)


def test_colours_become_luminance(path: Path) -> None:
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[..., 2] = 255
    dicom(RAMP, path, bits=8, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
          PixelData=colour.tobytes())  # fmt: skip
    assert (decode(path, OPTIONS) == 29).all()  # 0.114 x 255


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"PixelData": b"\x00\x01" * 20}, "cannot be read"),
        ({"Rows": None}, "DICOM without Rows, so without an image"),
        ({"NumberOfFrames": 3}, "expected one frame, found 3"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "found PALETTE COLOR"),
        ({"PhotometricInterpretation": None}, "cannot be read"),
        ({"Rows": 60_000, "Columns": 60_000}, r"has 3600000000 pixels, the limit is 100000000"),
    ],
)
def test_what_cannot_be_an_image_is_one_sentence(path: Path, tags: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=rf"a\.dcm .*{expected}|a\.dcm {expected}") as error:
        decode(dicom(RAMP, path, **tags), OPTIONS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x00" * 128 + b"DICM", b"\x00" * 400])
def test_what_is_no_dicom_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.dcm cannot be read"):
        decode(path, OPTIONS)


def test_a_truncated_file_is_refused(path: Path) -> None:
    dicom(RAMP, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.dcm cannot be read"):
        decode(path, OPTIONS)


def test_pydicom_is_loaded_only_for_dicom(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    code = (
        "import sys; from pathlib import Path; from ssl_bench.data.decode import *; "
        f"decode(Path({str(tmp_path / 'a.png')!r}), DecodeOptions(4)); print('pydicom' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.real
@pytest.mark.parametrize("name", ["RG1_UNCR", "RG1_J2KI", "siim_nih_jpegbaseline_8bit"])
def test_genuine_files(name: str, genuine: Callable[[str], Path]) -> None:
    file = genuine(f"formats/dicom/{name}.dcm")
    grey = decode(file, DecodeOptions(64))
    assert grey.std() > 30
    assert (grey == 255).mean() < 0.05
    # Lungs are darker than the mediastinum between them, whichever way the values ran.
    assert grey[24:34, 28:36].mean() > grey[24:34, 14:22].mean() + 20
