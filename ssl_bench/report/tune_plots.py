"""Pictures of a tune: the expected best against the budget, and every trial against each hyperparameter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ssl_bench.report.palette import BLUE, GREY, VERMILLION, style
from ssl_bench.report.plots.canvas import Headed, PanelGrid, Picture, Sheet, grid_height

COLUMNS = 3
"""Panels beside each other."""


def budget_curves(found: Mapping[str, Any]) -> Iterator[Picture]:
    """The expected best of k trials of every method, with the interval over draws; none where all have one trial."""
    curves = {label: curve for study in found["studies"] for label, curve in study["curves"].items()}
    if not any(len(curve) > 1 for curve in curves.values()):
        return
    grid = PanelGrid(rows=1, columns=1, height=2.6, left=0.55, bottom=0.4 + 0.18 * math.ceil(len(curves) / 3), top=0.2)
    sheet = Sheet(headed(found), "Quality against budget", grid_height(grid))
    (panel,) = sheet.panels(grid)
    for number, curve in enumerate(curves.values()):
        _draw(panel, curve, number)
    panel.set_xlabel("trials")
    panel.set_ylabel("expected best macro AUROC")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Line2D([], [], color=style(number).color, linestyle=style(number).dashes, marker=style(number).marker,
                      markersize=3.5, label=label) for number, label in enumerate(curves)]  # fmt: skip
    sheet.figure.legend(handles=handles, loc="lower center", ncols=3, handlelength=3)
    caption = (
        f"By the rule '{found['rule']['name']}'. One trial is the official default; a band holds 95 % of the draws of "
        "the other trials, so it ends where all have been drawn. It says nothing about patients or seeds."
    )
    yield Picture("tune-budget", "Quality against budget", caption, sheet.figure)


def headed(found: Mapping[str, Any]) -> Headed:
    """What stands above the pictures of a tune."""
    return Headed(str(found["subject"]), bool(found["synthetic"]))


def _draw(panel: Axes, curve: list[dict[str, float]], number: int) -> None:
    look, budgets = style(number), [best["trials"] for best in curve]
    panel.plot(budgets, [best["expected"] for best in curve], color=look.color, linestyle=look.dashes,
               marker=look.marker, markersize=3)  # fmt: skip
    panel.fill_between(budgets, [best["low"] for best in curve], [best["high"] for best in curve], color=look.color,
                       alpha=0.14, linewidth=0)  # fmt: skip


def scatter(study: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Picture]:
    """The value of each trial against each number that was searched; none where there is nothing to show."""
    keys = [one["key"] for one in study["space"] if _number(study["default"][one["key"]]) is not None]
    done = [trial for trial in study["trials"] if trial["value"] is not None]
    if not keys or len(done) < 2:
        return
    columns = min(COLUMNS, len(keys))
    grid = PanelGrid(
        rows=math.ceil(len(keys) / columns), columns=columns, height=1.35, left=0.5, gap_x=0.35, gap_y=0.55
    )
    sheet = Sheet(headed(found), f"Trials of {study['name']}", grid_height(grid))
    for panel, key in zip(sheet.panels(grid), keys, strict=False):
        _panel(panel, key, study, done)
    for panel in sheet.panels(grid)[len(keys) :]:
        panel.set_axis_off()
    caption = "A point is a trial: macro AUROC by the rule. Square: the official default. Red: the chosen trial."
    yield Picture(f"tune-{study['name']}", f"Trials of {study['name']}", caption, sheet.figure)


def _panel(panel: Axes, key: str, study: Mapping[str, Any], done: list[dict[str, Any]]) -> None:
    chosen = (study["chosen"] or {}).get("trial")
    for trial in done:
        value = _number(trial["settings"].get(key, study["default"][key])) or 0.0
        color = VERMILLION if trial["number"] == chosen else BLUE if trial["number"] else GREY
        panel.plot([value], [trial["value"]], "o" if trial["number"] else "s", color=color, markersize=4)
    told = next(one["range"] for one in study["space"] if one["key"] == key)
    if ", log" in told:
        panel.set_xscale("log")
    panel.set_title(key.removeprefix("method.").removeprefix("pretrain."))
    panel.yaxis.set_major_locator(MaxNLocator(4))


def _number(value: Any) -> float | None:
    """What a setting is drawn at: itself, or the first entry of a range; none of a word."""
    value = value[0] if isinstance(value, list | tuple) and value else value
    return float(value) if isinstance(value, int | float) else None
