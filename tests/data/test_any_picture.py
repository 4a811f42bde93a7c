"""Random grey pictures through every other container: the decoded image is the truth, or it is refused."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssl_bench.data.decode import DecodeOptions, decode_content
from ssl_bench.errors import DataError

SIDE = 16
OPTIONS = DecodeOptions(SIDE)
SEEDS = st.integers(0, 10_000)


def smooth(seed: int) -> np.ndarray:
    """A picture ``(16, 16)`` of values from 0 to 1, with both."""
    coarse = np.random.default_rng(seed).random((5, 5)).astype(np.float32)
    fine = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=float)
    return (fine - fine.min()) / (fine.max() - fine.min())


def check(content: bytes, truth: np.ndarray, *, must: bool = True, least: float = 0.99) -> None:
    """No third outcome; and no refusal where the kind is supported."""
    refused = None
    try:
        grey = decode_content(content, Path("a.png"), OPTIONS)
    except DataError as error:
        refused = error
    if must or refused is None:
        assert refused is None, refused
        assert np.corrcoef(grey.ravel().astype(float), truth.ravel())[0, 1] > least
    else:
        assert "\n" not in str(refused)


def png(values: np.ndarray, bits: int, colour: int, *, late: bytes = b"") -> bytes:
    """A PNG from values ``(H, W, C)``, as PNG 11.2.1 has it; Pillow writes no 16 bits in colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    if bits < 8:
        packed = np.unpackbits(values[..., 0].astype(np.uint8)[..., None], axis=2)[..., 8 - bits :].reshape(SIDE, -1)
        rows = [np.packbits(row).tobytes() for row in packed]
    else:
        rows = [row.astype(f">u{bits // 8}").tobytes() for row in values]
    header = struct.pack(">IIBBBBB", SIDE, SIDE, bits, colour, 0, 0, 0)
    image = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"gAMA", struct.pack(">I", 45455)) + \
        chunk(b"IDAT", image) + late + chunk(b"IEND", b"")  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=SEEDS, bits=st.sampled_from([4, 8, 16]), colour=st.sampled_from([0, 2, 4, 6]),
    used=st.integers(6, 16), alpha=st.integers(0, 255),
)  # fmt: skip
def test_any_png(seed: int, bits: int, colour: int, used: int, alpha: int) -> None:
    """Sixteen bits may hold as few as six: 12-bit detectors are saved so."""
    truth, colour = smooth(seed), colour if bits >= 8 else 0
    grey = np.rint(truth * (2 ** min(used if bits == 16 else 16, bits) - 1)).astype(int)
    channels = [grey] * (3 if colour & 2 else 1) + [np.full_like(grey, alpha)] * (colour >> 2)
    check(png(np.stack(channels, -1), bits, colour), truth, least=0.98 if bits == 4 else 0.99)


def tiff(values: np.ndarray, *, white_is_zero: bool = False, big: bool = False, bits: int = 0) -> bytes:
    """An uncompressed TIFF from values ``(H, W)`` or ``(H, W, 3)``, as TIFF 6.0 has it."""
    order, samples = ">" if big else "<", 1 if values.ndim == 2 else values.shape[2]
    bits = bits or 8 * values.dtype.itemsize
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if bits == 12:
        pairs = values.astype(int).reshape(-1, 2)
        data = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1)
        data = data.astype(np.uint8).tobytes()
    tags = [(256, SIDE), (257, SIDE), (258, bits), (259, 1), (262, 2 if samples > 1 else int(not white_is_zero)),
            (273, 400), (277, samples), (278, SIDE), (279, len(data)), (339, kind)]  # fmt: skip
    entries = b"".join(struct.pack(f"{order}HHI", tag, 4, 1) + struct.pack(f"{order}I", value) for tag, value in tags)
    if samples > 1:  # three values do not fit into the entry
        entries = entries.replace(
            struct.pack(f"{order}HHII", 258, 4, 1, bits), struct.pack(f"{order}HHII", 258, 3, 3, 380)
        )
        entries = entries.replace(
            struct.pack(f"{order}HHII", 339, 4, 1, kind), struct.pack(f"{order}HHII", 339, 3, 3, 390)
        )
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4)
    head = head.ljust(380, b"\0") + struct.pack(f"{order}3H", bits, bits, bits)
    return head.ljust(390, b"\0") + struct.pack(f"{order}3H", kind, kind, kind).ljust(10, b"\0") + data


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=SEEDS, kind=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f2", "f8", "u8"]),
    white_is_zero=st.booleans(), big=st.booleans(), colour=st.booleans(), share=st.sampled_from([1.0, 0.1, 1e-3]),
)  # fmt: skip
def test_any_tiff(seed: int, kind: str, white_is_zero: bool, big: bool, colour: bool, share: float) -> None:
    truth = smooth(seed)
    shown = 1 - truth if white_is_zero and not colour else truth
    if kind[0] == "f":
        values = (shown * 9 - 4).astype(kind)
    else:
        limits = np.iinfo(kind)
        span = max(share * (float(limits.max) - float(limits.min)) * 0.99, 200)
        values = (float(limits.max) * 0.999 - np.floor((1 - shown) * span)).astype(kind)
    if colour:
        values = np.stack([values] * 3, -1)
    must = (
        kind in ("u1", "u2", "u4", "i2", "i4", "f4") and not white_is_zero and not big and (not colour or kind == "u1")
    )
    check(tiff(values, white_is_zero=white_is_zero, big=big), truth, must=must)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_twelve_bits_in_a_tiff(seed: int) -> None:
    truth = smooth(seed)
    check(tiff(np.rint(truth * 4095).astype(np.uint16), bits=12), truth)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(hole: float) -> None:
    values = smooth(1).astype(np.float32)
    values[2, 3] = hole
    with pytest.raises(DataError, match=r"cannot be read: 1 of its 256 values are not finite"):
        decode_content(tiff(values), Path("a.tif"), OPTIONS)


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG": ("L", {"quality": 97}),
    "JPEG in colour": ("RGB", {"quality": 97}),
    "JPEG CMYK": ("CMYK", {"quality": 97}),
    "JPEG progressive": ("L", {"quality": 97, "progressive": True}),
    "JPEG2000": ("L", {}),
    "JPEG2000 of 16 bits": ("I;16", {}),
    "JPEG2000 in colour": ("RGB", {}),
    "BMP": ("L", {}),
    "BMP in colour": ("RGB", {}),
    "GIF": ("L", {}),
    "GIF of a palette": ("P", {}),
    "WEBP": ("RGB", {"lossless": True}),
    "WEBP lossy": ("RGB", {"quality": 98}),
    "PPM": ("L", {}),
    "PPM in colour": ("RGB", {}),
    "PPM of 16 bits": ("I;16", {}),
    "PNG of a palette": ("P", {}),
    "TIFF deflated": ("I;16", {"compression": "tiff_deflate"}),
    "TIFF LZW": ("L", {"compression": "tiff_lzw"}),
    "TIFF LZW of floats": ("F", {"compression": "tiff_lzw"}),
    "TIFF CMYK": ("CMYK", {}),
    "TIFF JPEG": ("L", {"compression": "jpeg"}),
    "TIFF of a palette": ("P", {}),
    "TIFF with alpha": ("LA", {}),
    "TIFF of 32 bits": ("I", {}),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=SEEDS, kind=st.sampled_from(sorted(KINDS)))
def test_any_other_container(seed: int, kind: str) -> None:
    truth, (mode, options) = smooth(seed), KINDS[kind]
    if mode in ("I;16", "I", "F"):
        image = Image.fromarray(
            (truth * 40_000 + 9000).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode])
        )
    else:
        image = Image.fromarray(np.rint(truth * 255).astype(np.uint8)).convert(mode)
    buffer = BytesIO()
    image.save(buffer, kind.split()[0], **options)
    check(buffer.getvalue(), truth)


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(container: str, orientation: int) -> None:
    upright = smooth(7)
    # How the rows and columns of an upright picture are stored for each value (CIPA DC-008 4.6.5).
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright, 1), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    buffer = BytesIO()
    image = Image.fromarray(np.rint(stored * 255).astype(np.uint8))
    image.save(buffer, container, exif=exif, **({"lossless": True} if container == "WEBP" else {}))
    check(buffer.getvalue(), upright)


def test_a_png_of_sixteen_bits_that_says_at_its_end_how_it_is_turned() -> None:
    upright = smooth(3)
    exif = Image.Exif()
    exif[274] = 3
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    late = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    values = np.rint(upright[::-1, ::-1] * 60_000).astype(int)
    check(png(np.stack([values] * 3, -1), 16, 2, late=late), upright)


@pytest.mark.parametrize("container", ["GIF", "PNG", "TIFF", "WEBP"])
def test_several_pictures_in_a_file_are_refused(container: str) -> None:
    images = [Image.fromarray(np.rint(smooth(seed) * 255).astype(np.uint8)) for seed in (1, 2, 3)]
    buffer = BytesIO()
    images[0].save(buffer, container, save_all=True, append_images=images[1:])
    with pytest.raises(DataError, match=rf"expected one picture, found 3 in one {container} file"):
        decode_content(buffer.getvalue(), Path("a.x"), OPTIONS)
