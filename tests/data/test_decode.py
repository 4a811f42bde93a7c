"""From image files of every kind to squares of 8-bit grey."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.scaling import windowed
from ssl_bench.errors import DataError

OPTIONS = DecodeOptions(size=32)
RAMP = np.linspace(0, 255, 32 * 32).reshape(32, 32).round().astype(np.uint8)
"""Every grey value, at the size that is asked for, so that nothing is resized."""


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def radiograph(width: int, height: int) -> Image.Image:
    """Smooth structure with some fine detail."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    grey = 128 + 60 * np.sin(9 * x) * np.cos(7 * y) + 40 * np.exp(-30 * ((x - 0.4) ** 2 + (y - 0.3) ** 2))
    noise = np.random.default_rng(0).normal(0, 6, grey.shape)
    return Image.fromarray((grey + noise).clip(0, 255).astype(np.uint8))


def test_grey_is_taken_as_it_is(tmp_path: Path) -> None:
    grey = decode(saved(Image.fromarray(RAMP), tmp_path / "a.png"), OPTIONS)
    np.testing.assert_array_equal(grey, RAMP)
    assert grey.dtype == np.uint8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_in_colour_modes_is_the_same_grey(tmp_path: Path, mode: str) -> None:
    path = saved(Image.fromarray(RAMP).convert(mode), tmp_path / "a.png")
    with Image.open(path) as image:
        assert image.mode == mode
    np.testing.assert_array_equal(decode(path, OPTIONS), RAMP)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped_and_not_composited(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RAMP).convert(mode)
    image.putalpha(Image.new("L", image.size, 3))
    np.testing.assert_array_equal(decode(saved(image, tmp_path / "a.png"), OPTIONS), RAMP)


def test_palette_colours_are_looked_up(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([255, 255, 255, 0, 0, 255])
    assert (decode(saved(image, tmp_path / "a.png"), OPTIONS) == 29).all()  # 0.114 x 255


def test_cmyk_is_converted(tmp_path: Path) -> None:
    image = Image.new("CMYK", (32, 32), (0, 0, 0, 55))
    assert (decode(saved(image, tmp_path / "a.tif"), OPTIONS) == 200).all()
    assert np.abs(decode(saved(image, tmp_path / "a.jpg"), OPTIONS).astype(int) - 200).max() <= 2


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    path = saved(Image.fromarray(RAMP > 100), tmp_path / "a.png")
    np.testing.assert_array_equal(decode(path, OPTIONS), np.where(RAMP > 100, 255, 0))


@pytest.mark.parametrize(("low", "high"), [(0, 65535), (1000, 3000)])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path, low: int, high: int) -> None:
    wide = np.linspace(low, high, 32 * 32).reshape(32, 32).round().astype(np.uint16)
    grey = decode(saved(Image.fromarray(wide), tmp_path / "a.png"), OPTIONS)
    assert (np.diff(grey.ravel().astype(int)) >= 0).all()
    assert (grey == 255).mean() < 0.01
    assert (grey == 0).mean() < 0.01
    np.testing.assert_allclose(grey.ravel(), np.linspace(0, 255, 32 * 32), atol=2)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_wider_values_are_scaled_too(tmp_path: Path, dtype: type) -> None:
    wide = np.linspace(-1000, 100_000, 32 * 32).reshape(32, 32).astype(dtype)
    grey = decode(saved(Image.fromarray(wide), tmp_path / "a.tif"), OPTIONS)
    np.testing.assert_allclose(grey.ravel(), np.linspace(0, 255, 32 * 32), atol=2)


def test_a_flat_wide_image_is_black() -> None:
    assert (windowed(np.full((4, 4), 700, np.uint16)) == 0).all()


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_truncated_image_is_refused(tmp_path: Path, kind: str) -> None:
    path = saved(radiograph(100, 80), tmp_path / f"a.{kind}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"image .*a\.{kind} cannot be read: .*truncated"):
        decode(path, OPTIONS)


def test_a_damaged_png_is_refused(tmp_path: Path) -> None:
    path = saved(radiograph(100, 80), tmp_path / "a.png")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"image .*a\.png cannot be read"):
        decode(path, OPTIONS)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x89PNG\r\n\x1a\n", b"\x00" * 400])
def test_what_is_no_image_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png cannot be read") as error:
        decode(path, OPTIONS)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.png", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            decode(path, OPTIONS)


def test_formats_that_start_programs_are_not_opened(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (32, 32)), tmp_path / "a.eps")
    with pytest.raises(DataError, match="cannot identify image file"):
        decode(path, OPTIONS)


def test_the_pixel_limit_is_exact(tmp_path: Path) -> None:
    path = saved(Image.new("L", (40, 30)), tmp_path / "a.png")
    assert decode(path, DecodeOptions(size=32, pixel_limit=1200)).shape == (32, 32)
    with pytest.raises(DataError, match=r"has 1200 pixels, the limit is 1199; raise data\.pixel_limit"):
        decode(path, DecodeOptions(size=32, pixel_limit=1199))


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))
    with pytest.raises(DataError, match=rf"has {side * side} pixels, the limit is 100000000"):
        decode(path, OPTIONS)


def stripes(width: int, height: int, path: Path) -> Path:
    """A long image in three equal parts of 50, 150 and 250 along its long side."""
    long = np.repeat([50, 150, 250], max(width, height) // 3).astype(np.uint8)
    rows = np.broadcast_to(long[:, None] if height > width else long, (height, width))
    return saved(Image.fromarray(np.ascontiguousarray(rows)), path)


@pytest.mark.parametrize(("width", "height"), [(90, 30), (30, 90)])
def test_crop_keeps_the_middle(tmp_path: Path, width: int, height: int) -> None:
    grey = decode(stripes(width, height, tmp_path / "a.png"), DecodeOptions(size=30, fit="crop"))
    assert grey.shape == (30, 30)
    assert (grey == 150).all()


@pytest.mark.parametrize(("width", "height"), [(90, 30), (30, 90)])
def test_pad_keeps_everything_in_the_middle_of_black(tmp_path: Path, width: int, height: int) -> None:
    grey = decode(stripes(width, height, tmp_path / "a.png"), DecodeOptions(size=90, fit="pad"))
    grey = grey.T if height > width else grey
    assert (grey[:30] == 0).all()
    assert (grey[60:] == 0).all()
    np.testing.assert_array_equal(grey[30:60], np.broadcast_to(np.repeat([50, 150, 250], 30), (30, 90)))


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_small_images_grow(tmp_path: Path, fit: str) -> None:
    grey = decode(saved(Image.new("L", (5, 5), 77), tmp_path / "a.png"), DecodeOptions(size=32, fit=fit))
    assert grey.shape == (32, 32)
    assert (grey == 77).all()


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_strip_needs_no_memory_for_its_length(tmp_path: Path, fit: str) -> None:
    path = saved(Image.new("L", (1, 300_000), 80), tmp_path / "strip.png")
    assert decode(path, DecodeOptions(size=256, fit=fit)).max() == 80


def test_crop_equals_the_resized_middle(tmp_path: Path) -> None:
    image = radiograph(305, 201)
    middle = image.crop((52, 0, 253, 201)).resize((64, 64), Image.Resampling.BILINEAR)
    grey = decode(saved(image, tmp_path / "a.png"), DecodeOptions(size=64))
    np.testing.assert_allclose(grey[:, 3:-3].astype(int), np.asarray(middle)[:, 3:-3].astype(int), atol=1)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_faster_jpeg_decoding_is_close_to_the_full_one(tmp_path: Path, mode: str) -> None:
    path = saved(radiograph(1000, 800).convert(mode), tmp_path / "a.jpg", quality=95)
    with Image.open(path) as image:
        full = image.convert("L").resize((64, 64), Image.Resampling.BILINEAR, (100, 0, 900, 800))
    difference = np.abs(decode(path, DecodeOptions(size=64)).astype(float) - np.asarray(full))
    assert difference.mean() < 1
    assert difference.max() <= 3
