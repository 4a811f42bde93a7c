"""The result of a run as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console

from ssl_bench import numbers
from ssl_bench.comparison.cleared import NOTE, UNCLEAR, unclear_encoder
from ssl_bench.comparison.pairs import RunDifference, RunPair
from ssl_bench.numbers import number_text, p_text
from ssl_bench.report.render import terminal
from ssl_bench.report.spoken import Spoken
from ssl_bench.report.table import NO_VALUE, Table
from ssl_bench.report.text import count_text, units
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, Comparison, Estimate, Measurement, MetricRow
from ssl_bench.results.rows import CONSTANT

METRICS = {"auroc": "AUROC", "auprc": "AUPRC"}

AnyRow = TypeVar("AnyRow", MetricRow, Comparison)

LISTED = 4
"""Findings of a macro mean that are named in a heading; more of them are counted."""


def interval_text(row: Estimate) -> str:
    """``0.742 [0.701, 0.779]``; a dash where there is no value, ``constant`` where it is that of guessing."""
    return _shown(row, ".3f")


def signed_text(row: Estimate) -> str:
    """``+0.031 [+0.008, +0.054]`` for a difference; otherwise as :func:`interval_text`."""
    return _shown(row, "+.3f")


def _shown(row: Estimate, form: str) -> str:
    if row.note == CONSTANT and row.value is not None:
        return "constant"
    return numbers.interval_text(row.value, row.ci_low, row.ci_high, form)


def on_test(rows: Iterable[AnyRow]) -> list[AnyRow]:
    """Rows of the whole test split; those of its subgroups are in the record alone."""
    return [row for row in rows if row.split == "test" and row.subgroup == "all"]


def internal_rows(rows: Iterable[AnyRow], record: Record) -> list[AnyRow]:
    """Rows of the run's own dataset; those of other datasets have tables of their own."""
    internal = record.data.name
    return [row for row in rows if (row.dataset or internal) == internal]


def on_all_labels(rows: Iterable[AnyRow]) -> list[AnyRow]:
    """Rows of the test split that were fitted with the labels of all training patients."""
    return [row for row in on_test(rows) if row.fraction == 1.0]


def macro_table(record: Record) -> Table:
    """Macro metrics of every encoder and protocol on the test split."""
    rows = internal_rows(on_all_labels(record.metrics), record)
    differences = internal_rows(on_all_labels(record.comparisons), record)
    return _macro_table(rows, differences, title=title(record), caption=caption(record))


def external_tables(record: Record) -> list[Table]:
    """The same for every other dataset, and for each one of several that were joined."""
    rows, differences = on_all_labels(record.metrics), on_all_labels(record.comparisons)
    places = dict.fromkeys((row.dataset, row.fitted_on) for row in rows if row.dataset not in ("", record.data.name))
    return [
        _macro_table(
            [row for row in rows if (row.dataset, row.fitted_on) == place],
            [row for row in differences if (row.dataset, row.fitted_on) == place],
            title=external_title(record, *place),
            caption="",
        )
        for place in places
    ]


def external_title(record: Record, dataset: str, fitted_on: str) -> str:
    """Which images of another dataset were tested, and where the heads come from."""
    rows = [row for row in on_all_labels(record.metrics)
            if (row.dataset, row.fitted_on) == (dataset, fitted_on) and row.label == MACRO]  # fmt: skip
    size = f"{rows[0].n_images} {units(rows)} of {rows[0].n_patients} patients" if rows else "no macro mean"
    held: tuple[str, ...] = next((row.macro_labels for row in rows if row.macro_labels), ())
    findings = ", ".join(held) if len(held) <= LISTED else f"{len(held)} findings"
    synthetic = any(part.name == dataset and part.synthetic for part in record.external)
    where = f"tested on {dataset}{' (SYNTHETIC DATA)' * synthetic}, fitted on {fitted_on}"
    return f"{where}: {size}, macro over {findings or 'no finding'}{chance_text(rows)}"


def _macro_table(metrics: Iterable[MetricRow], comparisons: Iterable[Comparison], *, title: str, caption: str) -> Table:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    differences = list(comparisons)
    for row in metrics:
        if is_macro(row):
            own = [one for one in differences if one.protocol == row.protocol]
            mark = UNCLEAR * unclear_encoder(own, row.encoder, row.metric)
            cells.setdefault((row.protocol, row.encoder), {})[row.metric] = interval_text(row) + mark
    marked = any(UNCLEAR in text for texts in cells.values() for text in texts.values())
    for other in differences:
        if other.label == MACRO:
            name = f"{other.encoder} - {other.against}"
            cells.setdefault((other.protocol, name), {})[other.metric] = signed_text(other)
    ordered = sorted(cells, key=lambda key: key[0])
    first = {protocol: number for number, (protocol, _) in reversed(list(enumerate(ordered)))}
    rows = tuple(
        (protocol if first[protocol] == number else "", encoder,
         *(cells[protocol, encoder].get(name, NO_VALUE) for name in METRICS))
        for number, (protocol, encoder) in enumerate(ordered)
    )  # fmt: skip
    columns = ("protocol", "encoder", *(f"macro {name} [95 % interval]" for name in METRICS.values()))
    return Table(columns, rows, title, f"{caption}\n{NOTE}".strip() if marked else caption)


def is_macro(row: MetricRow) -> bool:
    """Whether a row is the macro mean of AUROC or AUPRC."""
    return row.label == MACRO and row.metric in METRICS


def label_table(record: Record, protocol: str) -> Table:
    """AUROC of every finding on the test split for one protocol, trained beside random."""
    own = internal_rows(on_all_labels(record.metrics), record)
    rows = [row for row in own if row.protocol == protocol and row.metric == "auroc"]
    encoders = list(dict.fromkeys(row.encoder for row in rows))
    lines = []
    for label in dict.fromkeys(row.label for row in rows if row.label != MACRO):
        of_label = {row.encoder: row for row in rows if row.label == label}
        first = next(iter(of_label.values()))
        counts = (str(first.n_positive), str(first.n_positive_patients))
        lines.append((label, *counts, *(interval_text(of_label[encoder]) for encoder in encoders)))
    columns = ("finding", f"positive {units(rows)}", "positive patients", *encoders)
    return Table(columns, tuple(lines), f"{protocol}: AUROC by finding, test split", right=frozenset((1, 2)))


def own_tables(record: Record) -> list[Table]:
    """A table for each protocol with numbers and intervals of its own and no macro mean, as localisation does."""
    rows = on_all_labels(record.metrics)
    judged = {row.protocol for row in rows if is_macro(row)}
    sure = {row.protocol for row in rows if row.metric not in METRICS and row.ci_low is not None}
    own = [row for row in rows if row.protocol in sure - judged and row.metric not in METRICS]
    tables = []
    for protocol, dataset in dict.fromkeys((row.protocol, row.dataset) for row in own):
        here = [row for row in own if (row.protocol, row.dataset) == (protocol, dataset)]
        metrics = list(dict.fromkeys(row.metric for row in here))
        rows_of = []
        for label, encoder in dict.fromkeys((row.label, row.encoder) for row in here):
            found = {row.metric: row for row in here if (row.label, row.encoder) == (label, encoder)}
            texts = (interval_text(found[name]) if name in found else NO_VALUE for name in metrics)
            rows_of.append((label, encoder, *texts))
        table = Table(("finding", "encoder", *metrics), tuple(rows_of), f"{protocol} on {dataset}, test split")
        tables.append(table)
    return tables


def title(record: Record) -> str:
    """What was run on what."""
    features = f" with {', '.join(record.features)} ({record.fusion})" if record.features else ""
    data = record.data.name + (" (SYNTHETIC DATA)" if record.synthetic else "")
    return f"{record.method}{features} on {data}, test split, seed {record.settings.seed}"


def caption(record: Record) -> str:
    """Counts and notes under the table."""
    test = record.data.splits.get("test")
    if test is None:
        told = f"{record.data.name} has no labels: results are those of the other test sets"
        return "\n".join([told, *(f"note: {note}" for note in record.notes)])
    rows = [row for row in internal_rows(on_all_labels(record.metrics), record) if is_macro(row)]
    studies = [f"{row.n_images} studies of " for row in rows if row.unit == "study"][:1]
    size = f"{''.join(studies)}{test.images} images of {test.patients} patients"
    lines = [
        f"{size}; {held_text(rows, len(record.data.labels))}{chance_text(rows)}; "
        f"intervals from {record.settings.evaluate.replicates:,} resamples of patients",
        *beyond_text(rows),
    ]
    return "\n".join([*lines, *(f"note: {note}" for note in record.notes)])


def chance_text(rows: Iterable[MetricRow]) -> str:
    """``; chance of macro AUPRC 0.213``: of scores that say nothing; several where findings differ."""
    known = [row.chance for row in rows if row.metric == "auprc" and row.chance is not None]
    told = " or ".join(dict.fromkeys(f"{chance:.3f}" for chance in known))
    return f"; chance of macro AUPRC {told}" if told else ""


def held_text(rows: Iterable[MetricRow], known: int) -> str:
    """Which findings the macro means of a table are over: ``macro over 5 of 8 findings``, by protocol if they differ.

    Args:
        rows: macro means, those of the table alone.
        known: number of findings.
    """
    by_set: dict[frozenset[str], dict[str, None]] = {}
    for row in rows:
        by_set.setdefault(frozenset(row.macro_labels), {})[row.protocol] = None
    if len(by_set) < 2:
        return f"macro over {len(next(iter(by_set), ()))} of {known} findings"
    told = (f"{len(held)} ({', '.join(protocols)})" for held, protocols in by_set.items())
    return f"macro over different findings, {' and '.join(told)} of {known}"


def beyond_text(rows: Iterable[MetricRow]) -> list[str]:
    """Means over all findings with a value, where some of them have too few patients for the macro mean."""
    wider = [row for row in rows if beyond(row)]
    told = [f"{row.protocol} {row.encoder} {METRICS[row.metric]} {row.value_all:.3f} over "
            f"{len(row.all_labels)}" for row in wider]  # fmt: skip
    return (
        [f"means over all findings with a value, a point estimate without an interval: {'; '.join(told)}"]
        if told
        else []
    )


def beyond(row: MetricRow) -> bool:
    """Whether a macro mean leaves out findings that have a value, but too few patients for a claim."""
    return row.value_all is not None and len(row.all_labels) > len(row.macro_labels)


def print_scores(heading: str, rows: Sequence[Measurement], notes: Iterable[str]) -> None:
    """Print metrics of one set of predictions, a finding a line."""
    lines = []
    for label in dict.fromkeys(row.label for row in rows):
        of_label = {row.metric: row for row in rows if row.label == label}
        first = of_label["auroc"]
        counts = [count_text(first.n_positive), count_text(first.n_positive_patients)]
        texts = (*(interval_text(of_label[name]) for name in METRICS), number_text(of_label["auprc"].chance, ""))
        lines.append((label, *counts, *texts, first.note))
    intervals = (f"{name} [95 % interval]" for name in METRICS.values())
    columns = ("finding", "positive", "patients", *intervals, "chance AUPRC", "note")
    console = plain_console()
    console.print(terminal(Table(columns, tuple(lines), heading)))
    others = [row for row in rows if row.metric not in METRICS and row.label == MACRO]
    if others:
        beside = tuple((row.metric, interval_text(row), row.note) for row in others)
        console.print(terminal(Table(("metric", "macro [95 % interval]", "note"), beside, "other metrics")))
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)


def plain_console() -> Console:
    """Standard output, wide enough for a table where it is a file; brackets in names are no markup."""
    console = Spoken()
    if not console.is_terminal:
        console.width = 120
    return console


def print_comparison(comparison: RunPair, replicates: int) -> None:
    """Print the differences between two runs, macro first."""
    heading = f"{comparison.run} minus {comparison.against}, test split, {replicates:,} resamples of patients"
    rows = sorted(comparison.rows, key=lambda row: row.label != MACRO)
    lines = []
    for protocol, label in dict.fromkeys((row.protocol, row.label) for row in rows):
        cells = {row.metric: row for row in rows if (row.protocol, row.label) == (protocol, label)}
        first = cells["auroc"]
        differences = (f"{signed_text(cells[name])} {cells[name].mark}".strip() for name in METRICS)
        lines.append((protocol, label, *differences, _p_text(first), p_text(first.delong_p)))
    intervals = (f"{name} [95 % interval]" for name in METRICS.values())
    console = plain_console()
    console.print(terminal(Table(("protocol", "finding", *intervals, "p", "DeLong p"), tuple(lines), heading)))
    beside = [row for row in rows if row.metric not in METRICS]
    if beside:
        console.print(terminal(_other_differences(beside)))
    for note in comparison.notes:
        console.print(f"note: {note}")


def _other_differences(rows: Iterable[RunDifference]) -> Table:
    """Differences in metrics that were asked for, a line each."""
    lines = tuple(
        (row.protocol, row.metric, row.label, f"{signed_text(row)} {row.mark}".strip(), _p_text(row)) for row in rows
    )
    return Table(("protocol", "metric", "finding", "difference [95 % interval]", "p"), lines)


def _p_text(row: RunDifference) -> str:
    """``0.012 (Holm 0.031)``."""
    return p_text(row.p) + (f" (Holm {p_text(row.p_holm)})" if row.p_holm is not None else "")
