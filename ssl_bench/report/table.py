"""The one model of a table; :mod:`ssl_bench.report.render` writes it for a terminal, Markdown, LaTeX, HTML and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NO_VALUE = "-"


@dataclass(frozen=True)
class TableCell:
    """A cell for people.

    Attributes:
        text: what it says.
        rest: what stands behind it, or small beneath it, such as the spread and the interval of a number.
        mark: such as ``*``, explained under the table.
        value: the number that it is sorted by and that files hold unrounded; None where there is none.
        best: set in bold.
    """

    text: str
    rest: tuple[str, ...] = ()
    mark: str = ""
    value: float | None = None
    best: bool = False

    def __str__(self) -> str:
        """All of it in one line."""
        return " ".join(part for part in (self.text, *self.rest, self.mark) if part)


Content = TableCell | str | float | None
"""What a row holds: a cell, a text, or a plain value, which a table for people shows as it is and a file unrounded."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: headings; a table whose headings are all empty is written without them.
        rows: contents, as many each as there are headings.
        title: what it shows.
        caption: what stands beneath it.
        right: columns that are aligned to the right, from 0.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Content, ...], ...]
    title: str = ""
    caption: str = ""
    right: frozenset[int] = frozenset()

    @property
    def headed(self) -> bool:
        """Whether any column has a heading."""
        return any(self.columns)

    def contents(self) -> list[list[TableCell]]:
        """Every row as cells; a dash where there is no value."""
        return [[_cell(content) for content in row] for row in self.rows]

    def texts(self) -> list[list[str]]:
        """Every row as texts of one line."""
        return [[str(cell) for cell in row] for row in self.contents()]

    def values(self) -> list[list[object]]:
        """Every row as plain values: of a cell its number, or its text where it has none."""
        return [[_value(content) for content in row] for row in self.rows]


def _cell(content: Content) -> TableCell:
    if isinstance(content, TableCell):
        return content
    return TableCell(NO_VALUE if content is None else str(content))


def _value(content: Content) -> object:
    if isinstance(content, TableCell):
        return content.text if content.value is None else content.value
    return content


def of_rows(rows: Sequence[Mapping[str, Content]]) -> Table:
    """A table of rows with the same keys, which are its headings."""
    return Table(tuple(rows[0]) if rows else (), tuple(tuple(row.values()) for row in rows))
