"""Numbers as every table, page and sentence prints them: a duration, a p value, an interval, each by one function."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def counted(number: int, one: str, several: str = "") -> str:
    """A count with its noun: ``1 image``, ``2,000 images``.

    Args:
        number: how many.
        one: the noun in the singular.
        several: in the plural; empty: with an s.
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def p_text(p: float | None, missing: str = "") -> str:
    """A p value for a table: ``0.034`` or ``< 0.001``."""
    if p is None:
        return missing
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """A p value in a sentence: ``p = 0.034`` or ``p < 0.001``."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def number_text(value: float | None, missing: str = "-") -> str:
    """A number with three decimals."""
    return missing if value is None else f"{value:.3f}"


def interval_text(value: float | None, low: float | None = None, high: float | None = None, form: str = ".3f") -> str:
    """``0.742 [0.701, 0.779]``; the value alone where it has no interval, a dash where there is none.

    Args:
        value: the number.
        low: lower end of its interval.
        high: upper end.
        form: of all three; ``+.3f`` for a difference.
    """
    if value is None:
        return "-"
    return " ".join(filter(None, (f"{value:{form}}", ends_text(low, high, form))))


def ends_text(low: float | None, high: float | None, form: str = ".3f") -> str:
    """``[0.701, 0.779]``; nothing where there is no interval."""
    return "" if low is None or high is None else f"[{low:{form}}, {high:{form}}]"


def range_text(values: Sequence[float]) -> str:
    """Mean and range: ``0.700 (0.650 to 0.730)``; a single value without a range, a dash for none."""
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else "-"
    return f"{fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
