"""Where configurations stand: AUROC of each finding, ranks with what a test tells apart, and how firm the ranks are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np

from ssl_bench.comparison.ranking import Ranking
from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.page.figures import SYMBOLS, Figure, blank, label, spec_of, tall
from ssl_bench.report.palette import GREY, Style, readable
from ssl_bench.report.table import Table
from ssl_bench.results.row import MACRO

SCALE = ((0.0, "#F7FBFF"), (1.0, "#6BAED6"))
INK = "#111111"
"""Of heat maps: a single hue, light enough that the numbers in the cells can be read in all of them."""

CELL, BESIDE = 34, 240
"""Width in px of a number in a heat map, and of names and scale beside it."""

STEP = 0.3
"""Ranks between two of the bars that join what is not distinguished."""


def finding_values(entries: Sequence[Entry]) -> tuple[list[str], list[list[float | None]]]:
    """Findings, and the AUROC of each by configuration, mean over its seeds; None where it has none."""
    found = [_of_entry(entry) for entry in entries]
    labels = list(dict.fromkeys(name for values in found for name in values))
    return labels, [[values.get(name) for name in labels] for values in found]


def _of_entry(entry: Entry) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for run in entry.line.runs.values():
        for row in run.rows(entry.setting):
            if row.metric == "auroc" and row.label != MACRO and row.value is not None:
                values.setdefault(row.label, []).append(row.value)
    return {name: mean(of) for name, of in values.items()}


def heat_map(entries: Sequence[Entry], title: str, *, synthetic: bool) -> tuple[Figure, Table] | None:
    """AUROC of every finding by configuration; None where there are fewer than two of either."""
    labels, values = finding_values(entries)
    if len(labels) < 2 or len(entries) < 2:
        return None
    names = [label(entry.name) for entry in entries]
    figure = blank(tall(names) + 2, synthetic=synthetic)
    texts = [[_text(value) for value in row] for row in values]
    figure.add_heatmap(
        z=values, x=[label(readable(name), 16) for name in labels], y=names,
        text=texts, texttemplate="%{text}", textfont={"color": INK}, colorscale=SCALE,
        hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
        colorbar={"title": {"text": "AUROC"}, "thickness": 12},
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    caption = "AUROC of each finding, mean over seeds. Without intervals here: these are in the records and reports."
    rows = tuple((entry.name, *row) for entry, row in zip(entries, texts, strict=True))
    alt = f"{title}. The numbers are in the table below it."
    shown = Figure(title, caption, alt, spec_of(figure), BESIDE + CELL * len(labels))
    return shown, Table(("configuration", *map(readable, labels)), rows)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def ranks(found: Ranking, looks: Mapping[str, Style], title: str, *, synthetic: bool) -> Figure:
    """Mean ranks with their range over resamples, and bars that join what the test does not tell apart."""
    rows = len(found.names)
    names = [label(name) for name in found.names]
    figure = blank(tall(names) + 1, synthetic=synthetic)
    for number, name in enumerate(found.names):
        look = looks[name]
        value, low, high = float(found.ranks[number]), float(found.low[number]), float(found.high[number])
        figure.add_scatter(
            x=[value], y=[number], mode="markers", name=label(name, 40), showlegend=False,
            marker={"color": look.color, "symbol": SYMBOLS[look.marker], "size": 10},
            error_x={"type": "data", "symmetric": False, "array": [max(0.0, high - value)],
                     "arrayminus": [max(0.0, value - low)], "width": 4, "thickness": 1.5},
            hovertemplate=f"mean rank %{{x:.2f}}, 95 % of resamples {low:.1f} to {high:.1f}",
        )  # fmt: skip
    for setting, (first, last) in enumerate(found.cliques):
        x = rows + 0.5 + STEP * setting
        figure.add_scatter(x=[x, x], y=[first - 0.15, last + 0.15], mode="lines", showlegend=False,
                           line={"color": GREY, "width": 5}, hoverinfo="skip", name="not distinguished")  # fmt: skip
    figure.update_xaxes(title_text="mean rank (1: highest)", tickvals=list(range(1, rows + 1)),
                        range=[0.5, rows + 0.7 + STEP * len(found.cliques)])  # fmt: skip
    figure.update_yaxes(tickvals=list(range(rows)), ticktext=names, range=[rows - 0.5, -0.5])  # fmt: skip
    beyond = f" {found.left_out} lower configurations are not in it." if found.left_out else ""
    caption = (
        f"Ranks on resamples of patients and findings; lines hold 95 % of them. Grey bars at the right join "
        f"configurations of which no pair differs by the test of the tables ({found.tests} pairs tested, p adjusted by "
        f"Holm for their number); pairs that could not be tested count as not distinguished.{beyond}"
    )
    return Figure(title, caption, f"{title}. The numbers are in the table below it.", spec_of(figure))


def stability(found: Ranking, title: str, *, synthetic: bool) -> tuple[Figure, Table]:
    """How often each configuration has each rank, as a heat map and as text."""
    rows = len(found.names)
    names = [label(name) for name in found.names]
    figure = blank(tall(names) + 2, synthetic=synthetic)
    texts = [[_share(share) for share in row] for row in found.shares]
    figure.add_heatmap(
        z=np.round(found.shares, 4).tolist(), x=[str(place + 1) for place in range(rows)],
        y=names, text=texts, texttemplate="%{text}", textfont={"color": INK}, colorscale=SCALE, zmin=0, zmax=1,
        hovertemplate="%{y}: rank %{x} in %{z:.1%}<extra></extra>", showscale=False,
    )  # fmt: skip
    figure.update_xaxes(title_text="rank", type="category")
    figure.update_yaxes(autorange="reversed")
    caption = "Share of the resamples of patients and findings in which a configuration has a rank; ties share places."
    head = ("configuration", "mean rank", "95 % of resamples", "share with rank 1")
    table = Table(head, tuple(_row(found, number) for number in range(rows)))
    alt = f"{title}. The numbers are in the table below it."
    return Figure(title, caption, alt, spec_of(figure), BESIDE + CELL * rows), table


def _share(share: float) -> str:
    return "" if share == 0 else "< 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _row(found: Ranking, number: int) -> tuple[str, ...]:
    ends = f"{found.low[number]:.1f} to {found.high[number]:.1f}"
    return found.names[number], f"{found.ranks[number]:.2f}", ends, _share(found.shares[number, 0]) or "0 %"
