"""Interactive plots of the leaderboard, as Plotly figures: forest plot, label efficiency, online probe, subgroup gaps.

Colours, and markers that differ with them, are those of the report's pictures (:mod:`ssl_bench.report.palette`).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import mean
from typing import Any

import plotly.graph_objects as go

from ssl_bench.comparison.run import setting_of
from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.leaderboard_text import ranged
from ssl_bench.report.palette import BLACK, GREY, LIGHT, STAMP, STYLES, Style, style
from ssl_bench.report.shares import Point, common, over_text, points
from ssl_bench.results.row import MACRO

SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross",
           "X": "x"}  # fmt: skip
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "3px,2px")

Looks = Mapping[str, Style]
"""Of configurations, by name."""

ROW = 34
"""Height of a row of a forest plot, in px."""

LINE = 17
"""Height of a line of a name beside it, in px: names of several lines must not meet."""


@dataclass(frozen=True)
class Figure:
    """A plot of the page.

    Attributes:
        title: what it shows.
        caption: how to read it.
        alt: the same for those who cannot see it, with where its numbers stand as text.
        spec: data and layout, as Plotly.js reads them.
        least: width in px below which it is scrolled instead of made smaller; 0: none.
    """

    title: str
    caption: str
    alt: str
    spec: Mapping[str, Any]
    least: int = 0


def looks_of(entries: Iterable[Entry]) -> dict[str, Style]:
    """Colour, dashes and marker of every configuration, the same in all plots of a page."""
    names: dict[str, int] = {}
    return {name: style(names.setdefault(entry.group.name, len(names)))
            for entry in entries for name in (entry.group.name, entry.name)}  # fmt: skip


def marker(look: Style, size: int) -> dict[str, Any]:
    """A marker in a look."""
    return {"color": look.color, "symbol": SYMBOLS[look.marker], "size": size}


def dash(look: Style) -> str:
    """The dashes of a look, as Plotly names them."""
    return DASHES[[one.dashes for one in STYLES].index(look.dashes)]


def label(name: str, width: int = 24) -> str:
    """A name in short lines that Plotly shows as it is: it would take ``<b>`` for bold and draw links."""
    return "<br>".join(escape(line) for line in textwrap.wrap(name, width) or [""])


def tall(labels: Sequence[str]) -> float:
    """Height of a plot in rows of ``ROW`` px, each as high as the label of most lines, so that labels do not meet."""
    return len(labels) * max(1.0, LINE / ROW * max(text.count("<br>") + 1 for text in labels))


def forest(entries: Sequence[Entry], baseline: str, title: str, looks: Looks) -> Figure:
    """Macro AUROC of every configuration with its interval, and its single runs."""
    shown = list(reversed(entries))
    rows = [label(entry.name) for entry in shown]
    cells = [entry.cells["auroc"] for entry in shown]
    figure = blank(tall(rows), synthetic=is_synthetic(entries))
    singles = [(row, value) for row, entry in zip(rows, shown, strict=True) for value in run_values(entry, "auroc")
               if len(entry.seeds) > 1]  # fmt: skip
    figure.add_scatter(
        x=[value for _, value in singles], y=[row for row, _ in singles], mode="markers", name="single runs",
        marker={"symbol": "circle-open", "color": GREY, "size": 7}, hovertemplate="%{x:.3f}<extra>a run</extra>",
    )  # fmt: skip
    for row, entry, cell in zip(rows, shown, cells, strict=True):
        told = cell.interval
        figure.add_scatter(
            x=[told.value], y=[row], mode="markers", name=label(entry.name, 40), showlegend=False,
            marker=marker(looks[entry.name], 10), error_x=bars([(told.value, told.low, told.high)]),
            text=[str(ranged(told, ".3f"))], hovertemplate="%{y}: %{text}<extra></extra>",
        )  # fmt: skip
    base = next((entry.cells["auroc"].interval.value for entry in entries if entry.group.name == baseline), None)
    if base is not None:
        figure.add_vline(x=base, line={"color": BLACK, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="macro AUROC")
    figure.update_yaxes(categoryorder="array", categoryarray=rows)
    caption = (
        "Line: 95 % interval, where there is one. Small circles: single runs of a configuration with several seeds. "
        f"Dotted line: the baseline, {baseline}. Overlapping intervals are no test; the table has the tests."
    )
    return Figure(title, caption, f"{title}. The numbers are in the table of results.", spec_of(figure))


def efficiency(entries: Sequence[Entry], title: str, looks: Looks) -> Figure | None:
    """Macro AUROC against the share of the training patients whose labels were used; None where all were."""
    drawn = efficiency_points(entries)
    ticks = sorted({share for found in drawn.values() for share, _ in found})
    if ticks in ([], [1.0]):
        return None
    figure = blank(9, synthetic=is_synthetic(entries))
    for name, found in drawn.items():
        means = {share: mean(v for s, v in found if s == share) for share in sorted({share for share, _ in found})}
        named = {"legendgroup": name, "name": label(name, 40)}
        figure.add_scatter(x=list(means), y=list(means.values()), mode="lines+markers", **named,
                           marker=marker(looks[name], 9), line={"color": looks[name].color, "dash": dash(looks[name])},
                           hovertemplate="%{x:.1%} of the patients: %{y:.3f}")  # fmt: skip
        figure.add_scatter(x=[share for share, _ in found], y=[value for _, value in found], mode="markers",
                           showlegend=False, marker={**marker(looks[name], 5), "opacity": 0.5}, hoverinfo="skip",
                           **named)  # fmt: skip
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{100 * share:g} %" for share in ticks],
                        title_text="share of labelled training patients")  # fmt: skip
    figure.update_yaxes(title_text="macro AUROC")
    caption = f"Line: mean over seeds and draws. Small points: each seed and draw. Means {efficiency_set(entries)}."
    return Figure(title, caption, f"{title}. The numbers are in the table below it.", spec_of(figure))


def efficiency_points(entries: Sequence[Entry]) -> dict[str, list[tuple[float, float]]]:
    """Share and macro AUROC of every seed and draw by configuration, over the findings that all of them hold."""
    by_entry = {entry.name: _share_points(entry) for entry in entries}
    held = common(one for found in by_entry.values() for one in found)
    return {name: [(one.share, one.over(held)) for one in found if held] for name, found in by_entry.items()}


def efficiency_set(entries: Sequence[Entry]) -> str:
    """Which findings these means are over."""
    found = [one for entry in entries for one in _share_points(entry)]
    return over_text(found, common(found))


def _share_points(entry: Entry) -> list[Point]:
    return [
        one
        for run in entry.line.runs.values()
        for one in points(
            (row for row in run.record.metrics if (row.encoder, row.split, row.subgroup)
             == (run.encoder, "test", "all") and setting_of(row) == entry.setting), ("encoder",))
    ]  # fmt: skip


def run_values(entry: Entry, metric: str) -> list[float]:
    """The macro metric of each run, in the order of the seeds."""
    rows = [row for run in entry.line.runs.values() for row in run.rows(entry.setting)]
    values = [row.value for row in rows if (row.label, row.metric) == (MACRO, metric)]
    return [value for value in values if value is not None]


def blank(rows: float, *, synthetic: bool) -> go.Figure:
    """A plot with room for so many lines, and the stamp of synthetic data; its ground is the page's."""
    figure = go.Figure()
    figure.update_layout(
        template="none", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        height=int(ROW * rows) + 130, margin={"l": 10, "r": 10, "t": 24, "b": 40}, hovermode="closest",
        font={"family": "system-ui, sans-serif", "size": 13}, legend={"orientation": "h", "y": -0.25, "yref": "paper"},
    )  # fmt: skip
    figure.update_layout(legend={"y": 0, "yref": "container", "yanchor": "bottom", "x": 0})
    figure.update_xaxes(automargin=True, gridcolor="#E5E5E5", zeroline=False, fixedrange=True)
    figure.update_yaxes(automargin=True, gridcolor="#F0F0F0", zeroline=False, fixedrange=True, linecolor=LIGHT)
    if synthetic:
        figure.add_annotation(text=STAMP, x=1, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="right",
                              showarrow=False, font={"color": "#B34E00", "size": 12})  # fmt: skip
    return figure


def bars(values: Iterable[tuple[float | None, float | None, float | None]]) -> dict[str, Any]:
    """Error bars of values with their low and high ends; none where there is no interval."""
    up, down = [], []
    for value, low, high in values:
        known = value is not None and low is not None and high is not None
        up.append(high - value if known else None)  # type: ignore[operator]
        down.append(value - low if known else None)  # type: ignore[operator]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "width": 4, "thickness": 1.5}


def is_synthetic(entries: Iterable[Entry]) -> bool:
    """Whether any of the numbers says nothing about patients."""
    return any(run.record.synthetic for entry in entries for run in entry.group.runs)


def spec_of(figure: go.Figure) -> dict[str, Any]:
    """Data and layout as plain values."""
    return dict(json.loads(figure.to_json()))
