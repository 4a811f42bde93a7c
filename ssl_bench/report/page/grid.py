"""The sortable table of the page: columns, rows and the filters above it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ssl_bench.numbers import p_equals
from ssl_bench.pretrain.health import UNREADY
from ssl_bench.report.columns import UNKNOWN, Column, columns
from ssl_bench.report.leaderboard import Board, Entry
from ssl_bench.report.leaderboard_text import metric_cells
from ssl_bench.report.table import Table, TableCell


@dataclass(frozen=True)
class Filter:
    """A choice above the table: values of one of its columns, counted from 0."""

    name: str
    column: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class PageTable:
    """The whole table.

    Attributes:
        table: a row a configuration: its rank, its name and a cell for each further column.
        origins: of each row the number of its provenance.
        baseline: of each row whether others are compared with it.
        filters: one for each property in which rows differ.
        common: properties that all rows share, by name; they have no column.
    """

    table: Table
    origins: tuple[int, ...]
    baseline: tuple[bool, ...]
    filters: tuple[Filter, ...]
    common: dict[str, str]


def grid(board: Board) -> PageTable:
    """The table of a leaderboard; columns that would say nothing are left out."""
    number = {group.name: index for index, group in enumerate(board.groups)}
    rows = [_cells(entry, board.metrics) for entry in board.entries]
    numeric = {one.heading for one in columns("page") if one.form} | {*_headings(board.metrics)}
    kept = [name for name in rows[0] if len({row[name] for row in rows}) > 1 or name in numeric]
    kept = [name for name in kept if not name.endswith(" SD") or any(row[name].value is not None for row in rows)]
    sizes = [one.heading for one in columns("page", "encoder")]
    empty = {name for name in sizes if all(row[name].value is None for row in rows)}
    kept = [name for name in kept if name not in empty]
    headings = ("rank", "configuration", *kept)
    lines = tuple((None if entry.rank is None else str(entry.rank), f"{entry.name}{f' {UNREADY}' * entry.unready}",
                   *(row[name] for name in kept)) for entry, row in zip(board.entries, rows, strict=True))  # fmt: skip
    right = frozenset((0, *(place for place, name in enumerate(headings) if name in numeric)))
    return PageTable(
        Table(headings, lines, "Macro means over findings, by protocol and dataset", right=right),
        tuple(number[entry.group.name] for entry in board.entries),
        tuple(entry.group.name == board.baseline.name for entry in board.entries),
        tuple(Filter(name, headings.index(name), _values(row[name] for row in rows))
              for name in kept if name not in numeric),
        {name: cell.text for name, cell in rows[0].items()
         if not (name in kept or name in numeric or cell.text == UNKNOWN)},
    )  # fmt: skip


def _values(cells: Iterable[TableCell]) -> tuple[str, ...]:
    return tuple(sorted({cell.text for cell in cells}))


def _headings(metrics: Mapping[str, str]) -> list[str]:
    return [heading for name in metrics.values() for heading in (f"macro {name}", f"{name} SD", f"{name} to baseline")]


def _cells(entry: Entry, metrics: Mapping[str, str]) -> dict[str, TableCell]:
    """Every column of a row by its heading: texts, numbers of the row, metrics, encoder and cost."""
    shown = columns("page")
    cells = {one.heading: _cell(one, entry) for one in shown if not one.form}
    cells |= {one.heading: _cell(one, entry) for one in shown if one.form and one.part == "row"}
    measured = [cell for metric in metrics for cell in _metric_cells(entry, metric)]
    cells |= dict(zip(_headings(metrics), measured, strict=True))
    return cells | {one.heading: _cell(one, entry) for one in shown if one.form and one.part != "row"}


def _cell(column: Column, entry: Entry) -> TableCell:
    return TableCell(column.text(entry), value=column.number(entry))


def _metric_cells(entry: Entry, metric: str) -> tuple[TableCell, TableCell, TableCell]:
    """As in the terminal, with p beneath the difference."""
    value, spread, difference = metric_cells(entry, metric)
    cell = entry.cells.get(metric)
    if cell is None:
        return value, spread, difference
    reason = cell.test.reason if cell.test else ""
    p = p_equals(cell.p_holm) if cell.p_holm is not None else reason.partition(",")[0]
    return value, spread, replace(difference, rest=tuple(filter(None, (*difference.rest, p))))
