"""A picture is more than decodable: pictures that show nothing, told apart from those that cannot be read.

The limits stand well beyond what films hold: of 12,865 public ones (7,624 and 540 of NIH ChestX-ray14, 343 of two
COVID-19 collections, 4,358 paediatric ones of Guangzhou) the flattest has 44 grey levels between its percentiles 1 and
99, the most saturated 58 % of its pixels black or white, the whitest 10 % white.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssl_bench.data.scaling import Grey

FLAT, EXTREME, WHITE = 8, 0.9, 0.6
"""Fewer grey levels between the percentiles 1 and 99; share of black or white pixels; share of white ones."""

LOOKED_AT = 64
"""Rows and columns, evenly spread, that are looked at: counting all pixels takes a tenth of decoding a small file."""

ONE_LEVEL, NEARLY_FLAT, SATURATED = "one grey level", "nearly constant", "saturated"
KINDS = (ONE_LEVEL, NEARLY_FLAT, SATURATED)
"""How pictures show nothing; each reason of :func:`shows_nothing` begins with one of them after the colon."""

BLANK = "shows nothing"


def shows_nothing(grey: Grey) -> str:
    """Why a prepared picture ``(S, S)`` shows nothing, as the end of a sentence on its file; empty where it does."""
    low, high = int(grey.min()), int(grey.max())
    if low == high:
        return f"{BLANK}: {ONE_LEVEL} ({low})"
    step = -(-len(grey) // LOOKED_AT)
    counts = np.bincount(grey[::step, ::step].ravel(), minlength=256)
    below = counts.cumsum()
    total = int(below[-1])
    first, last = below.searchsorted((0.01 * total, 0.99 * total))
    levels = int(last - first) + 1
    if levels < FLAT:
        return f"{BLANK}: {NEARLY_FLAT} (98 % of its pixels within {levels} of 256 grey levels)"
    black, white = int(counts[0]) / total, int(counts[255]) / total
    if black + white >= EXTREME or white >= WHITE:
        return f"{BLANK}: {SATURATED} ({black:.0%} of its pixels black, {white:.0%} white)"
    return ""


def what_is_wrong(reasons: Mapping[str, str]) -> str:
    """What images that are left out have in common, as the middle of a sentence, with the count of each kind.

    Args:
        reasons: by image id.
    """
    counts = {kind: sum(f"{BLANK}: {kind}" in reason for reason in reasons.values()) for kind in KINDS}
    blank = sum(counts.values())
    if not blank:
        return "cannot be read"
    told = [f"{count} {'of ' if kind == ONE_LEVEL else ''}{kind}" for kind, count in counts.items() if count]
    if blank == len(reasons):
        return f"show nothing ({', '.join(told)})"
    return f"cannot be read or show nothing ({', '.join([f'{len(reasons) - blank} unreadable', *told])})"
