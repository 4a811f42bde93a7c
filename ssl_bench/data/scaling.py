"""Values of any range as 8-bit grey: the one place where more than 8 bits become 8."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

WINDOW = (0.5, 99.5)
"""Percentiles that become black and white where nothing says which values should."""

LUMINANCE = (0.299, 0.587, 0.114)
"""Shares of red, green and blue (ITU-R BT.601), as Pillow has them."""


class Unreadable(Exception):
    """Why a picture cannot be read, as the end of a sentence on its file."""


class TooLarge(Exception):
    """A picture of more pixels than the limit."""

    def __init__(self, pixels: int, limit: int) -> None:
        super().__init__(f"has {pixels} pixels, the limit is {limit}; raise data.pixel_limit")


def windowed(values: npt.NDArray[Any], counted: npt.NDArray[np.bool_] | None = None) -> Grey:
    """Values of any range as 8 bits, the percentiles :data:`WINDOW` at black and white.

    Args:
        values: of any shape and type.
        counted: those that the percentiles are of; None: all.

    Raises:
        Unreadable: a value is not finite.
    """
    check_finite(values)
    some = values if counted is None or not counted.any() else values[counted]
    low, high = (float(one) for one in np.percentile(some, WINDOW))
    if values.dtype.itemsize > 2:  # first in double precision: a small range may lie far from zero
        values = values.astype(np.float64) - low
    else:
        values = values.astype(np.float32) - np.float32(low)
    return eight_bits(values / max(high - low, float(np.finfo(np.float32).tiny)))


def eight_bits(shares: npt.NDArray[Any]) -> Grey:
    """Shares of white as 8 bits; what is below 0 is black, above 1 white."""
    return np.asarray(np.rint(np.clip(shares, 0.0, 1.0) * 255.0), dtype=np.uint8)


def check_finite(values: npt.NDArray[Any]) -> None:
    """Refuse values that are not numbers.

    Raises:
        Unreadable: naming how many.
    """
    if np.issubdtype(values.dtype, np.floating):
        wrong = values.size - int(np.isfinite(values).sum())
        if wrong:
            raise Unreadable(f"{wrong} of its {values.size} values are not finite")


def luminance(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Red, green and blue ``(H, W, 3)`` of any range as one value each ``(H, W)``."""
    return np.asarray(values[..., :3] @ np.asarray(LUMINANCE), dtype=np.float64)
