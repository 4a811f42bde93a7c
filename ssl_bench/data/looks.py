"""A picture is more than decodable: pictures that show nothing, told apart from those that cannot be read.

The limits stand well beyond what films hold: of 12,865 public ones (7,624 and 540 of NIH ChestX-ray14, 343 of two
COVID-19 collections, 4,358 paediatric ones of Guangzhou) the flattest has 44 grey levels between its percentiles 1 and
99, the most saturated 58 % of its pixels black or white, the whitest 10 % white.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def shows_nothing(greys: Sequence[Grey]) -> list[str]:
    """Why each prepared picture ``(S, S)`` shows nothing, as the end of a sentence on its file; empty where it does.

    Args:
        greys: of one size; looking at many at once takes a quarter of the time.
    """
    step = -(-len(greys[0]) // LOOKED_AT)
    counts = np.stack([np.bincount(grey[::step, ::step].ravel(), minlength=256) for grey in greys])  # (N, 256)
    below = counts.cumsum(axis=1)
    total = int(below[0, -1])
    first, last = ((below < share * total).sum(axis=1) for share in (0.01, 0.99))
    levels = last - first + 1
    black, white = counts[:, 0] / total, counts[:, 255] / total
    found = [""] * len(greys)
    for row in np.flatnonzero((levels < FLAT) | (black + white >= EXTREME) | (white >= WHITE)).tolist():
        found[row] = _sentence(greys[row], int(levels[row]), float(black[row]), float(white[row]))
    return found


def _sentence(grey: Grey, levels: int, black: float, white: float) -> str:
    low, high = int(grey.min()), int(grey.max())
    if low == high:
        return f"{BLANK}: {ONE_LEVEL} ({low})"
    if levels < FLAT:
        return f"{BLANK}: {NEARLY_FLAT} (98 % of its pixels within {levels} of 256 grey levels)"
    return f"{BLANK}: {SATURATED} ({black:.0%} of its pixels black, {white:.0%} white)"


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
