"""Masks that are written as runs of pixels, as rectangles of a grid: what boxes and patches can be compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.boxes import COLUMNS, PART
from ssl_bench.errors import DataError

GRID = 64
"""Cells along a side: a cell is in a mask if its middle pixel is."""


def mask_boxes(masks: pd.Series, finding: str, side: int, path: Path) -> pd.DataFrame:
    """Rectangles of square pictures, as :attr:`ssl_bench.plugin.cohort.Cohort.boxes` holds parts of masks.

    Args:
        masks: text such as ``387620 23 996 33``, a mask each, by the id of its image: pixels down the columns from the
            end of the run before (or the upper left corner), and the length of the run.
        finding: that they show.
        side: of the pictures in px.
        path: of the file, for messages.

    Raises:
        DataError: a mask is no such text, or reaches out of the picture.
    """
    parts = [_rectangles(text, side).assign(image_id=str(image)) if _is_mask(text) else _refuse(image, text, path)
             for image, text in masks.items()]  # fmt: skip
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["left", "top", "right", "bottom"])
    outside = found[(found["right"] > 1) | (found["bottom"] > 1)]
    if len(outside):
        first = outside["image_id"].iloc[0]
        raise DataError(
            f"masks of {path} must lie in pictures of {side} px, that of {first} does not; download it again"
        )
    return found.assign(finding=finding, aspect=1.0, **{PART: True}).reindex(columns=[*COLUMNS, PART])


def _is_mask(text: str) -> bool:
    words = text.split()
    return len(words) > 0 and len(words) % 2 == 0 and all(word.isascii() and word.isdigit() for word in words)


def _refuse(image: object, text: str, path: Path) -> pd.DataFrame:
    raise DataError(f"masks of {path} must be pairs of whole numbers, or -1; that of {image} is '{text[:40]}'")


def _rectangles(text: str, side: int) -> pd.DataFrame:
    """Rectangles of one mask as shares of the picture, one for each run of cells down a column of the grid."""
    numbers = np.array(text.split(), dtype=np.int64).reshape(-1, 2)
    lengths = numbers[:, 1]
    begins = np.cumsum(numbers[:, 0]) + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    begins, ends = begins[lengths > 0], (begins + lengths)[lengths > 0]
    middle = ((np.arange(GRID) + 0.5) * side / GRID).astype(np.int64)
    asked = middle[:, None] * side + middle[None, :]  # (column, row) of the grid
    run = np.searchsorted(begins, asked, side="right") - 1
    inside = (run >= 0) & (asked < ends[np.maximum(run, 0)]) if len(begins) else np.zeros(asked.shape, bool)
    if not inside.any() or ends[-1] > side * side:
        return _around(begins, ends, side)
    edges = np.diff(np.pad(inside.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (columns, tops), (_, bottoms) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    return pd.DataFrame({"left": columns / GRID, "top": tops / GRID, "right": (columns + 1) / GRID,
                         "bottom": bottoms / GRID})  # fmt: skip


def _around(begins: npt.NDArray[Any], ends: npt.NDArray[Any], side: int) -> pd.DataFrame:
    """The rectangle around a mask that no middle of a cell lies in."""
    if not len(begins):
        return pd.DataFrame({name: np.zeros(0) for name in ("left", "top", "right", "bottom")})
    columns, rows = np.stack([begins, ends - 1]) // side, np.stack([begins, ends - 1]) % side
    whole = (columns[0] != columns[1]).any()  # a run that goes on in the next column spans all rows
    top, bottom = (0, side - 1) if whole else (rows.min(), rows.max())
    sides = {"left": columns.min(), "top": top, "right": columns.max() + 1, "bottom": bottom + 1}
    return pd.DataFrame({name: [value / side] for name, value in sides.items()})
