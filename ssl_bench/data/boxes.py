"""Boxes around findings: in shares of a picture, and of the square that encoders see. No torch."""

from __future__ import annotations

from typing import Literal

import pandas as pd

COLUMNS = ("image_id", "finding", "left", "top", "right", "bottom", "aspect")
"""Of :attr:`ssl_bench.plugin.cohort.Cohort.boxes`: sides as shares of the width and height, and width by height."""

PART = "part"
"""A further column where there are masks: whether a row is one of several rectangles that are a mask together."""

SIDES = ("left", "top", "right", "bottom")


def in_square(boxes: pd.DataFrame, fit: Literal["crop", "pad"]) -> pd.DataFrame:
    """The boxes with sides as shares of the square that is prepared of a picture.

    Args:
        boxes: with :data:`COLUMNS`.
        fit: the square is the middle of the picture (``crop``), or the picture with black edges (``pad``).

    Returns:
        The same columns; what lies outside of the square is cut off, and a box without area left is left out.
    """
    wide, high = boxes["aspect"], 1.0
    side = wide.clip(upper=high) if fit == "crop" else wide.clip(lower=high)
    found = boxes.copy()
    for names, length in ((("left", "right"), wide), (("top", "bottom"), high)):
        for name in names:
            found[name] = ((boxes[name] * length - (length - side) / 2) / side).clip(0, 1)
    return found[(found["right"] > found["left"]) & (found["bottom"] > found["top"])].reset_index(drop=True)
