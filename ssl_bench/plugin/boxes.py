"""A box around a finding, or a part of its mask, as evaluators see it."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A box around a finding, or a part of its mask, with sides as shares of the square view of its image.

    Attributes:
        image: place of the image in its split.
        finding: as the dataset calls it.
        part: it is one of several rectangles that are a mask together; else it is a box by itself.
    """

    image: int
    finding: str
    left: float
    top: float
    right: float
    bottom: float
    part: bool = False
