"""A box around a finding, as evaluators see it."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A box around a finding, with sides as shares of the square view of its image.

    Attributes:
        image: place of the image in its split.
        finding: as the dataset calls it.
    """

    image: int
    finding: str
    left: float
    top: float
    right: float
    bottom: float
