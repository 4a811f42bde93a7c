"""The sortable table of the page: columns, rows and the filters above it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ssl_bench.numbers import p_equals
from ssl_bench.pretrain.health import UNREADY
from ssl_bench.report.columns import UNKNOWN, Column, columns
from ssl_bench.report.leaderboard import Board, Entry
from ssl_bench.report.leaderboard_text import metric_texts


@dataclass(frozen=True)
class PageCell:
    """A cell: its text, the number it is sorted by if it holds one, and the lines that stand small beneath."""

    text: str
    order: float | None = None
    small: tuple[str, ...] = ()
    number: bool = False


@dataclass(frozen=True)
class Line:
    """A row: the configuration, the number of its provenance, and a cell for each further column."""

    rank: int | None
    name: str
    origin: int
    baseline: bool
    cells: tuple[PageCell, ...]


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
        columns: headings.
        lines: rows.
        filters: one for each property in which rows differ.
        common: properties that all rows share, by name; they have no column.
    """

    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    filters: tuple[Filter, ...]
    common: dict[str, str]


def grid(board: Board) -> PageTable:
    """The table of a leaderboard; columns that would say nothing are left out."""
    number = {group.name: index for index, group in enumerate(board.groups)}
    rows = [_cells(entry, board.metrics) for entry in board.entries]
    kept = [name for name in rows[0] if len({row[name] for row in rows}) > 1 or rows[0][name].number]
    kept = [name for name in kept if not name.endswith(" SD") or any(row[name].order is not None for row in rows)]
    sizes = [one.heading for one in columns("page", "encoder")]
    empty = {name for name in sizes if all(row[name].order is None for row in rows)}
    kept = [name for name in kept if name not in empty]
    headings = ("rank", "configuration", *kept)
    facets = [name for name in kept if not rows[0][name].number]
    return PageTable(
        headings,
        tuple(
            Line(entry.rank, f"{entry.name}{f' {UNREADY}' * entry.unready}", number[entry.group.name],
                 entry.group.name == board.baseline.name, tuple(row[name] for name in kept))
            for entry, row in zip(board.entries, rows, strict=True)
        ),
        tuple(Filter(name, headings.index(name), _values(row[name] for row in rows)) for name in facets),
        {name: cell.text for name, cell in rows[0].items()
         if not (name in kept or cell.number or cell.text == UNKNOWN)},
    )  # fmt: skip


def _values(cells: Iterable[PageCell]) -> tuple[str, ...]:
    return tuple(sorted({cell.text for cell in cells}))


def _cells(entry: Entry, metrics: Mapping[str, str]) -> dict[str, PageCell]:
    """Every column of a row by its heading: texts, numbers of the row, metrics, encoder and cost."""
    shown = columns("page")
    cells = {one.heading: _cell(one, entry) for one in shown if not one.form}
    cells |= {one.heading: _cell(one, entry) for one in shown if one.form and one.part == "row"}
    for metric, name in metrics.items():
        value, spread, difference = _metric_cells(entry, metric)
        cells |= {f"macro {name}": value, f"{name} SD": spread, f"{name} to baseline": difference}
    return cells | {one.heading: _cell(one, entry) for one in shown if one.form and one.part != "row"}


def _cell(column: Column, entry: Entry) -> PageCell:
    return PageCell(column.text(entry), column.number(entry), number=bool(column.form))


def _metric_cells(entry: Entry, metric: str) -> tuple[PageCell, PageCell, PageCell]:
    cell = entry.cells.get(metric)
    if cell is None:
        return (PageCell("-", number=True),) * 3
    value, spread, difference = metric_texts(entry, metric)
    reason = cell.test.reason if cell.test else ""
    p = p_equals(cell.p_holm) if cell.p_holm is not None else reason.partition(",")[0]
    estimate, ends = _parts(difference)
    return (
        PageCell(_parts(value)[0], cell.interval.value, _lines(_parts(value)[1]), number=True),
        PageCell(spread, cell.sd, number=True),
        PageCell(estimate, entry.differences[metric], _lines(ends, p), number=True),
    )


def _lines(*texts: str) -> tuple[str, ...]:
    return tuple(filter(None, texts))


def _parts(text: str) -> tuple[str, str]:
    """``+0.03 [+0.01, +0.05] *`` as ``+0.03 *`` and ``[+0.01, +0.05]``."""
    if "[" not in text:
        return text, ""
    value, _, rest = text.partition(" [")
    ends, _, mark = rest.partition("]")
    return f"{value}{mark}", f"[{ends}]"
