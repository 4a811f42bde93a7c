"""Forest plot: AUROC or AUPRC with its interval for every finding and the macro mean, one encoder beside the other."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ssl_bench.report.evaluations import Evaluation
from ssl_bench.report.palette import BLACK, GREY, LIGHT, Style, readable, style
from ssl_bench.report.plots.canvas import DOTTED, Picture, Sheet, wrapped
from ssl_bench.report.run_tables import METRICS, interval_text
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, MetricRow

ROW, SPACE, HEAD, FOOT = 0.155, 0.1, 0.32, 0.42
"""Inches: of one encoder's line, between findings, above the panel, below it."""

LEFT, RIGHT = 1.75, 1.55
"""Inches beside the panel: names of the findings, and values."""


def forest_plot(evaluation: Evaluation, record: Record, metric: str = "auroc") -> Picture:
    """Intervals of one evaluation, beside chance: one half, or for AUPRC the prevalence of each finding.

    Args:
        evaluation: with its rows.
        record: of the run.
        metric: ``auroc`` or ``auprc``.
    """
    encoders, labels = evaluation.encoders, evaluation.labels
    height = len(labels) * _share(len(encoders))
    title = f"{METRICS[metric]} by finding: {evaluation.name}"
    sheet = Sheet(record, title, HEAD + height + FOOT)
    panel = sheet.axes(LEFT, FOOT, sheet.width - LEFT - RIGHT, height)
    for number, label in enumerate(labels):
        _draw_label(panel, evaluation, label, number, metric)
    _finish(panel, evaluation, sheet, metric)
    stem = "forest" if metric == "auroc" else f"forest-{metric}"
    return Picture(f"{stem}-{evaluation.slug}", title, _caption(record, metric), sheet.figure)


def _draw_label(panel: Axes, evaluation: Evaluation, label: str, number: int, metric: str) -> None:
    """One finding: a line for each encoder, around the height ``number``."""
    if label == MACRO:
        panel.axhline(number - 0.5, color=BLACK, linewidth=0.6)
    rows = [evaluation.row(encoder, label, metric) for encoder in evaluation.encoders]
    _draw_chance(panel, rows, number)
    reasons = {row.note for row in rows if row is not None and row.value is None}
    if len(reasons) == 1 and all(row is None or row.value is None for row in rows):
        _write_reason(panel, reasons.pop(), number, GREY)
        return
    for place, row in enumerate(rows):
        height = number + (place - (len(rows) - 1) / 2) * ROW / _share(len(rows))
        if row is not None and row.value is None:
            _write_reason(panel, row.note, height, style(place).color)
        elif row is not None:
            _draw_row(panel, row, height, style(place), macro=label == MACRO)


def _draw_chance(panel: Axes, rows: Sequence[MetricRow | None], number: int) -> None:
    """A dotted mark over the height of one finding."""
    chance = next((row.chance for row in rows if row is not None and row.chance is not None), None)
    if chance is not None:
        panel.plot([chance] * 2, [number - 0.5, number + 0.5], color=GREY, linewidth=0.8, linestyle=DOTTED, zorder=0)


def _share(encoders: int) -> float:
    """Inches of a finding: a line for each encoder, and room for two lines of its name."""
    return max(encoders, 2) * ROW + SPACE


def _write_reason(panel: Axes, reason: str, height: float, color: str) -> None:
    beside = panel.get_yaxis_transform()
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    panel.text(0.01, height, reason, transform=beside, va="center", color=GREY, style="italic", bbox=behind)
    panel.text(1.03, height, "no value", transform=beside, va="center", color=color)


def _draw_row(panel: Axes, row: MetricRow, height: float, look: Style, *, macro: bool) -> None:
    interval = row.ci_low is not None
    if row.ci_low is not None and row.ci_high is not None:
        panel.plot([row.ci_low, row.ci_high], [height] * 2, color=look.color, linestyle=look.dashes)
    panel.plot(row.value or 0.0, height, look.marker, color=look.color, markersize=6 if macro else 4.5,
               markerfacecolor=look.color if interval else "white")  # fmt: skip
    text = interval_text(row) + ("" if interval else "  (no interval)")
    panel.text(1.03, height, text, transform=panel.get_yaxis_transform(), va="center", color=look.color,
               weight="bold" if macro else None)  # fmt: skip


def _finish(panel: Axes, evaluation: Evaluation, sheet: Sheet, metric: str) -> None:
    labels = evaluation.labels
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set_yticks(range(len(labels)), [_label_text(evaluation, label) for label in labels])
    panel.tick_params(axis="y", length=0)
    panel.set_xlim(*_limits(evaluation, metric))
    chance = "chance" if metric == "auroc" else "chance, the prevalence"
    panel.set_xlabel(f"{METRICS[metric]} (dotted: {chance})")
    panel.spines["left"].set_visible(False)
    for number in range(1, len(labels)):
        panel.axhline(number - 0.5, color=LIGHT, linewidth=0.4, zorder=0)
    top = sheet.body - HEAD + 0.06
    sheet.text(LEFT - 0.04, top, "finding (positive patients)", color=GREY, ha="right")
    sheet.text(sheet.width - RIGHT + 0.1, top, f"{METRICS[metric]} [95 % interval]", color=GREY)
    _legend(panel, evaluation.encoders)


def _legend(panel: Axes, encoders: list[str]) -> None:
    for number, encoder in enumerate(encoders):
        look = style(number)
        panel.plot([], [], color=look.color, linestyle=look.dashes, marker=look.marker, markersize=4.5, label=encoder)
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(encoders), borderaxespad=0.35, borderpad=0,
                 handlelength=3)  # fmt: skip


def _label_text(evaluation: Evaluation, label: str) -> str:
    rows = evaluation.of_label(label)
    if label == MACRO:
        held = len(rows[0].macro_labels)
        return f"macro ({held} of {len(evaluation.labels) - 1} findings)"
    return wrapped(f"{readable(label)} ({rows[0].n_positive_patients})", 27)


def _limits(evaluation: Evaluation, metric: str) -> tuple[float, float]:
    """A range that holds every interval and chance, to the next tenth."""
    rows = [row for row in evaluation.rows if row.metric == metric and row.value is not None]
    ends = [end for row in rows for end in (row.ci_low, row.value, row.ci_high) if end is not None]
    ends += [row.chance for row in rows if row.chance is not None] or [0.5]
    low, high = min(ends), max(ends)
    return max(-0.02, int(low * 10 - 0.1) / 10 - 0.02), min(1.02, (int(high * 10 + 0.1) + 1) / 10 + 0.02)


def _caption(record: Record, metric: str) -> str:
    return (
        f"{METRICS[metric]} on the test split with 95 % intervals from "
        f"{record.settings.evaluate.replicates:,} resamples of patients; hollow markers have no interval "
        "because there are too few positive or negative patients. The count is of positive patients."
    )
