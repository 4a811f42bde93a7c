"""Label-efficiency curve: macro AUROC and AUPRC against the share of the training patients whose labels were used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from ssl_bench.report.evaluations import Evaluation
from ssl_bench.report.palette import GREY, style
from ssl_bench.report.plots.canvas import DOTTED, PanelGrid, Picture, Sheet, grid_height
from ssl_bench.report.run_tables import METRICS
from ssl_bench.report.shares import Point, common, over_text, points
from ssl_bench.results.record import Record

WIDER = 1.5
"""How far the axis goes beyond the smallest and the largest share."""

BESIDE = 1.05
"""Factor between the points of two encoders."""


def efficiency_curve(shares: Sequence[Evaluation], record: Record) -> Picture:
    """Macro metrics of one protocol over its shares.

    Args:
        shares: evaluations that differ in fraction and draw alone (``evaluations.by_share``).
        record: of the run.
    """
    first = shares[0].whole
    title = f"Label efficiency: {first.name}"
    grid = PanelGrid(rows=1, columns=2, height=2.2, left=0.5, bottom=0.75, gap_x=0.6, top=0.3)
    sheet = Sheet(record, title, grid_height(grid))
    encoders = list(dict.fromkeys(name for evaluation in shares for name in evaluation.encoders))
    told: dict[str, None] = {}
    for panel, (metric, name) in zip(sheet.panels(grid), METRICS.items(), strict=True):
        found = points((row for evaluation in shares for row in evaluation.rows), ("encoder",), metric)
        held = common(found)
        told[over_text(found, held)] = None
        for number, encoder in enumerate(encoders):
            _draw_encoder(panel, [one for one in found if one.key == (encoder,) and held], held, number)
        _finish(panel, sorted({evaluation.fraction for evaluation in shares}))
        panel.set_title(f"macro {name}")
        if metric == "auroc":
            panel.axhline(0.5, color=GREY, linewidth=0.8, linestyle=DOTTED, zorder=0)
    sheet.text(sheet.width / 2, 0.32, "share of the training patients whose labels were used (log)", ha="center")
    _legend(sheet, encoders)
    caption = (
        "A point is a random draw of training patients, the line their mean. Band: 95 % interval over test patients, "
        "the ends averaged over the draws; how far draws differ is what the points show. Dotted: chance. "
        f"Means {'; '.join(told)}."
    )
    return Picture(f"efficiency-{first.slug}", title, caption, sheet.figure)


def _draw_encoder(panel: Axes, found: Sequence[Point], held: Sequence[str], number: int) -> None:
    look = style(number)
    fractions = sorted({one.share for one in found})
    at = [[one for one in found if one.share == share] for share in fractions]
    aside = BESIDE**number  # so that the points of two encoders do not hide each other
    panel.plot([one.share * aside for one in found], [one.over(held) for one in found], look.marker,
               color=look.color, markersize=3.5, markerfacecolor="white", zorder=3)  # fmt: skip
    panel.plot(fractions, [np.mean([one.over(held) for one in draws]) for draws in at], color=look.color,
               linestyle=look.dashes, zorder=2.5)  # fmt: skip
    low, high = ([_end(draws, end, held) for draws in at] for end in (0, 1))
    panel.fill_between(fractions, low, high, color=look.color, alpha=0.16, linewidth=0, zorder=1)
    for end in (low, high):  # the band's edge, so that two bands stay apart in grey print
        panel.plot(fractions, end, color=look.color, linestyle=look.dashes, linewidth=0.5, zorder=1.5)


def _end(draws: Sequence[Point], end: int, held: Sequence[str]) -> float:
    """The end of an interval, averaged over draws; NaN where one has none for just these findings."""
    ends = [(one.macro.ci_low, one.macro.ci_high)[end] for one in draws if set(one.values) == set(held)]
    given = [value for value in ends if value is not None]
    return float(np.mean(given)) if len(given) == len(draws) else float("nan")


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
    sheet.legend(handles)
