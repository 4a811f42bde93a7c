"""The tables of a report, their cells as in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ssl_bench.comparison.cleared import UNCLEAR, unclear_encoder
from ssl_bench.numbers import number_text, p_text
from ssl_bench.report.evaluations import Evaluation, named, other_rows
from ssl_bench.report.run_tables import METRICS, interval_text, signed_text
from ssl_bench.report.table import NO_VALUE, Table
from ssl_bench.report.text import count_text, units
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, Comparison, Estimate, MetricRow


def macro_table(found: Iterable[Evaluation]) -> Table:
    """Macro metrics of every evaluation and encoder, and their differences."""
    rows = []
    for evaluation in found:
        for encoder in evaluation.encoders:
            of_encoder = {metric: evaluation.row(encoder, MACRO, metric) for metric in METRICS}
            cells = (_cell(row, interval_text) + UNCLEAR * unclear_encoder(evaluation.differences, encoder, metric)
                     for metric, row in of_encoder.items())  # fmt: skip
            rows.append((evaluation.name, encoder, *cells))
        pairs = _by_pair([row for row in evaluation.differences if row.label == MACRO])
        for pair, of_pair in pairs.items():
            rows.append((evaluation.name, pair, *(_cell(of_pair.get(metric), signed_text) for metric in METRICS)))
    columns = ("protocol", "encoder", *(f"macro {name} [95 % interval]" for name in METRICS.values()))
    return Table(columns, tuple(rows))


def finding_table(evaluation: Evaluation) -> Table:
    """AUROC and AUPRC of every finding with counts, and the reason where a value or an interval is missing."""
    shown = [(metric, encoder) for metric in METRICS for encoder in evaluation.encoders]
    rows = []
    for label in evaluation.labels:
        of_label = evaluation.of_label(label)
        counts = tuple(count_text(of_label[0].named(name)) for name in ("n_positive", "n_positive_patients"))
        cells = tuple(_cell(evaluation.row(encoder, label, metric), interval_text) for metric, encoder in shown)
        chance = next((row.chance for row in of_label if row.metric == "auprc"), None)
        rows.append((label, *counts, *cells, number_text(chance, ""), _notes(of_label)))
    headings = (f"{METRICS[metric]} {encoder}" for metric, encoder in shown)
    return _table(
        ("finding", f"positive {units(evaluation.rows)}", "positive patients", *headings, "chance AUPRC", "note"),
        rows,
        right=frozenset((1, 2)),
    )


def difference_table(evaluation: Evaluation) -> Table:
    """Differences of pairs of encoders with their intervals and p, for every finding and the macro mean."""
    rows = []
    for label in dict.fromkeys(row.label for row in evaluation.differences):
        of_label = [row for row in evaluation.differences if row.label == label]
        for pair, of_pair in _by_pair(of_label).items():
            cells = [text for metric in METRICS for text in _difference_cells(of_pair.get(metric))]
            rows.append((str(label), pair, *cells, _notes(of_pair.values())))
    headings = [text for name in METRICS.values() for text in (f"{name} difference [95 % interval]", "p")]
    return _table(("finding", "encoders", *headings, "note"), rows)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]], right: frozenset[int] = frozenset()) -> Table:
    """A table whose last column is left out where all its cells are empty."""
    end = len(columns) if any(row[-1] for row in rows) else -1
    return Table(columns[:end], tuple(row[:end] for row in rows), right=right)


def left_out(evaluation: Evaluation) -> list[str]:
    """Findings that the macro mean does not hold, with the reason."""
    macro = next((row for row in evaluation.rows if row.label == MACRO), None)
    if macro is None:
        return []
    lacking = [label for label in evaluation.labels if label not in {*macro.macro_labels, MACRO}]
    return [f"{label} ({_notes(evaluation.of_label(label))})" for label in lacking]


def other_table(record: Record) -> Table:
    """Numbers besides the AUROC and AUPRC of findings."""
    internal = record.data.name
    rows = tuple(
        (named(row, internal), row.encoder, row.label, row.metric, interval_text(row), row.note)
        for row in other_rows(record)
    )
    return Table(("protocol", "encoder", "label", "metric", "value", "note"), rows)


AT_THRESHOLD = {"sensitivity-at-threshold": "sensitivity", "fpr-at-threshold": "false positive rate"}
"""At the threshold of each finding that 90 % of the negative validation images lie below."""


def subgroup_table(record: Record) -> Table:
    """Macro metrics of every subgroup of the test split, and the gap of each attribute with its two groups."""
    kept = [
        row for row in record.metrics
        if row.split == "test" and row.subgroup != "all" and row.label == MACRO
    ]  # fmt: skip
    held = {row.metric for row in kept}
    shown = {**METRICS, **{name: title for name, title in AT_THRESHOLD.items() if name in held}}
    groups: dict[tuple[str, str, str], dict[str, MetricRow]] = {}
    for row in kept:
        key = (named(row, record.data.name), row.encoder, row.subgroup)
        groups.setdefault(key, {})[row.metric.removesuffix("_gap")] = row
    rows = []
    for (name, encoder, subgroup), cells in groups.items():
        first = next(iter(cells.values()))
        gap = first.metric.endswith("_gap")
        counts = (count_text(first.n_images), count_text(first.n_patients))
        texts = (_cell(cells.get(metric), signed_text if gap else interval_text) for metric in shown)
        group = f"{subgroup}: gap" if gap else subgroup
        rows.append((group, *counts, *texts, encoder, name, _notes(cells.values())))
    headings = (f"macro {name} [95 % interval]" for name in shown.values())
    return _table(("group", units(kept), "patients", *headings, "encoder", "protocol", "note"),
                  rows, right=frozenset((1, 2)))  # fmt: skip


def _difference_cells(row: Comparison | None) -> tuple[str, str]:
    return (_cell(row, signed_text), p_text(row.p if row else None, NO_VALUE))


def _cell(row: Estimate | None, text: Callable[[Estimate], str]) -> str:
    return text(row) if row else NO_VALUE


def _notes(rows: Iterable[Estimate]) -> str:
    return "; ".join(dict.fromkeys(row.note for row in rows if row.note))


def _by_pair(rows: Iterable[Comparison]) -> dict[str, dict[str, Comparison]]:
    """Rows by "first - second" and metric."""
    pairs: dict[str, dict[str, Comparison]] = {}
    for row in rows:
        pairs.setdefault(f"{row.encoder} - {row.against}", {})[row.metric] = row
    return pairs
