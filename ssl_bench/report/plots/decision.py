"""Decision curves: the net benefit of acting on a probability, over the probabilities from which one would act.

Net benefit is the share of true positives minus that of false ones, weighed by the odds of the threshold. A model is
of use at a threshold where it lies above both acting on everybody and acting on nobody (Vickers & Elkin, Medical
Decision Making 26:565, 2006).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ssl_bench.report.evaluations import Evaluation
from ssl_bench.report.kept import Arrays
from ssl_bench.report.palette import GREY, style
from ssl_bench.report.plots.canvas import DOTTED, Picture, Sheet, grid_height, wrapped
from ssl_bench.report.plots.curves import of_each_label, of_predictions, panel_grid, panel_name
from ssl_bench.report.plots.points import Weights
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.intervals import FEWEST, RESAMPLES
from ssl_bench.stats.support import supports

VERSION = 1
"""Of what is computed here: coordinates that were kept from another version are computed anew."""

THRESHOLDS = np.arange(1, 100) / 100
"""Probabilities from which one would act."""

Floats = npt.NDArray[np.float64]


def decision_plot(evaluation: Evaluation, run: RunDirectory, record: Record) -> Picture:
    """Net benefit of every encoder over thresholds, a panel for each finding, beside acting on all and on none.

    Args:
        evaluation: whose scores are probabilities (``evaluations.calibration`` has rows).
        run: folder of the predictions.
        record: of the run.

    Raises:
        LeftOut: predictions are missing or damaged.
    """
    arrays = of_predictions("decision", VERSION, partial(of_each_label, _of_label), evaluation, run, record)
    labels = [label for label in evaluation.labels if label != MACRO]
    names = [panel_name(evaluation, label) for label in labels]
    grid = panel_grid(names, height=1.3, left=0.65, gap_x=0.56, gap_y=0.34)
    title = f"Decision curves: {evaluation.name}"
    sheet = Sheet(record, title, grid_height(grid))
    for number, panel in enumerate(sheet.panels(grid)):
        if number >= len(labels):
            panel.remove()
            continue
        panel.set_title(names[number])
        _draw_label(panel, evaluation.encoders, labels[number], arrays)
        panel.tick_params(labelbottom=number + grid.columns >= len(labels))
    sheet.text(sheet.width / 2, 0.27, "threshold probability", ha="center")
    sheet.text(0.06, 0.65 + (sheet.body - 0.95) / 2, "net benefit", va="center", rotation=90)
    _legend(sheet, evaluation.encoders)
    return Picture(f"decision-{evaluation.slug}", title, _caption(arrays), sheet.figure)


def net_benefit(labels: Floats, probabilities: Floats, weights: Weights) -> Floats:
    """Net benefit ``(R, T)`` at :data:`THRESHOLDS` of acting where a probability reaches them; NaN without any image.

    Args:
        labels: (N,) 1 or 0.
        probabilities: (N,) in [0, 1].
        weights: (R, N) how often each image counts.
    """
    order = np.argsort(probabilities, kind="stable")
    first = np.searchsorted(probabilities[order], THRESHOLDS, side="left")  # from here on one acts
    true, false = (_from(first, weights[:, order] * (labels[order] == truth)) for truth in (1, 0))
    with np.errstate(invalid="ignore"):
        found: Floats = (true - false * THRESHOLDS / (1 - THRESHOLDS)) / weights.sum(axis=1, keepdims=True)
    return found


def treat_all(labels: Floats) -> Floats:
    """Net benefit ``(T,)`` of acting on everybody; labels (N,) are 1 or 0."""
    found: Floats = net_benefit(labels, np.ones_like(labels), np.ones((1, len(labels)), np.int64))[0]
    return found


def _from(first: npt.NDArray[np.intp], counts: Weights) -> Weights:
    """Sums of counts (R, N) from each of some places to the end, (R, T)."""
    sums = np.concatenate([np.cumsum(counts[:, ::-1], axis=1)[:, ::-1], np.zeros((len(counts), 1), np.int64)], axis=1)
    return np.asarray(sums[:, first])


def _of_label(
    encoder: str, label: str, truth: Floats, scores: Floats, patients: npt.NDArray[Any], weights: Weights
) -> dict[str, npt.NDArray[Any]]:
    known = ~np.isnan(truth) & ~np.isnan(scores)
    if len(set(truth[known])) < 2:
        return {}
    once = np.ones((1, int(known.sum())), np.int64)
    told = [net_benefit(truth[known], scores[known], once)[0]]
    (support,) = supports(truth[known, None], patients[known])
    if not support.reason:
        told.extend(_band(net_benefit(truth[known], scores[known], weights[:, known])))
    return {f"{encoder}/{label}": np.stack(told), f"all/{label}": treat_all(truth[known])}


def _band(drawn: Floats) -> Floats:
    defined = drawn[np.isfinite(drawn).all(axis=1)]
    return np.asarray(np.quantile(defined, [0.025, 0.975], axis=0)) if len(defined) >= RESAMPLES else np.empty((0, 99))


def _draw_label(panel: Axes, encoders: list[str], label: str, arrays: Arrays) -> None:
    panel.set(xlim=(-0.02, 1.02), xticks=(0, 0.5, 1))
    panel.set_xticklabels(["0", "0.5", "1"])
    shown = [encoder for encoder in encoders if f"{encoder}/{label}" in arrays]
    if not shown:
        panel.set(ylim=(0, 1), yticks=())
        panel.text(
            0.5, 0.5, wrapped("not fitted, or one class only", 22), ha="center", va="center", color=GREY, style="italic"
        )
        return
    every = arrays[f"all/{label}"]
    top = max(float(every[0]), *(float(arrays[f"{encoder}/{label}"].max()) for encoder in shown), 0.01)
    panel.set(ylim=(-0.35 * top, 1.1 * top))
    panel.axhline(0, color=GREY, linewidth=0.8, linestyle="-", zorder=1)
    panel.plot(THRESHOLDS, every, color=GREY, linewidth=0.8, linestyle=DOTTED, zorder=1)
    for number, encoder in enumerate(encoders):
        if encoder in shown:
            _draw_curve(panel, arrays[f"{encoder}/{label}"], number)


def _draw_curve(panel: Axes, told: Floats, number: int) -> None:
    look = style(number)
    if len(told) > 1:
        panel.fill_between(THRESHOLDS, told[1], told[2], color=look.color, alpha=0.16, linewidth=0, zorder=1)
    panel.plot(THRESHOLDS, told[0], color=look.color, linestyle=look.dashes, linewidth=1.1, zorder=3 - number * 0.1)


def _legend(sheet: Sheet, encoders: list[str]) -> None:
    looks = [(style(number), encoder) for number, encoder in enumerate(encoders)]
    handles = [Line2D([], [], color=look.color, linestyle=look.dashes, label=encoder) for look, encoder in looks]
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=DOTTED, label="treat all"))
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, label="treat none"))
    sheet.legend(handles)


def _caption(arrays: Arrays) -> str:
    return (
        "Net benefit per image of acting where the probability reaches a threshold (0.01 to 0.99), beside acting on "
        f"all and on none. Bands: pointwise 95 % of {int(arrays['resamples']):,} resamples of patients, where a "
        f"finding has at least {FEWEST} positive and negative patients. Below the axis a model does harm."
    )
