"""Colours, dashes and markers of pictures and pages, without what draws them.

The palette is Okabe and Ito's (https://jfly.uni-koeln.de/color); no meaning rests on colour alone, lines differ in
their dashes and points in their markers too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE, YELLOW = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442",
)  # fmt: skip
BLACK, GREY, LIGHT = "#000000", "#595959", "#BFBFBF"

STAMP = "SYNTHETIC DATA"


class Style(NamedTuple):
    """Colour, dashes and marker that stand for one thing."""

    color: str
    dashes: Any
    marker: str


STYLES = (
    Style(BLUE, "-", "o"),
    Style(VERMILLION, (0, (4, 1.5)), "s"),
    Style(GREEN, (0, (5, 1.5, 1, 1.5)), "^"),
    Style(PURPLE, (0, (1, 1)), "D"),
    Style(BLACK, (0, (8, 2)), "v"),
    Style(ORANGE, (0, (3, 1, 1, 1, 1, 1)), "P"),
    Style(SKY, (0, (2, 2)), "X"),
)


def style(number: int) -> Style:
    """The style of the n-th thing; after seven the colours come again with other dashes and markers, 49 in all."""
    turn, place = divmod(number, len(STYLES))
    shifted = STYLES[(place + turn) % len(STYLES)]
    return Style(STYLES[place].color, shifted.dashes, shifted.marker)


class LeftOut(Exception):
    """A picture cannot be drawn from what the run directory holds; the message says why."""


def readable(label: str) -> str:
    """A finding's name as people write it."""
    return label.replace("_", " ")
