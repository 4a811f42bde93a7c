"""The plots of the page as files for a paper: SVG with its text as text, and PDF, as wide as a printed page's text.

They are drawn from the same data and layout as the page's (:class:`ssl_bench.report.page.figures.Figure`), of which the
part that this page uses is understood: points, lines, error bars, heat maps, a vertical line and logarithmic axes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet

from ssl_bench.report.page.figures import DASHES, SYMBOLS, Figure
from ssl_bench.report.palette import STAMP, STYLES, VERMILLION
from ssl_bench.report.plots.canvas import WIDTH, drawing, print_figure

PX = 96
"""Pixels of the page's height in an inch."""

MARKERS = {symbol: letter for letter, symbol in SYMBOLS.items()}
LINES = dict(zip(DASHES, (look.dashes for look in STYLES), strict=True))

Values = Mapping[str, Any]


def write_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write every plot as ``NN-title.svg`` and ``.pdf``.

    Args:
        figures: of a page.
        folder: made where it is not there.
    """
    written = []
    with drawing():
        for number, figure in zip(count(1), figures, strict=False):
            stem = f"{number:02d}-{re.sub('[^a-z0-9]+', '-', figure.title.lower()).strip('-')}"
            written += print_figure(drawn(figure), stem, folder)
    return written


def drawn(figure: Figure) -> Sheet:
    """A plot, as Matplotlib draws it; the caption is the paper's."""
    layout, traces = figure.spec["layout"], figure.spec["data"]
    sheet = Sheet(figsize=(WIDTH, max(1.8, layout["height"] / PX)), layout="constrained", facecolor="white")
    FigureCanvasAgg(sheet)
    panel = sheet.add_subplot()
    panel.set_title(figure.title, weight="bold")
    if any(note.get("text") == STAMP for note in layout.get("annotations", ())):
        panel.set_title(STAMP, loc="right", color=VERMILLION, weight="bold")
    axes = {name: _categories(traces, name, layout.get(f"{name}axis", {})) for name in "xy"}
    _scales(panel, layout, axes)
    grouped = layout.get("scattermode") == "group"
    for number, trace in enumerate(traces):
        shift = (0.5 - (number + 0.5) / len(traces)) * 0.7 if grouped else 0.0
        (_heat if trace["type"] == "heatmap" else _points)(panel, trace, axes, shift)
    for shape in layout.get("shapes", ()):
        panel.axvline(shape["x0"], color="black", linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
    handles, names = panel.get_legend_handles_labels()
    if names:
        sheet.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), handlelength=3)
    return sheet


def plain(text: str) -> str:
    """Text as Plotly has it, without its markup."""
    return unescape(text.replace("<br>", "\n"))


def _categories(traces: Sequence[Values], name: str, axis: Values) -> dict[str, int]:
    """Places of names on an axis; none where it is of numbers."""
    given = list(axis.get("categoryarray", ()))
    found = [value for trace in traces for value in trace.get(name) or () if isinstance(value, str)]
    return {value: place for place, value in enumerate(dict.fromkeys([*given, *found]))}


def _scales(panel: Axes, layout: Values, categories: Mapping[str, Mapping[str, int]]) -> None:
    for name in "xy":
        axis, own = layout.get(f"{name}axis", {}), getattr(panel, f"{name}axis")
        if axis.get("type") == "log":
            getattr(panel, f"set_{name}scale")("log")
        if categories[name]:
            own.set_ticks(range(len(categories[name])), [plain(value) for value in categories[name]])
        elif "ticktext" in axis:
            own.set_ticks(axis["tickvals"], [plain(text) for text in axis["ticktext"]], minor=False)
            own.set_ticks([], minor=True)
        elif "tickvals" in axis:
            own.set_ticks(axis["tickvals"])
        if "range" in axis:
            getattr(panel, f"set_{name}lim")(axis["range"])
        elif axis.get("autorange") == "reversed":
            getattr(panel, f"set_{name}lim")(len(categories[name]) - 0.5, -0.5)
        getattr(panel, f"set_{name}label")(plain(axis.get("title", {}).get("text", "")))
    panel.grid(color="#E5E5E5", linewidth=0.5)
    panel.set_axisbelow(True)


def _at(values: Sequence[Any], places: Mapping[str, int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = [places[value] if isinstance(value, str) else value for value in values]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def _points(panel: Axes, trace: Values, axes: Mapping[str, Mapping[str, int]], shift: float) -> None:
    x, y = _at(trace["x"], axes["x"]), _at(trace["y"], axes["y"]) + shift
    mode, marker, line = trace.get("mode", ""), trace.get("marker", {}), trace.get("line", {})
    color = marker.get("color") or line.get("color") or "black"
    symbol = str(marker.get("symbol", "circle"))
    bars: dict[str, Any] = {f"{name}err": _ends(trace[f"error_{name}"]) for name in "xy" if trace.get(f"error_{name}")}
    shown = trace.get("showlegend", True) and trace.get("name")
    panel.errorbar(
        x, y, **bars, color=color, elinewidth=0.9, capsize=2,
        marker=MARKERS.get(symbol.removesuffix("-open"), "o") if "markers" in mode else "",
        markersize=min(9, marker.get("size", 8)) * 0.55, markerfacecolor="none" if symbol.endswith("-open") else color,
        linestyle=LINES.get(line.get("dash", "solid"), "-") if "lines" in mode else "",
        linewidth=line.get("width", 1.2), drawstyle="steps-post" if line.get("shape") == "hv" else "default",
        alpha=marker.get("opacity"), label=plain(trace["name"]) if shown else None,
    )  # fmt: skip


def _ends(bars: Values) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Lengths (2, N) below and above; none where there is no interval."""
    ends = [[np.nan if value is None else value for value in bars[key]] for key in ("arrayminus", "array")]
    return np.array(ends, dtype=np.float64)


def _heat(panel: Axes, trace: Values, axes: Mapping[str, Mapping[str, int]], shift: float) -> None:
    values = np.array([_at(row, {}) for row in trace["z"]])
    low, high = trace.get("zmin", np.nanmin(values)), trace.get("zmax", np.nanmax(values))
    panel.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    panel.grid(False)
    middle = (float(low) + float(high)) / 2
    for (row, column), value in np.ndenumerate(values):
        panel.text(column, row, trace["text"][row][column], ha="center", va="center", size=7,
                   color="white" if np.isnan(value) or value < middle else "black")  # fmt: skip
