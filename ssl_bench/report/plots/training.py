"""Training curves from ``log.jsonl``: the loss with its parts, schedules in use, and the monitors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ssl_bench.report.logs import Series, loss_parts, read_log
from ssl_bench.report.palette import BLACK, BLUE, Style, readable, style
from ssl_bench.report.plots.canvas import PanelGrid, Picture, Sheet, grid_height
from ssl_bench.results.record import Record

TITLES = {
    "embedding_std": "embedding std (1: isotropic)",
    "method_std": "std of features in the loss",
    "effective_rank": "effective rank (RankMe)",
    "alignment": "alignment (lower is better)",
    "uniformity": "uniformity (lower is better)",
    "probe_linear": "online probe: linear, macro AUROC",
    "probe_knn": "online probe: kNN, macro AUROC",
    "prototype_entropy": "prototype entropy (1: even)",
    "lr": "learning rate",
    "momentum": "momentum of the EMA",
    "grad_norm": "gradient norm (log)",
}
"""Panels in their order, with their titles; other values follow under their own names."""

WITHOUT_PANEL = {"step", "epoch", "loss", "images_per_second"}


def training_curves(log: Path, record: Record) -> Picture:
    """Loss, monitors and schedules over the epochs.

    Args:
        log: ``log.jsonl`` of the run.
        record: of the run.

    Raises:
        LeftOut: the log is missing or empty.
    """
    series = read_log(log)
    parts = loss_parts(series)
    names = [name for name in TITLES if name in series]
    names += [name for name in series if name not in {*names, *parts, *WITHOUT_PANEL} and not _constant(series[name])]
    rows = math.ceil((len(names) + 2) / 3)  # the loss takes two places
    grid = PanelGrid(rows=rows, columns=3, height=1.15, left=0.55, gap_x=0.55, gap_y=0.45)
    sheet = Sheet(record, "Training curves", grid_height(grid))
    return Picture("training", "Training curves", _caption(series), _draw(sheet, grid, series, parts, names))


def _constant(values: npt.NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return len(known) == 0 or bool(known.min() == known.max())


def _draw(sheet: Sheet, grid: PanelGrid, series: Series, parts: list[str], names: list[str]) -> Any:
    panels = sheet.panels(grid)
    wide, spare = panels[0], panels[1]
    left, right = wide.get_position(), spare.get_position()
    wide.set_position((left.x0, left.y0, right.x1 - left.x0, left.height))
    spare.remove()
    lines = {"loss": Style(BLACK, "-", "")} | {part: style(number) for number, part in enumerate(parts)}
    for name, look in lines.items():
        wide.plot(series["epoch"], series[name], color=look.color, linestyle=look.dashes, label=readable(name))
    wide.set_title("loss and its parts" if parts else "loss")
    wide.legend(loc="lower right", bbox_to_anchor=(1.01, 1.0), ncols=len(lines), handlelength=2.2, columnspacing=1.0,
                borderpad=0, borderaxespad=0.2)  # fmt: skip
    for panel, name in zip(panels[2:], names, strict=False):
        _draw_one(panel, name, series)
    for panel in panels[2 + len(names) :]:
        panel.remove()
    for panel in sheet.figure.axes:
        _finish(panel, series["epoch"])
    _name_epochs(sheet.figure.axes)
    return sheet.figure


def _draw_one(panel: Axes, name: str, series: Series) -> None:
    known = np.isfinite(series[name])  # the online probe looks less often than steps are logged
    panel.plot(series["epoch"][known], series[name][known], color=BLUE, marker="" if known.all() else "o", markersize=3)
    panel.set_title(TITLES.get(name, readable(name)))
    values = series[name][known]
    if name == "grad_norm" and len(values) and values.min() > 0:
        _log_scale(panel, float(values.max() / values.min()))
    elif name in ("embedding_std", "prototype_entropy"):
        panel.set_ylim(0, max(1.05, float(values.max()) * 1.05 if len(values) else 1.05))


def _log_scale(panel: Axes, spread: float) -> None:
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if spread < 50 else (1.0,), numticks=8))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    panel.yaxis.set_minor_locator(NullLocator())


def short(value: float) -> str:
    """``0.001``, ``2.5e-4``, ``40``: a number on an axis in few characters."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _finish(panel: Axes, epochs: npt.NDArray[np.float64]) -> None:
    panel.set_xlim(0, float(epochs[-1]))
    panel.xaxis.set_major_locator(MaxNLocator(4))
    if panel.get_yscale() == "linear":
        panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    panel.grid(color="#E5E5E5", linewidth=0.5)
    panel.set_axisbelow(True)


def _name_epochs(panels: list[Axes]) -> None:
    """The axis is named below the lowest panel of every column."""
    for panel in panels:
        box = panel.get_position()
        below = [other for other in panels if other.get_position().y0 < box.y0 - 1e-6]
        if not any(other.get_position().x0 < box.x1 and box.x0 < other.get_position().x1 for other in below):
            panel.set_xlabel("epoch")


def _caption(series: Series) -> str:
    monitors = [name for name in ("embedding_std", "effective_rank") if name in series]
    text = f"Pretraining to step {int(series['step'][-1]):,}, values as logged, not smoothed."
    if monitors:
        text += " An embedding std or an effective rank that falls to its floor would mean collapse."
    return text
