"""Interactive plots of the leaderboard, as Plotly figures: forest plot, label efficiency, online probe, subgroup gaps.

Colours, and markers that differ with them, are those of the report's pictures (:mod:`ssl_bench.report.palette`).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ssl_bench.compare.run import setting_of
from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.leaderboard_text import ranged
from ssl_bench.report.page.subgroups import Gap
from ssl_bench.report.palette import BLACK, BLUE, GREY, LIGHT, STAMP, LeftOut, style
from ssl_bench.report.plots.training import Series, read_log
from ssl_bench.report.shares import Point, common, over_text, points
from ssl_bench.report.table import MACRO
from ssl_bench.results.rundir import RunDirectory

SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross",
           "X": "x"}  # fmt: skip
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "dash")
PROBES = {"probe_linear": "linear head", "probe_knn": "nearest neighbours"}
"""Heads of the online probe by their name in a log."""

ROW = 34
"""Height of a line of a forest plot, in px."""


@dataclass(frozen=True)
class Figure:
    """A plot of the page.

    Attributes:
        title: what it shows.
        caption: how to read it.
        alt: the same for those who cannot see it, with where its numbers stand as text.
        spec: data and layout, as Plotly.js reads them.
    """

    title: str
    caption: str
    alt: str
    spec: Mapping[str, Any]


def label(name: str, width: int = 24) -> str:
    """A name in short lines that Plotly shows as it is: it would take ``<b>`` for bold and draw links."""
    return "<br>".join(escape(line) for line in textwrap.wrap(name, width) or [""])


def forest(entries: Sequence[Entry], baseline: str, title: str) -> Figure:
    """Macro AUROC of every configuration with its interval, and its single runs."""
    shown = list(reversed(entries))
    rows = [label(entry.name) for entry in shown]
    cells = [entry.cells["auroc"] for entry in shown]
    figure = _figure(len(shown), synthetic=_synthetic(entries))
    singles = [(row, value) for row, entry in zip(rows, shown, strict=True) for value in run_values(entry, "auroc")
               if len(entry.seeds) > 1]  # fmt: skip
    figure.add_scatter(
        x=[value for _, value in singles], y=[row for row, _ in singles], mode="markers", name="single runs",
        marker={"symbol": "circle-open", "color": GREY, "size": 7}, hovertemplate="%{x:.3f}<extra>a run</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[cell.interval.value for cell in cells], y=rows, mode="markers", name="value, or mean over seeds",
        marker={"symbol": [_symbol(entry, baseline) for entry in shown], "color": BLUE, "size": 10},
        error_x=_bars([(cell.interval.value, cell.interval.low, cell.interval.high) for cell in cells]),
        text=[ranged(cell.interval, ".3f") for cell in cells], hovertemplate="%{y}: %{text}<extra></extra>",
    )  # fmt: skip
    base = next((entry.cells["auroc"].interval.value for entry in entries if entry.arm.name == baseline), None)
    if base is not None:
        figure.add_vline(x=base, line={"color": BLACK, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="macro AUROC")
    figure.update_yaxes(categoryorder="array", categoryarray=rows)
    caption = (
        "Line: 95 % interval, where there is one. Small circles: single runs of a configuration with several seeds. "
        f"Square and dotted line: the baseline, {baseline}. Overlapping intervals are no test; the table has the tests."
    )
    return Figure(title, caption, f"{title}. The numbers are in the table of results.", _spec(figure))


def pareto(entries: Sequence[Entry], title: str) -> Figure | None:
    """Macro AUROC against the operations of an image, with the front; None where fewer than two encoders have both."""
    known = [(entry, flops, value) for entry in entries if not entry.line.blind
             and (flops := entry.footprint("image_flops"))
             and (value := entry.cells["auroc"].interval.value) is not None]  # fmt: skip
    if len(known) < 2:
        return None
    figure = _figure(9, synthetic=_synthetic(entries))
    front = on_front([(flops, value) for _, flops, value in known])
    figure.add_scatter(x=[x / 1e9 for x, _ in front], y=[y for _, y in front], mode="lines", name="Pareto front",
                       line={"color": GREY, "dash": "dot", "shape": "hv"}, hoverinfo="skip")  # fmt: skip
    for number, (entry, flops, value) in enumerate(known):
        look, interval = style(number), entry.cells["auroc"].interval
        figure.add_scatter(
            x=[flops / 1e9], y=[value], mode="markers", name=label(entry.name, 40),
            marker={"color": look.color, "symbol": SYMBOLS[look.marker], "size": 10},
            error_y=_bars([(value, interval.low, interval.high)]), hovertemplate="%{x:.3g} GFLOP: %{y:.3f}",
        )  # fmt: skip
    figure.update_xaxes(type="log", title_text="GFLOP an image (log)")
    figure.update_yaxes(title_text="macro AUROC")
    caption = "Line: 95 % interval. Dotted: encoders that no other one beats with as few operations; it is no test."
    return Figure(title, caption, f"{title}. The numbers are in the table of results.", _spec(figure))


def on_front(points_: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other one with as small a cost excels, the cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, value in sorted(points_, key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front


def efficiency(entries: Sequence[Entry], title: str) -> Figure | None:
    """Macro AUROC against the share of the training patients whose labels were used; None where all were."""
    drawn = efficiency_points(entries)
    ticks = sorted({share for found in drawn.values() for share, _ in found})
    if ticks in ([], [1.0]):
        return None
    figure = _figure(9, synthetic=_synthetic(entries))
    for number, (name, found) in enumerate(drawn.items()):
        means = {share: mean(v for s, v in found if s == share) for share in sorted({share for share, _ in found})}
        look = style(number)
        named = {"legendgroup": name, "name": label(name, 40)}
        marker = {"color": look.color, "symbol": SYMBOLS[look.marker], "size": 9}
        figure.add_scatter(x=list(means), y=list(means.values()), mode="lines+markers", marker=marker, **named,
                           line={"color": look.color, "dash": DASHES[number % len(DASHES)]},
                           hovertemplate="%{x:.1%} of the patients: %{y:.3f}")  # fmt: skip
        figure.add_scatter(x=[share for share, _ in found], y=[value for _, value in found], mode="markers",
                           showlegend=False, marker={**marker, "size": 5, "opacity": 0.5}, hoverinfo="skip",
                           **named)  # fmt: skip
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{100 * share:g} %" for share in ticks],
                        title_text="share of labelled training patients")  # fmt: skip
    figure.update_yaxes(title_text="macro AUROC")
    caption = f"Line: mean over seeds and draws. Small points: each seed and draw. Means {efficiency_set(entries)}."
    return Figure(title, caption, f"{title}. The numbers are in the table below it.", _spec(figure))


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
        for member in entry.line.members.values()
        for one in points(
            (row for row in member.record["metrics"] if (row["encoder"], row["split"], row["subgroup"])
             == (member.encoder, "test", "all") and setting_of(row) == entry.place), ("encoder",))
    ]  # fmt: skip


def probe_curves(entries: Sequence[Entry]) -> list[Figure]:
    """The online probe over the training, a figure for each of its heads that any run has looked through."""
    arms = list({entry.arm.name: entry.arm for entry in entries if not entry.untrained}.values())
    logs = [(arm.name, _logged(member.path)) for arm in arms for member in arm.members]
    names = list(dict.fromkeys(name for name, _ in logs))
    figures = []
    for probe, head in PROBES.items():
        lines = [(name, series) for name, series in logs if probe in series]
        if not lines:
            continue
        figure = _figure(9, synthetic=_synthetic(entries))
        for place, (name, series) in enumerate(lines):
            known, look = np.isfinite(series[probe]), style(names.index(name))
            figure.add_scatter(
                x=series["epoch"][known].tolist(), y=series[probe][known].tolist(), mode="lines+markers",
                name=label(name, 40), legendgroup=name, showlegend=name not in [before for before, _ in lines[:place]],
                line={"color": look.color, "dash": DASHES[names.index(name) % len(DASHES)]},
                marker={"color": look.color, "symbol": SYMBOLS[look.marker], "size": 6},
                hovertemplate="epoch %{x:.3g}: %{y:.3f}",
            )  # fmt: skip
        figure.update_xaxes(title_text="epoch")
        figure.update_yaxes(title_text="macro AUROC, validation images")
        title = f"Online probe, {head}"
        caption = (
            "A line is a run. Validation images while the encoder is trained: they choose nothing, and rank nothing."
        )
        figures.append(Figure(title, caption, f"{title}. The numbers are in log.jsonl of each run.", _spec(figure)))
    return figures


def _logged(run: Path) -> Series:
    """The log of a run, empty where it has none."""
    try:
        return read_log(RunDirectory(run).log)
    except LeftOut:
        return {}


def run_values(entry: Entry, metric: str) -> list[float]:
    """The macro metric of each run, in the order of the seeds."""
    rows = [row for member in entry.line.members.values() for row in member.rows(entry.place)]
    values = [row["value"] for row in rows if (row["label"], row["metric"]) == (MACRO, metric)]
    return [value for value in values if value is not None]


def gap_figure(gaps: Sequence[Gap], title: str, *, synthetic: bool) -> Figure | None:
    """Gaps of every configuration by attribute, one line each; None where no gap has a value."""
    shown = [gap for gap in reversed(gaps) if gap.value is not None]
    if not shown:
        return None
    rows = [label(gap.name) for gap in shown]
    figure = _figure(len({gap.name for gap in shown}) * 1.4, synthetic=synthetic)
    for number, attribute in enumerate(dict.fromkeys(gap.attribute for gap in gaps if gap.value is not None)):
        of = [(row, gap) for row, gap in zip(rows, shown, strict=True) if gap.attribute == attribute]
        look = style(number)
        figure.add_scatter(
            x=[gap.value for _, gap in of], y=[row for row, _ in of], mode="markers", name=escape(attribute),
            marker={"color": look.color, "symbol": SYMBOLS[look.marker], "size": 10},
            error_x=_bars([(gap.value, gap.low, gap.high) for _, gap in of]), text=[gap.note for _, gap in of],
            hovertemplate="%{y}: %{x:.3f} (%{text})",
        )  # fmt: skip
    figure.update_layout(scattermode="group")
    figure.update_xaxes(title_text="gap in macro AUROC", rangemode="tozero")
    figure.update_yaxes(categoryorder="array", categoryarray=list(dict.fromkeys(rows)))
    caption = (
        "A gap is the highest minus the lowest group; that they were chosen as the extremes is not in its interval. Of "
        "several seeds: the mean of their gaps, without interval."
    )
    return Figure(title, caption, f"{title}. The numbers are in the table below it.", _spec(figure))


def _figure(rows: float, *, synthetic: bool) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="none", height=int(ROW * rows) + 130, margin={"l": 10, "r": 10, "t": 24, "b": 40}, hovermode="closest",
        font={"family": "system-ui, sans-serif", "size": 13}, legend={"orientation": "h", "y": -0.25, "yref": "paper"},
    )  # fmt: skip
    figure.update_layout(legend={"y": 0, "yref": "container", "yanchor": "bottom", "x": 0})
    figure.update_xaxes(automargin=True, gridcolor="#E5E5E5", zeroline=False, fixedrange=True)
    figure.update_yaxes(automargin=True, gridcolor="#F0F0F0", zeroline=False, fixedrange=True, linecolor=LIGHT)
    if synthetic:
        figure.add_annotation(text=STAMP, x=1, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="right",
                              showarrow=False, font={"color": "#B34E00", "size": 12})  # fmt: skip
    return figure


def _bars(values: Iterable[tuple[float | None, float | None, float | None]]) -> dict[str, Any]:
    """Error bars of values with their low and high ends; none where there is no interval."""
    up, down = [], []
    for value, low, high in values:
        known = value is not None and low is not None and high is not None
        up.append(high - value if known else None)  # type: ignore[operator]
        down.append(value - low if known else None)  # type: ignore[operator]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "width": 4, "thickness": 1.5}


def _symbol(entry: Entry, baseline: str) -> str:
    return "square" if entry.arm.name == baseline else "diamond"


def _synthetic(entries: Iterable[Entry]) -> bool:
    return any(member.record["synthetic"] for entry in entries for member in entry.arm.members)


def _spec(figure: go.Figure) -> dict[str, Any]:
    return dict(json.loads(figure.to_json()))
