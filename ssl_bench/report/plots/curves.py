"""ROC and precision-recall curves on the test split, a small panel for every finding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ssl_bench.comparison.run import table_of
from ssl_bench.report.evaluations import Evaluation
from ssl_bench.report.kept import Arrays, kept_or_new, of_record, read_table
from ssl_bench.report.palette import GREY, readable, style
from ssl_bench.report.plots.canvas import DOTTED, PanelGrid, Picture, Sheet, grid_height, wrapped
from ssl_bench.report.plots.points import GRID, VERSION, Curve, Floats, Weights, affordable, curves, resamples
from ssl_bench.report.run_tables import METRICS
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, MetricRow
from ssl_bench.results.rows import prediction_frame
from ssl_bench.results.rundir import RunDirectory, prediction_file
from ssl_bench.stats.predictions import IMAGES, in_unit_of

COLUMNS = 4


@dataclass(frozen=True)
class Kind:
    """One kind of curve: its metric, the stem of its files, and its words."""

    metric: str
    stem: str
    title: str
    x: str
    y: str
    chance: str


ROC = Kind("auroc", "roc", "ROC curves", "false positive rate", "true positive rate", "chance")
PR = Kind("auprc", "pr", "Precision-recall curves", "recall", "precision", "chance (prevalence)")


def roc_and_pr(evaluation: Evaluation, run: RunDirectory, record: Record) -> list[Picture]:
    """ROC and PR picture of one evaluation.

    Args:
        evaluation: with its rows.
        run: folder of the predictions.
        record: of the run.

    Raises:
        LeftOut: predictions are missing or damaged.
    """
    arrays = curve_points(evaluation, run, record)
    return [_picture(kind, evaluation, record, arrays) for kind in (ROC, PR)]


def curve_points(evaluation: Evaluation, run: RunDirectory, record: Record) -> Arrays:
    """Corners and bands of every encoder and label, from ``plots/curves-<name>.npz`` where they are kept.

    Raises:
        LeftOut: predictions are missing or damaged.
    """
    return of_predictions("curves", VERSION, _of_encoder, evaluation, run, record)


class OfLabel(Protocol):
    """Coordinates of one encoder and finding, from truth and scores (N,), patients (N,) and weights (R, N)."""

    def __call__(
        self, encoder: str, label: str, truth: Floats, scores: Floats, patients: npt.NDArray[Any], weights: Weights
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Arrays by name."""


class OfEncoder(Protocol):
    """Coordinates of one encoder's predictions."""

    def __call__(
        self, evaluation: Evaluation, encoder: str, frame: pd.DataFrame, *, replicates: int, seed: int
    ) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""


def of_predictions(
    stem: str, version: int, of_encoder: OfEncoder, evaluation: Evaluation, run: RunDirectory, record: Record
) -> Arrays:
    """Coordinates from the kept predictions of all encoders, from ``plots/<stem>-<name>.npz`` where they are kept.

    Raises:
        LeftOut: predictions are missing or damaged.
    """
    files = {encoder: of_record(run, run.predictions(encoder, *_file(evaluation, encoder)), record)
             for encoder in evaluation.encoders}  # fmt: skip
    rows = {encoder: _row(evaluation, encoder) for encoder in evaluation.encoders}
    drawn = {"replicates": record.settings.evaluate.replicates or 0, "seed": record.settings.seed}

    def make() -> Arrays:
        arrays: dict[str, npt.NDArray[Any]] = {}
        for encoder, path in files.items():
            arrays |= of_encoder(evaluation, encoder, _in_unit(read_table(path), rows[encoder], path), **drawn)
        return arrays

    path = run.path / "plots" / f"{stem}-{evaluation.slug}.npz"
    units = sorted({row.aggregate for row in rows.values()} - {IMAGES})
    return kept_or_new(path, files.values(), {**drawn, "version": version, **({"units": units} if units else {})}, make)


def of_each_label(
    of_label: OfLabel, evaluation: Evaluation, encoder: str, frame: pd.DataFrame, *, replicates: int, seed: int
) -> dict[str, npt.NDArray[Any]]:
    """Coordinates of one encoder, finding by finding on the same resamples; what was not fitted is left out."""
    patients = frame["patient_id"].to_numpy(dtype=str)
    weights = resamples(patients, affordable(replicates, len(frame)), seed)
    arrays: dict[str, npt.NDArray[Any]] = {"resamples": np.array(len(weights))}
    for label in evaluation.labels:
        if label != MACRO and frame[f"p_{label}"].notna().any():
            truth, scores = (frame[f"{kind}_{label}"].to_numpy(np.float64) for kind in "yp")
            arrays |= of_label(encoder, label, truth, scores, patients, weights)
    return arrays


def _file(evaluation: Evaluation, encoder: str) -> tuple[str, Mapping[str, Any]]:
    """Name and remaining identity of an encoder's predictions."""
    return prediction_file(_row(evaluation, encoder))


def _row(evaluation: Evaluation, encoder: str) -> MetricRow:
    return next(row for row in evaluation.rows if row.encoder == encoder)


def _in_unit(frame: pd.DataFrame, row: MetricRow, path: Path) -> pd.DataFrame:
    """Kept predictions in the unit of a row."""
    return frame if row.aggregate == IMAGES else prediction_frame(in_unit_of(table_of(frame), row.aggregate, path))


def _of_encoder(
    evaluation: Evaluation, encoder: str, frame: pd.DataFrame, *, replicates: int, seed: int
) -> dict[str, npt.NDArray[Any]]:
    weights = resamples(frame["patient_id"].to_numpy(dtype=str), affordable(replicates, len(frame)), seed)
    arrays: dict[str, npt.NDArray[Any]] = {"resamples": np.array(len(weights))}
    for label in evaluation.labels:
        row = evaluation.row(encoder, label, "auroc")
        if label == MACRO or row is None or row.value is None:
            continue
        truth = frame[f"y_{label}"].to_numpy(np.float64)
        band = weights if row.ci_low is not None else None
        found = curves(truth, frame[f"p_{label}"].to_numpy(np.float64), band)
        for stem, curve in zip((ROC.stem, PR.stem), found, strict=True):
            arrays |= {f"{stem}/{encoder}/{label}/points": curve.points, f"{stem}/{encoder}/{label}/band": curve.band}
        arrays[f"prevalence/{label}"] = np.nanmean(truth)
    return arrays


def _picture(kind: Kind, evaluation: Evaluation, record: Record, arrays: Arrays) -> Picture:
    labels = [label for label in evaluation.labels if label != MACRO]
    names = [panel_name(evaluation, label) for label in labels]
    grid = panel_grid(names, height=1.3, left=0.5, gap_x=0.2, gap_y=0.34)
    title = f"{kind.title}: {evaluation.name}"
    sheet = Sheet(record, title, grid_height(grid))
    panels = sheet.panels(grid)
    for number, panel in enumerate(panels):
        if number >= len(labels):
            panel.remove()
            continue
        panel.set_title(names[number])
        _draw_label(panel, kind, evaluation, labels[number], arrays)
        panel.tick_params(labelleft=number % grid.columns == 0, labelbottom=number + grid.columns >= len(labels))
    sheet.text(sheet.width / 2, 0.27, kind.x, ha="center")
    sheet.text(0.06, 0.65 + (sheet.body - 0.95) / 2, kind.y, va="center", rotation=90)
    _legend(sheet, kind, evaluation.encoders)
    return Picture(f"{kind.stem}-{evaluation.slug}", title, _caption(kind, arrays), sheet.figure)


def _draw_label(panel: Axes, kind: Kind, evaluation: Evaluation, label: str, arrays: Arrays) -> None:
    rows = [evaluation.row(encoder, label, kind.metric) for encoder in evaluation.encoders]
    first = next(row for row in rows if row is not None)
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    panel.set_xticklabels(["0", "0.5", "1"])
    panel.set_yticklabels(["0", "0.5", "1"])
    if first.value is None:
        panel.text(0.5, 0.5, wrapped(first.note, 22), ha="center", va="center", color=GREY, style="italic")
        return
    _draw_chance(panel, kind, arrays, label)
    for number, (encoder, row) in enumerate(zip(evaluation.encoders, rows, strict=True)):
        key = f"{kind.stem}/{encoder}/{label}"
        if row is not None and f"{key}/points" in arrays:
            _draw_curve(panel, kind, Curve(arrays[f"{key}/points"], arrays[f"{key}/band"]), number)
            _write_value(panel, kind, row, number, len(rows))


def _draw_chance(panel: Axes, kind: Kind, arrays: Arrays, label: str) -> None:
    chance = [0.0, 1.0] if kind is ROC else [float(arrays[f"prevalence/{label}"])] * 2
    panel.plot([0, 1], chance, color=GREY, linewidth=0.8, linestyle=DOTTED, zorder=1)


def _draw_curve(panel: Axes, kind: Kind, curve: Curve, number: int) -> None:
    look = style(number)
    if curve.band.size:
        panel.fill_between(GRID, *curve.band, color=look.color, alpha=0.16, linewidth=0, zorder=1)
    steps = "default" if kind is ROC else "steps-pre"
    panel.plot(
        *curve.points, color=look.color, linestyle=look.dashes, linewidth=1.1, drawstyle=steps, zorder=3 - number * 0.1
    )


def _write_value(panel: Axes, kind: Kind, row: MetricRow, number: int, count: int) -> None:
    """The value, in the corner that the curves leave free."""
    place = 0.04 + 0.11 * (count - 1 - number) if kind is ROC else 0.97 - 0.11 * number
    panel.text(0.99, place, f"{row.value:.3f}", ha="right", va="bottom" if kind is ROC else "top",
               color=style(number).color, transform=panel.transAxes)  # fmt: skip


def panel_grid(names: Sequence[str], *, height: float, left: float, gap_x: float, gap_y: float) -> PanelGrid:
    """A grid with a panel for each name, with room for the longest name; sizes as in :class:`PanelGrid`."""
    columns = min(COLUMNS, len(names))
    lines = 0.13 * max(name.count("\n") for name in names)
    return PanelGrid(rows=math.ceil(len(names) / columns), columns=columns, height=height, left=left, bottom=0.65,
                gap_x=gap_x, gap_y=gap_y + lines, top=0.3 + lines)  # fmt: skip


def panel_name(evaluation: Evaluation, label: str) -> str:
    """A finding with its count of positive patients, over its panel."""
    return wrapped(f"{readable(label)} ({evaluation.of_label(label)[0].n_positive_patients})", 22)


def _legend(sheet: Sheet, kind: Kind, encoders: list[str]) -> None:
    name = METRICS[kind.metric]
    looks = {f"{encoder} ({name})": style(number) for number, encoder in enumerate(encoders)}
    handles = [Line2D([], [], color=look.color, linestyle=look.dashes, label=text) for text, look in looks.items()]
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=DOTTED, label=kind.chance))
    sheet.legend(handles)


def _caption(kind: Kind, arrays: Arrays) -> str:
    return (
        f"{kind.title} of every finding on the test split, with the count of positive patients. Bands: pointwise "
        f"95 % of {int(arrays['resamples']):,} resamples of patients, where there are enough patients for an interval."
    )
