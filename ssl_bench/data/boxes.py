"""Boxes around findings: in shares of a picture, and of the square that encoders see. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from ssl_bench.errors import DataError, shortened

COLUMNS = ("image_id", "finding", "left", "top", "right", "bottom", "aspect")
"""Of :attr:`ssl_bench.plugin.cohort.Cohort.boxes`: sides as shares of the width and height, and width by height."""

PART = "part"
"""A further column where there are masks: whether a row is one of several rectangles that are a mask together."""

SIDES = ("left", "top", "right", "bottom")


BEYOND = 0.02
"""Share of a side by which a box may reach out of its picture: rounded sides do."""


def check_boxes(boxes: pd.DataFrame, where: Path) -> None:
    """Refuse what is no box in its picture: sides that are no numbers, turned round, or of a picture of another size.

    Args:
        boxes: with :data:`COLUMNS`.
        where: they were read, for messages.

    Raises:
        DataError: naming the images.
    """
    sides = boxes[list(SIDES)]
    no_numbers = sides.isna().any(axis=1)
    outside = ((sides < -BEYOND) | (sides > 1 + BEYOND)).any(axis=1)
    turned = (sides["right"] <= sides["left"]) | (sides["bottom"] <= sides["top"])
    for wrong, told in ((no_numbers, "be four numbers"), (turned, "have a width and a height"),
                        (outside, "lie in their pictures")):  # fmt: skip
        if wrong.any():
            images = shortened(boxes.loc[wrong, "image_id"].unique())
            raise DataError(f"boxes of {where} must {told}; not so in {images}; download it again")


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
