"""The leaderboard in the terminal, and the texts of its cells that the page shows too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ssl_bench.numbers import ends_text, number_text
from ssl_bench.pretrain.health import UNREADY
from ssl_bench.report.columns import Column, columns
from ssl_bench.report.leaderboard import Board, Entry
from ssl_bench.report.palette import STAMP
from ssl_bench.report.paper import PaperCell
from ssl_bench.report.render import terminal
from ssl_bench.report.run_tables import METRICS, plain_console
from ssl_bench.report.table import NO_VALUE, Table, TableCell
from ssl_bench.report.tuned import NEITHER
from ssl_bench.results.rows import CONSTANT
from ssl_bench.stats.intervals import Interval


def print_board(board: Board) -> None:
    """Print a table for each protocol and dataset, what the marks mean, and what is left out."""
    console = plain_console()
    if not console.is_terminal:
        console.width = 160
    for (protocol, *_), entries in board.by_setting().items():
        stamp = f" ({STAMP})" if any(run.record.synthetic for e in entries for run in e.group.runs) else ""
        console.print(f"{protocol} on {entries[0].data}{stamp}, test split, macro means")
        console.print(terminal(_table(entries, board.baseline.name)))
        if board.beside:
            console.print(terminal(_beside(entries, board.beside)))
    if (encoders := _encoder_table(board.entries)) is not None:
        console.print(terminal(encoders))
    for note in board.notes():
        console.print(f"note: {note}", soft_wrap=True)
    for one in board.excluded:
        console.print(f"left out: {one.folder or one.what}: {one.reason}", soft_wrap=True)


def _table(entries: list[Entry], baseline: str) -> Table:
    about, beside = columns("terminal", "row"), [*columns("terminal", "cost"), *_tuning(entries)]
    metrics = [heading for name in METRICS.values() for heading in (f"{name} [95 %]", "SD", "to baseline")]
    before = ["", "configuration", *(one.heading for one in about), *metrics]
    rows = []
    for entry in entries:
        name = f"{entry.name}{f' {UNREADY}' * entry.unready}{' (baseline)' * (entry.group.name == baseline)}"
        numbers = [cell for metric in METRICS for cell in metric_cells(entry, metric)]
        rank = None if entry.rank is None else str(entry.rank)
        rows.append((rank, name, *_texts(entry, about), *numbers, *_texts(entry, beside)))
    right = (number for number, one in enumerate(beside, start=len(before)) if one.form)
    return Table((*before, *(one.heading for one in beside)), tuple(rows), right=frozenset((0, *right)))


def _texts(entry: Entry, shown: Iterable[Column]) -> list[str]:
    return [one.text(entry) for one in shown]


def _tuning(entries: Iterable[Entry]) -> list[Column]:
    """Columns of tuning; none where no row was tuned."""
    shown = columns("terminal", "tuning")
    return shown if any(entry.tuned != NEITHER for entry in entries) else []


def _beside(entries: list[Entry], metrics: Mapping[str, str]) -> Table:
    """Metrics that were asked for, a line each: they do not rank."""
    rows = ((name, entry.name, *metric_cells(entry, metric)) for metric, name in metrics.items() for entry in entries)
    return Table(("metric", "configuration", "value [95 %]", "SD", "to baseline"), tuple(rows))


def metric_cells(entry: Entry, metric: str) -> tuple[TableCell, TableCell, TableCell]:
    """Value with interval, spread between seeds, difference to the baseline with its mark."""
    cell = entry.cells.get(metric)
    if cell is None:
        return (TableCell(NO_VALUE),) * 3
    value = ranged(cell.interval, ".3f")
    return (
        replace(value, mark=cell.seen),
        TableCell(number_text(cell.sd), value=cell.sd),
        difference_cell(cell, entry.differences[metric]),
    )


def difference_cell(cell: PaperCell, difference: float | None) -> TableCell:
    """``+0.031 [+0.008, +0.054] †``; without interval and mark where the rules permit no test."""
    if difference is None:
        return TableCell(NO_VALUE)
    found = cell.test.difference if cell.test else Interval(None)
    ends = (found.low, found.high) if found.value is not None else (None, None)
    return replace(ranged(Interval(difference, *ends), "+.3f"), mark=cell.mark)


def ranged(interval: Interval, form: str) -> TableCell:
    """A value with its interval where it has one."""
    if interval.note == CONSTANT and interval.value is not None:
        return TableCell("constant", value=interval.value)
    ends = ends_text(interval.low, interval.high, form)
    text = NO_VALUE if interval.value is None else f"{interval.value:{form}}"
    return TableCell(text, (ends,) if ends else (), value=interval.value)


def _encoder_table(entries: Iterable[Entry]) -> Table | None:
    """What the encoders are, each once; None where no record says."""
    shown = columns("terminal", "encoder")
    rows = {entry.name: _texts(entry, shown) for entry in entries
            if not entry.line.blind and any(one.number(entry) is not None for one in shown)}  # fmt: skip
    if not rows:
        return None
    headings = ("configuration", *(one.heading for one in shown))
    lines = tuple((name, *texts) for name, texts in rows.items())
    return Table(headings, lines, "encoders", right=frozenset(range(1, len(headings))))
