"""Pictures that can be decoded and show nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.looks import shows_nothing, what_is_wrong
from ssl_bench.data.store import prepare
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort

SIDE = 256
RAMP = np.tile(np.arange(SIDE, dtype=np.uint8), (SIDE, 1))


def edged(black: float, white: float = 0.0) -> np.ndarray:
    """A ramp with shares of its rows black and white."""
    grey = RAMP.copy()
    grey[: round(black * SIDE)] = 0
    grey[SIDE - round(white * SIDE) :] = 255
    return grey


@pytest.mark.parametrize(
    ("grey", "expected"),
    [
        (RAMP, ""),
        (RAMP // 8, ""),
        (edged(0.6), ""),  # the widest black edge that was met among public films
        (edged(0.0, 0.3), ""),
        (np.full((SIDE, SIDE), 9, np.uint8), "shows nothing: one grey level (9)"),
        (np.full((SIDE, SIDE), 255, np.uint8), "shows nothing: one grey level (255)"),
        (RAMP // 64 + 100, "shows nothing: nearly constant (98 % of its pixels within 4 of 256 grey levels)"),
        (np.where(RAMP == 7, 200, 100).astype(np.uint8), "shows nothing: nearly constant"),
        (np.where(RAMP > 99, 255, 0).astype(np.uint8), "shows nothing: saturated (39% of its pixels black, 61% white)"),
        (edged(0.0, 0.65), "shows nothing: saturated"),
        (edged(0.93), "shows nothing: saturated"),
    ],
)
def test_what_a_picture_lacks(grey: np.ndarray, expected: str) -> None:
    first, found, last = shows_nothing([RAMP, grey, RAMP])
    assert not first
    assert not last
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


def test_small_pictures_are_looked_at_whole() -> None:
    assert shows_nothing([np.full((4, 4), 3, np.uint8)]) == ["shows nothing: one grey level (3)"]
    assert shows_nothing([np.arange(64, dtype=np.uint8).reshape(8, 8)]) == [""]


def test_kinds_are_counted() -> None:
    reasons = {"a": "image a cannot be read: x", "b": "image b shows nothing: one grey level (0)"}
    assert what_is_wrong(reasons) == "cannot be read or show nothing (1 unreadable, 1 of one grey level)"
    del reasons["a"]
    reasons["c"] = "image c shows nothing: saturated (50% of its pixels black, 50% white)"
    assert what_is_wrong(reasons) == "show nothing (1 of one grey level, 1 saturated)"
    assert what_is_wrong({"a": "image a cannot be read: x"}) == "cannot be read"


def test_they_are_an_error_or_left_out_as_unreadable_ones_are(tmp_path: Path) -> None:
    for name, grey in {"whole": RAMP, "black": RAMP * 0, "white": np.full_like(RAMP, 255)}.items():
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
    names = ["whole", "black", "white"]
    frame = pd.DataFrame({"image_id": names, "image_path": [f"{name}.png" for name in names]})
    cohort = Cohort("toy", tmp_path, frame, (), ())
    with pytest.raises(DataError, match=r"2 of 3 images show nothing \(2 of one grey level\): image .*black"):
        prepare(cohort, tmp_path / "cache", DecodeOptions(32))
    store = prepare(cohort, tmp_path / "cache", DecodeOptions(32), on_bad="quarantine", bad_limit=0.9)
    assert sorted(store.rejected) == ["black", "white"]
    assert store.rejected["white"].endswith("white.png shows nothing: one grey level (255)")
    assert store.aligned(cohort)[0].frame["image_id"].tolist() == ["whole"]
