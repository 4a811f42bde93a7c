"""Label-efficiency curve: macro AUROC and AUPRC against the share of the training patients whose labels were used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from ssl_bench.report.evaluations import Evaluation
from ssl_bench.report.plots.canvas import DOTTED, GREY, Grid, Picture, Sheet, grid_height, style
from ssl_bench.report.table import MACRO, METRICS

WIDER = 1.5
"""How far the axis goes beyond the smallest and the largest share."""

BESIDE = 1.05
"""Factor between the points of two encoders."""


def efficiency_curve(shares: Sequence[Evaluation], record: Mapping[str, Any]) -> Picture:
    """Macro metrics of one protocol over its shares.

    Args:
        shares: evaluations that differ in fraction and draw alone (``evaluations.by_share``).
        record: of the run.
    """
    first = shares[0].whole
    title = f"Label efficiency: {first.name}"
    grid = Grid(rows=1, columns=2, height=2.2, left=0.5, bottom=0.75, gap_x=0.6, top=0.3)
    sheet = Sheet(record, title, grid_height(grid))
    encoders = list(dict.fromkeys(name for evaluation in shares for name in evaluation.encoders))
    for panel, (metric, name) in zip(sheet.panels(grid), METRICS.items(), strict=True):
        for number, encoder in enumerate(encoders):
            _draw_encoder(panel, shares, encoder, metric, number)
        _finish(panel, sorted({evaluation.fraction for evaluation in shares}))
        panel.set_title(f"macro {name}")
        if metric == "auroc":
            panel.axhline(0.5, color=GREY, linewidth=0.8, linestyle=DOTTED, zorder=0)
    sheet.text(sheet.width / 2, 0.32, "share of the training patients whose labels were used (log)", ha="center")
    _legend(sheet, encoders)
    caption = (
        "A point is a random draw of training patients, the line their mean. Band: 95 % interval over test patients, "
        "the ends averaged over the draws; how far draws differ is what the points show. Dotted: chance."
    )
    return Picture(f"efficiency-{first.slug}", title, caption, sheet.figure)


def _draw_encoder(panel: Axes, shares: Sequence[Evaluation], encoder: str, metric: str, number: int) -> None:
    look = style(number)
    found = [(evaluation.fraction, evaluation.row(encoder, MACRO, metric)) for evaluation in shares]
    rows = [(fraction, row) for fraction, row in found if row is not None and row["value"] is not None]
    fractions = sorted({fraction for fraction, _ in rows})
    at = [[row for fraction, row in rows if fraction == share] for share in fractions]
    aside = BESIDE**number  # so that the points of two encoders do not hide each other
    panel.plot([fraction * aside for fraction, _ in rows], [row["value"] for _, row in rows], look.marker,
               color=look.color, markersize=3.5, markerfacecolor="white", zorder=3)  # fmt: skip
    panel.plot(fractions, [np.mean([row["value"] for row in draws]) for draws in at], color=look.color,
               linestyle=look.dashes, zorder=2.5)  # fmt: skip
    whole = [all(row["ci_low"] is not None for row in draws) for draws in at]
    low, high = (
        [np.mean([row[end] for row in draws]) if given else np.nan for draws, given in zip(at, whole, strict=True)]
        for end in ("ci_low", "ci_high")
    )
    panel.fill_between(fractions, low, high, color=look.color, alpha=0.16, linewidth=0, zorder=1)
    for end in (low, high):  # the band's edge, so that two bands stay apart in grey print
        panel.plot(fractions, end, color=look.color, linestyle=look.dashes, linewidth=0.5, zorder=1.5)


def _finish(panel: Axes, fractions: list[float]) -> None:
    panel.set_xscale("log")
    panel.set_xlim(fractions[0] / WIDER, fractions[-1] * WIDER)
    panel.set_xticks(fractions, [f"{fraction * 100:g} %" for fraction in fractions])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(MaxNLocator(5))


def _legend(sheet: Sheet, encoders: list[str]) -> None:
    handles = [
        Line2D([], [], color=look.color, linestyle=look.dashes, marker=look.marker, markersize=3.5,
               markerfacecolor="white", label=encoder)
        for encoder, look in ((encoder, style(number)) for number, encoder in enumerate(encoders))
    ]  # fmt: skip
    sheet.figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=len(handles),
                        handlelength=3)  # fmt: skip
