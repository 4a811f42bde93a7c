"""The leaderboard in the terminal, and the texts of its cells that the page shows too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.table import Table

from ssl_bench.numbers import interval_text, number_text
from ssl_bench.pretrain.health import UNREADY
from ssl_bench.report.columns import Column, columns
from ssl_bench.report.leaderboard import Board, Entry
from ssl_bench.report.palette import STAMP
from ssl_bench.report.paper import PaperCell
from ssl_bench.report.table import METRICS, plain_console
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
        console.print(_table(entries, board.baseline.name))
        if board.beside:
            console.print(_beside(entries, board.beside))
    if (encoders := _encoder_table(board.entries)) is not None:
        console.print(encoders)
    for note in board.notes():
        console.print(f"note: {note}", soft_wrap=True)
    for one in board.excluded:
        console.print(f"left out: {one.folder or one.what}: {one.reason}", soft_wrap=True)


def _table(entries: list[Entry], baseline: str) -> Table:
    headings = [heading for name in METRICS.values() for heading in (f"{name} [95 %]", "SD", "to baseline")]
    about, beside = columns("terminal", "row"), [*columns("terminal", "cost"), *_tuning(entries)]
    table = Table()
    table.add_column("", justify="right")
    for heading in ("configuration", *(one.heading for one in about), *headings):
        table.add_column(heading)
    for one in beside:
        table.add_column(one.heading, justify="right" if one.form else "left")
    for entry in entries:
        name = f"{entry.name}{f' {UNREADY}' * entry.unready}{' (baseline)' * (entry.group.name == baseline)}"
        numbers = [text for metric in METRICS for text in metric_texts(entry, metric)]
        rank = "-" if entry.rank is None else str(entry.rank)
        table.add_row(rank, name, *_texts(entry, about), *numbers, *_texts(entry, beside))
    return table


def _texts(entry: Entry, shown: Iterable[Column]) -> list[str]:
    return [one.text(entry) for one in shown]


def _tuning(entries: Iterable[Entry]) -> list[Column]:
    """Columns of tuning; none where no row was tuned."""
    shown = columns("terminal", "tuning")
    return shown if any(entry.tuned != NEITHER for entry in entries) else []


def _beside(entries: list[Entry], metrics: Mapping[str, str]) -> Table:
    """Metrics that were asked for, a line each: they do not rank."""
    table = Table("metric", "configuration", "value [95 %]", "SD", "to baseline")
    for metric, name in metrics.items():
        for entry in entries:
            table.add_row(name, entry.name, *metric_texts(entry, metric))
    return table


def metric_texts(entry: Entry, metric: str) -> tuple[str, str, str]:
    """Value with interval, spread between seeds, difference to the baseline with its mark."""
    cell = entry.cells.get(metric)
    if cell is None:
        return "-", "-", "-"
    return (
        f"{ranged(cell.interval, '.3f')} {cell.seen}".strip(),
        number_text(cell.sd),
        difference_text(cell, entry.differences[metric]),
    )


def difference_text(cell: PaperCell, difference: float | None) -> str:
    """``+0.031 [+0.008, +0.054] †``; without interval and mark where the rules permit no test."""
    if difference is None:
        return "-"
    found = cell.test.difference if cell.test else Interval(None)
    ends = (found.low, found.high) if found.value is not None else (None, None)
    return f"{ranged(Interval(difference, *ends), '+.3f')} {cell.mark}".strip()


def ranged(interval: Interval, form: str) -> str:
    """A value with its interval where it has one."""
    if interval.note == CONSTANT and interval.value is not None:
        return "constant"
    return interval_text(interval.value, interval.low, interval.high, form)


def _encoder_table(entries: Iterable[Entry]) -> Table | None:
    """What the encoders are, each once; None where no record says."""
    shown = columns("terminal", "encoder")
    rows = {entry.name: _texts(entry, shown) for entry in entries
            if not entry.line.blind and any(one.number(entry) is not None for one in shown)}  # fmt: skip
    if not rows:
        return None
    table = Table(title="encoders")
    table.add_column("configuration")
    for one in shown:
        table.add_column(one.heading, justify="right")
    for name, texts in rows.items():
        table.add_row(name, *texts)
    return table
