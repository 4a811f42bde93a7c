"""What headers of real archives hold: padding, overlays, contradictions, and files made to take all memory."""

from __future__ import annotations

import struct
import tracemalloc
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from ssl_bench.data.decode import DecodeOptions, decode_content
from ssl_bench.errors import DataError

OPTIONS = DecodeOptions(16)
RAMP = np.arange(256).reshape(16, 16)


def header(**tags: Any) -> Dataset:
    """A grey image of 12 bits, 0 to 4080; tags by keyword, None leaves one out."""
    dataset = Dataset()
    own = {
        "SOPClassUID": SecondaryCaptureImageStorage, "SOPInstanceUID": "1.2.3", "PatientID": "1", "Rows": 16,
        "Columns": 16, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16,
        "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0, "PixelData": (16 * RAMP).astype("<u2").tobytes(),
    }  # fmt: skip
    for name, value in (own | tags).items():
        if value is not None:
            setattr(dataset, name, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW"
    return dataset


def saved(dataset: Dataset, syntax: Any = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    if syntax.is_encapsulated:
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def decoded(content: bytes, name: str = "a.dcm", **options: int) -> np.ndarray:
    return decode_content(content, Path(name), DecodeOptions(16, **options))


def as_ramp(grey: np.ndarray) -> None:
    np.testing.assert_allclose(grey.astype(int), RAMP, atol=2)


@pytest.mark.parametrize("name", ["a.dcm", "IM000001", "a.ima", "1.2.840.113619.2", "a.png"])
def test_the_ending_does_not_matter_where_the_bytes_say_dicom(name: str) -> None:
    as_ramp(decoded(saved(header()), name))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_a_picture_that_is_called_dcm_is_read_as_a_picture(kind: str) -> None:
    buffer = BytesIO()
    Image.fromarray(RAMP.astype(np.uint8)).save(buffer, kind, **({"quality": 100} if kind == "JPEG" else {}))
    np.testing.assert_allclose(decoded(buffer.getvalue()).astype(int), RAMP, atol=3)


def test_padding_is_black_and_counts_for_nothing() -> None:
    """A quarter of the image filled with the highest number would press the rest into half of the greys."""
    values = 8 * RAMP
    values[:4] = 4095
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        grey = decoded(saved(header(PixelData=values.astype("<u2").tobytes(), PixelPaddingValue=4095,
                                    PhotometricInterpretation=photometric)))  # fmt: skip
        assert (grey[:4] == 0).all()
        assert (grey[4].mean() < 20) == (photometric == "MONOCHROME2")
        assert (grey[-1].mean() > 235) == (photometric == "MONOCHROME2")


def test_padding_by_a_range_and_below_zero() -> None:
    values = (8 * RAMP).astype("<i2")
    values[:2], values[2:4] = -2000, -1990
    tags = {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "PixelData": values.tobytes()}
    grey = decoded(saved(header(**tags, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1980)))
    assert (grey[:4] == 0).all()
    assert grey[4].mean() < 20


def test_an_overlay_in_the_unused_bits_is_not_part_of_the_picture() -> None:
    values = 16 * RAMP | ((RAMP % 3 == 0).astype(int) << 12)
    dataset = header(PixelData=values.astype("<u2").tobytes())
    with pytest.raises(DataError, match="its header announces 12 bits, its values need more"):
        decoded(saved(dataset))
    dataset.add_new((0x6000, 0x0100), "US", 16)
    dataset.add_new((0x6000, 0x0102), "US", 12)
    as_ramp(decoded(saved(dataset)))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", ["INVERSE", "IDENTITY"])
def test_a_presentation_shape_never_turns_a_picture_twice(photometric: str, shape: str) -> None:
    values = 16 * (RAMP if photometric == "MONOCHROME2" else 255 - RAMP)
    content = saved(header(PhotometricInterpretation=photometric, PresentationLUTShape=shape,
                           PixelData=values.astype("<u2").tobytes()))  # fmt: skip
    if (photometric, shape) == ("MONOCHROME2", "INVERSE"):
        with pytest.raises(DataError, match="INVERSE contradicts its PhotometricInterpretation MONOCHROME2"):
            decoded(content)
    else:
        as_ramp(decoded(content))


def test_blank_elements_count_as_absent() -> None:
    blank = {"VOILUTSequence": [], "ModalityLUTSequence": [], "RescaleSlope": "", "RescaleIntercept": ""}
    as_ramp(decoded(saved(header(**blank, WindowCenter="2040.5", WindowWidth="4081"))))
    as_ramp(decoded(saved(header(**blank, WindowCenter="", WindowWidth=""))))
    as_ramp(decoded(saved(header(**blank, VOILUTFunction="", NumberOfFrames="", PresentationLUTShape=""))))


def test_eight_bits_that_are_rescaled_are_scaled_as_wider_ones() -> None:
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": RAMP.astype(np.uint8).tobytes()}
    as_ramp(decoded(saved(header(**eight, RescaleSlope="1", RescaleIntercept="-1024"))))


def test_a_table_that_holds_fewer_bits_than_it_promises_is_scaled_by_its_own_range() -> None:
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.add_new("LUTData", "OW", np.arange(4096).astype("<u2").tobytes())
    as_ramp(decoded(saved(header(VOILUTSequence=[table]))))


def test_one_bit_is_black_and_white() -> None:
    bits = np.packbits((RAMP > 100).ravel(), bitorder="little").tobytes()
    grey = decoded(saved(header(BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bits)))
    np.testing.assert_array_equal(grey, np.where(RAMP > 100, 255, 0))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"RescaleSlope": "0"}, "its RescaleSlope is 0"),
        ({"VOILUTFunction": "CUBIC", "WindowCenter": "1", "WindowWidth": "9"}, "its VOILUTFunction is CUBIC"),
        ({"HighBit": 9}, r"12 bits with the highest at 9(\.0)? do not fit"),
        ({"BitsStored": 17, "HighBit": 16}, "17 bits .* do not fit into 16"),
        ({"SamplesPerPixel": 3}, "MONOCHROME2 does not go with 3 samples"),
        ({"Rows": 8}, "its header announces 256 bytes of pixels, found 512"),
        ({"Rows": 0}, "it has no pixels"),
        ({"BitsStored": None}, "DICOM without BitsStored"),
        ({"PixelRepresentation": None}, "DICOM without PixelRepresentation"),
        ({"PixelData": None}, "DICOM without PixelData"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "found PALETTE COLOR"),
        ({"NumberOfFrames": "2"}, "expected one frame, found 2"),
    ],
)
def test_a_header_that_contradicts_itself_is_one_sentence(tags: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=rf"^image a\.dcm cannot be read: .*{expected}") as error:
        decoded(saved(header(**tags)))
    for internal in ("NoneType", "object", "index out of range", "operand", "KeyError", "\n"):
        assert internal not in str(error.value)


@pytest.mark.parametrize("name", ["WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "NumberOfFrames"])
@pytest.mark.parametrize("text", [b"NaN", b"inf", b"abcd", b"1,234", b"1,5,2", b"1.2,3"])
def test_what_is_no_number_is_refused(name: str, text: bytes) -> None:
    tags = {"WindowCenter": "2040", "WindowWidth": "4080", "RescaleSlope": "1", "RescaleIntercept": "0"}
    placed = b"777777"
    content = saved(header(**(tags | {name: placed.decode()})))
    assert content.count(placed) == 1
    with pytest.raises(DataError, match=rf"its {name} is no number: "):
        decoded(content.replace(placed, text.ljust(6)))


def test_a_decimal_comma_is_a_point() -> None:
    content = saved(header(WindowCenter="2040.5", WindowWidth="4080.5"))
    commas = content.replace(b"2040.5", b"2040,5").replace(b"4080.5", b"4080,5")
    assert commas != content
    np.testing.assert_array_equal(decoded(commas), decoded(content))


def test_a_file_without_the_syntax_of_its_compressed_pixels_is_refused() -> None:
    content = saved(header(PixelData=encapsulate([b"\xff\xd8\xff\xd9"])), JPEGBaseline8Bit)
    start = content.index(b"\x02\x00\x10\x00UI")
    syntax = 8 + struct.unpack_from("<H", content, start + 6)[0]
    length = struct.unpack_from("<I", content, 140)[0] - syntax
    bare = content[:140] + struct.pack("<I", length) + content[144:start] + content[start + syntax :]
    with pytest.raises(DataError, match="lacks the transfer syntax that says how"):
        decoded(bare)


def picture(side: int, kind: str) -> bytes:
    buffer = BytesIO()
    Image.new("L", (side, side), 9).save(buffer, kind, **({"no_jp2": True} if kind == "JPEG2000" else {}))
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)])
def test_the_pixel_limit_holds_for_the_compressed_picture_itself(kind: str, syntax: Any) -> None:
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    content = saved(header(**eight, PixelData=encapsulate([picture(200, kind)])), syntax)
    with pytest.raises(DataError, match=r"a\.dcm has 40000 pixels, the limit is 10000; raise data\.pixel_limit"):
        decoded(content, pixel_limit=10_000)
    with pytest.raises(DataError, match="its header says 16 x 16 px, its compressed picture 200 x 200"):
        decoded(content)


def test_run_lengths_for_more_than_the_picture_are_refused() -> None:
    long = bytes([1, 0, 0, 0, 64, 0, 0, 0] + [0] * 56) + bytes([129, 7]) * 100_000
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    with pytest.raises(DataError, match="its run lengths take 200064 bytes for 256 bytes of pixels"):
        decoded(saved(header(**eight, PixelData=encapsulate([long])), RLELossless))


def deflated(dataset: Dataset, more: bytes = b"", extra: int = 0) -> bytes:
    """A deflated file, with something behind its dataset, and that many MiB of zeros."""
    content = saved(dataset, DeflatedExplicitVRLittleEndian)
    start = 144 + struct.unpack_from("<I", content, 140)[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    plain = zlib.decompress(content[start:], -zlib.MAX_WBITS) + more
    packed = [packer.compress(plain), *(packer.compress(bytes(1 << 20)) for _ in range(extra)), packer.flush()]
    return content[:start] + b"".join(packed)


def test_a_deflated_file_is_read() -> None:
    as_ramp(decoded(deflated(header())))


def test_a_deflated_file_takes_no_more_memory_than_its_header_asks_for() -> None:
    private = b"\x01\x00\x01\x00OB\0\0" + struct.pack("<I", 120 << 20)  # an element behind the pixels
    content = deflated(header(), private, extra=120)
    assert len(content) < 1 << 20
    tracemalloc.start()
    with pytest.raises(DataError, match="unpacks to more than its header asks for"):
        decoded(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_deflated_image_over_the_limit_is_refused_before_it_is_unpacked() -> None:
    content = deflated(header(Rows=30_000, Columns=30_000, PixelData=b"\0\0"), extra=20)
    with pytest.raises(DataError, match="has 900000000 pixels, the limit is 100000000"):
        decoded(content)


@pytest.mark.parametrize("cut", range(140, 700, 40))
def test_every_cut_of_a_file_is_read_whole_or_refused(cut: int) -> None:
    content = saved(header(WindowCenter="2040", WindowWidth="4080", RescaleSlope="1", RescaleIntercept="0"))
    with pytest.raises(DataError, match=r"^image a\.dcm cannot be read: "):
        decoded(content[:cut])


def enhanced(where: str, name: str, **tags: str) -> Dataset:
    """An image that keeps its rescaling or its window in a functional group, as enhanced objects do."""
    item, frame = Dataset(), Dataset()
    for key, value in tags.items():
        setattr(item, key, value)
    setattr(frame, name, [item])
    return header(NumberOfFrames=1, **{where: [frame]})


@pytest.mark.parametrize("where", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_rescaling_and_window_of_functional_groups_count(where: str) -> None:
    falling = enhanced(where, "PixelValueTransformationSequence", RescaleSlope="-1", RescaleIntercept="4080")
    as_ramp(255 - decoded(saved(falling)))
    lower = enhanced(where, "FrameVOILUTSequence", WindowCenter="1023", WindowWidth="2047")
    np.testing.assert_allclose(decoded(saved(lower)).astype(int), np.minimum(2 * RAMP, 255), atol=3)


def test_a_presentation_lut_is_refused() -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 12])
    item.add_new("LUTData", "US", list(range(4095, -1, -1)))
    with pytest.raises(DataError, match="it has a PresentationLUTSequence, which is not read"):
        decoded(saved(header(PresentationLUTSequence=[item])))
