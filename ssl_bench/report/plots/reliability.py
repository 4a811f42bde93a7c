"""Reliability plot: how often a finding occurs among images that were given a probability, bin by bin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from ssl_bench.report.evaluations import Evaluation, calibration
from ssl_bench.report.kept import Arrays
from ssl_bench.report.palette import GREY, style
from ssl_bench.report.plots.canvas import DOTTED, Picture, Sheet, grid_height, wrapped
from ssl_bench.report.plots.curves import of_each_label, of_predictions, panel_grid, panel_name
from ssl_bench.report.plots.points import Weights
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, MetricRow
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.calibration import BINS
from ssl_bench.stats.intervals import FEWEST, RESAMPLES

VERSION = 1
"""Of what is computed here: coordinates that were kept from another version are computed anew."""

COUNTS = 0.28
"""Share of a panel's height that the counts take."""

Floats = npt.NDArray[np.float64]


def reliability_plot(evaluation: Evaluation, run: RunDirectory, record: Record) -> Picture:
    """Observed share against predicted probability for every finding, with the images of each bin below.

    Args:
        evaluation: whose scores are probabilities (``evaluations.calibration`` has rows).
        run: folder of the predictions.
        record: of the run.

    Raises:
        LeftOut: predictions are missing or damaged.
    """
    arrays, told = bin_points(evaluation, run, record), calibration(record, evaluation)
    labels = [label for label in evaluation.labels if label != MACRO]
    names = [panel_name(evaluation, label) for label in labels]
    grid = panel_grid(names, height=1.6, left=0.7, gap_x=0.22, gap_y=0.3)
    title = f"Reliability: {evaluation.name}"
    sheet = Sheet(record, title, grid_height(grid))
    for number, panel in enumerate(sheet.panels(grid)):
        if number >= len(labels):
            panel.remove()
            continue
        counts = _split(panel)
        panel.set_title(names[number])
        _draw_label(panel, evaluation, labels[number], arrays, told)
        _draw_counts(counts, evaluation, labels[number], arrays)
        panel.tick_params(labelbottom=False, labelleft=number % grid.columns == 0)
        counts.tick_params(labelleft=number % grid.columns == 0, labelbottom=number + grid.columns >= len(labels))
    sheet.text(sheet.width / 2, 0.27, "predicted probability", ha="center")
    sheet.text(0.06, 0.65 + (sheet.body - 0.95) / 2, "share of positive images",
               va="center", rotation=90)  # fmt: skip
    _legend(sheet, evaluation.encoders)
    return Picture(f"reliability-{evaluation.slug}", title, _caption(arrays), sheet.figure)


def bin_points(evaluation: Evaluation, run: RunDirectory, record: Record) -> Arrays:
    """What :func:`occupied` gives for every encoder and label, from ``plots/reliability-<name>.npz`` where it is kept.

    Raises:
        LeftOut: predictions are missing or damaged.
    """
    return of_predictions("reliability", VERSION, partial(of_each_label, _of_label), evaluation, run, record)


def _of_label(
    encoder: str, label: str, truth: Floats, scores: Floats, patients: npt.NDArray[Any], weights: Weights
) -> dict[str, npt.NDArray[Any]]:
    return {f"{encoder}/{label}": occupied(truth, scores, patients, weights)}


def occupied(labels: Floats, probabilities: Floats, patients: npt.NDArray[Any], weights: Weights) -> Floats:
    """The bins that hold images: mean probability, share of positives, its band, images and patients, (6, K).

    The bins are those of the expected calibration error. The band is the 95 % percentile interval of the share over
    resamples of patients; NaN where a bin holds fewer than 5 patients.

    Args:
        labels: (N,) 1, 0 or NaN (unknown).
        probabilities: (N,) in [0, 1].
        patients: (N,) ids.
        weights: (R, N) how often each image counts in each resample.
    """
    known = ~np.isnan(labels)
    truth, scores, ids, drawn = labels[known], probabilities[known], patients[known], weights[:, known]
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    found = []
    for number in np.unique(place):
        rows = place == number
        size, people = int(rows.sum()), len(set(ids[rows]))
        band = _band(truth[rows], drawn[:, rows]) if people >= FEWEST else (np.nan, np.nan)
        found.append([scores[rows].mean(), truth[rows].mean(), *band, size, people])
    return np.array(found, dtype=np.float64).reshape(-1, 6).T


def _band(truth: Floats, weights: Weights) -> tuple[float, float]:
    images = weights.sum(axis=1)
    shares = (weights @ truth)[images > 0] / images[images > 0]
    if len(shares) < RESAMPLES:
        return float("nan"), float("nan")
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def _split(panel: Axes) -> Axes:
    """Make room for the counts below a panel."""
    place = panel.get_position()
    below = COUNTS * place.height
    panel.set_position((place.x0, place.y0 + below, place.width, place.height - below))
    return panel.figure.add_axes((place.x0, place.y0, place.width, below * 0.8))


def _draw_label(
    panel: Axes, evaluation: Evaluation, label: str, arrays: Arrays, told: Mapping[tuple[str, str], MetricRow]
) -> None:
    panel.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=DOTTED, zorder=1)
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    panel.set_yticklabels(["0", "0.5", "1"])
    shown = [encoder for encoder in evaluation.encoders if f"{encoder}/{label}" in arrays]
    if not shown:
        panel.text(0.5, 0.5, wrapped("not fitted", 22), ha="center", va="center", color=GREY, style="italic")
    for number, encoder in enumerate(evaluation.encoders):
        if encoder in shown:
            _draw_bins(panel, arrays[f"{encoder}/{label}"], number)
            row = told.get((encoder, label))
            if row is not None and row.value is not None:
                panel.text(0.03, 0.99 - 0.15 * number, f"{row.value:.3f}", transform=panel.transAxes, va="top",
                           color=style(number).color, zorder=4)  # fmt: skip


def _draw_counts(panel: Axes, evaluation: Evaluation, label: str, arrays: Arrays) -> None:
    """Images in each bin, on one scale for all findings."""
    most = max([1.0, *(bins[4].max(initial=1.0) for name, bins in arrays.items() if "/" in name)])
    decade = 10 ** max(1, math.floor(math.log10(most)))
    panel.set(xlim=(-0.02, 1.02), xticks=(0, 0.5, 1), yscale="log", ylim=(0.7, max(most, decade) * 1.6))
    panel.set_xticklabels(["0", "0.5", "1"])
    panel.set_yticks([1, decade], ["1", f"{decade:,}"])
    panel.yaxis.set_minor_locator(NullLocator())
    for number, encoder in enumerate(evaluation.encoders):
        if f"{encoder}/{label}" in arrays:
            x, *_, images, _ = arrays[f"{encoder}/{label}"]
            look = style(number)
            panel.plot(x, images, color=look.color, linestyle=look.dashes, linewidth=0.9, marker=look.marker,
                       markersize=2)  # fmt: skip


def _draw_bins(panel: Axes, points: Floats, number: int) -> None:
    look = style(number)
    x, share, low, high, *_ = points
    panel.plot(x, share, color=look.color, linestyle=look.dashes, linewidth=1.0, zorder=3 - number * 0.1)
    for place, value, bottom, top in zip(x, share, low, high, strict=True):
        banded = bool(np.isfinite(bottom))
        if banded:
            panel.plot([place, place], [bottom, top], color=look.color, linewidth=0.8, alpha=0.7, zorder=2)
        panel.plot(place, value, look.marker, color=look.color, markersize=3,
                   markerfacecolor=look.color if banded else "white", zorder=3 - number * 0.1)  # fmt: skip


def _legend(sheet: Sheet, encoders: list[str]) -> None:
    handles = [
        Line2D([], [], color=look.color, linestyle=look.dashes, marker=look.marker, markersize=3,
               label=f"{encoder} (error)")
        for encoder, look in ((encoder, style(number)) for number, encoder in enumerate(encoders))
    ]  # fmt: skip
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=DOTTED, label="as predicted"))
    sheet.legend(handles)


def _caption(arrays: Arrays) -> str:
    return (
        f"Share of positive images against the mean probability in {BINS} bins of equal width, with the expected "
        f"calibration error in the corner. Bars: 95 % of {int(arrays['resamples']):,} resamples of patients; hollow "
        f"markers have none because the bin holds fewer than {FEWEST} patients. Below: images in the bin, on a log "
        "scale."
    )
