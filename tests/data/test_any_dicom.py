"""Random grey pictures through every kind of DICOM that is read: the decoded image is the truth, or it is refused."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

from ssl_bench.data.decode import DecodeOptions, decode_content
from ssl_bench.errors import DataError

SIDE = 16
OPTIONS = DecodeOptions(SIDE)
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def smooth(seed: int) -> np.ndarray:
    """A picture ``(16, 16)`` of values from 0 to 1, with both."""
    coarse = np.random.default_rng(seed).random((5, 5)).astype(np.float32)
    fine = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=float)
    return (fine - fine.min()) / (fine.max() - fine.min())


def written(dataset: Dataset, syntax: Any, preamble: bool) -> bytes:
    """A file's bytes; without preamble it also lacks the meta information, as old archives have it."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if preamble:
            dataset.save_as(buffer, enforce_file_format=True)
        else:
            del dataset.file_meta
            implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
            dataset.save_as(buffer, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    return buffer.getvalue()


def base(photometric: str, **tags: Any) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    dataset.Modality, dataset.PatientID, dataset.SamplesPerPixel = "DX", "1", 1
    dataset.Rows = dataset.Columns = SIDE
    dataset.PhotometricInterpretation = photometric
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def pixels(dataset: Dataset, values: np.ndarray, bits: int, high: int, syntax: Any) -> None:
    """Integers of some bits, at some place among 8, 16 or 32."""
    allocated = 8 if high < 8 else 16 if high < 16 else 32
    signed = bool(values.min() < 0)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, bits, high
    dataset.PixelRepresentation = int(signed)
    kind = f"{'<' if syntax.is_little_endian else '>'}{'i' if signed else 'u'}{allocated // 8}"
    shifted = (values.astype(np.int64) << (high + 1 - bits)).astype(kind)
    dataset.add_new("PixelData", "OB" if allocated == 8 else "OW", shifted.tobytes())


def table(entries: np.ndarray, first: int, bits: int, explanation: str = "") -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries.astype(int).tolist())
    return [item]


def correlation(grey: np.ndarray, truth: np.ndarray) -> float:
    return float(np.corrcoef(grey.ravel().astype(float), truth.ravel())[0, 1])


def check(content: bytes, truth: np.ndarray, *, must: bool, name: str = "a.dcm") -> None:
    """No third outcome; and no refusal where the kind is supported."""
    refused = None
    try:
        grey = decode_content(content, Path(name), OPTIONS)
    except DataError as error:
        refused = error
    if must or refused is None:
        assert refused is None, refused
        assert correlation(grey, truth) > 0.99
    else:
        assert "\n" not in str(refused)


@st.composite
def depths(draw: st.DrawFn) -> tuple[int, int, bool]:
    """Bits stored, the highest of them, and whether there is a sign."""
    bits = draw(st.integers(6, 32))
    allocated = 8 if bits <= 8 else 16 if bits <= 16 else 32
    return bits, draw(st.sampled_from([bits - 1, allocated - 1])), draw(st.booleans())


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    depth=depths(),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    syntax=st.sampled_from(PLAIN),
    preamble=st.booleans(),
    slope=st.sampled_from([None, "", "1", "0.5", "2.25", "-1", "1000"]),
    intercept=st.sampled_from([None, "", "0", "-1024", "31.5"]),
    window=st.sampled_from(["none", "blank", "LINEAR", "LINEAR_EXACT", "SIGMOID", "several", "zero", "table"]),
    comma=st.booleans(),
)
def test_any_grey_integers(
    seed: int, depth: tuple[int, int, bool], photometric: str, syntax: Any, preamble: bool, slope: str | None,
    intercept: str | None, window: str, comma: bool,
) -> None:  # fmt: skip
    bits, high, signed = depth
    truth = smooth(seed)
    stored = np.rint((1 - truth if photometric == "MONOCHROME1" else truth) * (2**bits - 1)).astype(np.int64)
    if signed:
        stored -= 1 << (bits - 1)
    dataset = base(photometric)
    pixels(dataset, stored, bits, high, syntax)
    for name, value in {"RescaleSlope": slope, "RescaleIntercept": intercept}.items():
        if value is not None:
            setattr(dataset, name, value)
    numbers = [float(one or default) for one, default in ((slope, "1"), (intercept, "0"))]
    values = stored * numbers[0] + numbers[1]
    if numbers[0] < 0:
        truth = 1 - truth
    truth = add_window(dataset, values, truth, window, inverted=photometric == "MONOCHROME1")
    deflated = syntax == DeflatedExplicitVRLittleEndian
    content = written(dataset, syntax, preamble or deflated)
    if comma and not deflated:
        names = ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth")
        for text in (str(dataset.get(name)).strip("[]").split(",")[0] for name in names):
            point = text.replace("'", "").encode()
            content = content.replace(point, point.replace(b".", b",")) if b"." in point else content
    check(content, truth, must=True)


def add_window(dataset: Dataset, values: np.ndarray, truth: np.ndarray, kind: str, *, inverted: bool) -> np.ndarray:
    """Give a header a window around its values; returns the picture that is then shown."""
    middle, width = (values.max() + values.min()) / 2, float(np.ptp(values)) + 2
    centers = {"several": [f"{middle:.1f}", "1"], "blank": "", "zero": "5"}
    widths = {"several": [f"{width:.1f}", "1"], "blank": "", "zero": "0"}
    if kind in ("none", "table"):
        if kind == "table" and np.ptp(values) < 5000 and values.min() > -2000 and float(values.min()).is_integer():
            dataset.VOILUTSequence = table(np.arange(int(np.ptp(values)) + 1), int(values.min()), 16)
        return truth
    dataset.WindowCenter, dataset.WindowWidth = centers.get(kind, f"{middle:.1f}"), widths.get(kind, f"{width:.1f}")
    if kind in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        dataset.VOILUTFunction = kind
    if kind == "SIGMOID":
        shown = 1 / (1 + np.exp(-4 * (values - middle) / width))
        return 1 - shown if inverted else shown
    return truth


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    bits=st.integers(8, 16),
    promised=st.sampled_from([8, 10, 12, 14, 16]),
    data=st.sampled_from(["US", "OW", "bytes"]),
    where=st.sampled_from(["VOILUTSequence", "ModalityLUTSequence"]),
    first=st.integers(-20, 300),
)
def test_any_table_of_values(seed: int, bits: int, promised: int, data: str, where: str, first: int) -> None:
    """Tables of as many bits as they promise, of fewer and of more; falling ones turn the picture."""
    truth, entries = smooth(seed), 200
    top = 2**bits - 1
    falling = np.rint(np.linspace(top, 0, entries)).astype(int)
    dataset = base("MONOCHROME2")
    stored = np.rint((1 - truth) * (entries - 1)).astype(np.int64) + first
    pixels(dataset, stored, 16, 15, ExplicitVRLittleEndian)
    item = table(falling, first, promised)
    if data == "OW":
        item[0].add_new("LUTData", "OW", falling.astype("<u2").tobytes())
    if data == "bytes":
        item[0].add_new("LUTData", "OW", (falling >> (bits - 8)).astype("u1").tobytes())
    setattr(dataset, where, item)
    check(written(dataset, ExplicitVRLittleEndian, True), truth, must=data != "bytes")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    syntax=st.sampled_from([RLELossless, JPEG2000Lossless, JPEGBaseline8Bit]),
    bits=st.sampled_from([8, 10, 12, 16]),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    signed=st.booleans(),
)
def test_any_compressed_picture(seed: int, syntax: Any, bits: int, photometric: str, signed: bool) -> None:
    truth = smooth(seed)
    stored = np.rint((1 - truth if photometric == "MONOCHROME1" else truth) * (2**bits - 1)).astype(np.int64)
    signed = signed and syntax == RLELossless
    bits = 8 if syntax == JPEGBaseline8Bit else bits
    stored = stored >> (max(0, int(stored.max()).bit_length() - bits))
    dataset = base(photometric)
    pixels(dataset, stored - (1 << (bits - 1)) * signed, bits, bits - 1, ExplicitVRLittleEndian)
    if syntax == RLELossless:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        kind = f"{'i' if signed else 'u'}{dataset.BitsAllocated // 8}"
        values = np.frombuffer(dataset.PixelData, kind).reshape(SIDE, SIDE)
        frame = RLELosslessEncoder.encode(values, **options_of(dataset))
    else:
        buffer = BytesIO()
        image = Image.fromarray(stored.astype(np.uint8 if bits == 8 else np.uint16))
        image.save(buffer, **({"format": "JPEG", "quality": 98} if syntax == JPEGBaseline8Bit else
                              {"format": "JPEG2000", "no_jp2": True}))  # fmt: skip
        frame = buffer.getvalue()
    dataset.add_new("PixelData", "OB", encapsulate([frame]))
    dataset["PixelData"].is_undefined_length = True
    check(written(dataset, syntax, True), truth, must=syntax != JPEG2000Lossless or bits in (8, 16))


def options_of(dataset: Dataset) -> dict[str, Any]:
    return {
        "rows": SIDE, "columns": SIDE, "samples_per_pixel": 1, "number_of_frames": 1,
        "bits_allocated": dataset.BitsAllocated, "bits_stored": dataset.BitsStored,
        "pixel_representation": dataset.PixelRepresentation, "photometric_interpretation": "MONOCHROME2",
    }  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    bits=st.sampled_from([8, 12, 16]),
    photometric=st.sampled_from(["RGB", "YBR_FULL"]),
    planar=st.booleans(),
    window=st.booleans(),
)
def test_any_grey_in_colours(seed: int, bits: int, photometric: str, planar: bool, window: bool) -> None:
    truth, top = smooth(seed), 2**bits - 1
    grey = np.rint(truth * top).astype(np.int64)
    other = grey if photometric == "RGB" else np.full_like(grey, (top + 1) // 2)
    stacked = np.stack([grey, other, other], axis=0 if planar else -1)
    dataset = base(photometric, SamplesPerPixel=3, PlanarConfiguration=int(planar))
    pixels(dataset, stacked, bits, bits - 1, ExplicitVRLittleEndian)
    if window:
        dataset.WindowCenter, dataset.WindowWidth = str(top / 2), str(top + 1)
    check(written(dataset, ExplicitVRLittleEndian, True), truth, must=bits == 8 or photometric == "RGB")


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), wide=st.booleans(), slope=st.sampled_from([None, "1e-3"]), hole=st.booleans())
def test_any_floating_point_picture(seed: int, wide: bool, slope: str | None, hole: bool) -> None:
    truth = smooth(seed)
    values = (truth * 3.5 - 1).astype("<f8" if wide else "<f4")
    if hole:
        values[3, 4] = np.nan
    dataset = base("MONOCHROME2", BitsAllocated=64 if wide else 32)
    if wide:
        dataset.add_new("DoubleFloatPixelData", "OD", values.tobytes())
    else:
        dataset.add_new("FloatPixelData", "OF", values.tobytes())
    if slope:
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, "0"
    content = written(dataset, ExplicitVRLittleEndian, True)
    if hole:
        with pytest.raises(DataError, match="1 of its 256 values are not finite"):
            decode_content(content, Path("a.dcm"), OPTIONS)
    else:
        check(content, truth, must=True)
