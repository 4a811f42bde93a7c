"""Settings that validation chose at the end of their grid: a wider one might do better. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ssl_bench.plugin.notes import Note
from ssl_bench.results.row import MACRO, MetricRow

Options = Mapping[str, Mapping[str, Any]]


def edge_notes(rows: Iterable[MetricRow], options: Options) -> list[Note]:
    """A note for each encoder and protocol whose chosen setting is the first or last of the values to choose from.

    Args:
        rows: of the record, with the ``settings`` that validation chose.
        options: resolved options of the protocols by name; a grid is a list that holds the chosen value.
    """
    found: dict[str, Note] = {}
    for row in rows:
        if (row.split, row.label, row.subgroup, row.fraction) != ("test", MACRO, "all", 1.0):
            continue
        for name, value, end in _at_edge(row.settings, options.get(row.protocol, {})):
            told = f"{row.protocol} chose the {end} {name} of its grid, {value:g}, for the {row.encoder} encoder"
            numbers = {"protocol": row.protocol, "encoder": row.encoder, name: value}
            found.setdefault(told, Note("edge", f"{told}; a wider grid may do better", numbers=numbers))
    return list(found.values())


def _at_edge(settings: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    for name, value in settings.items():
        for grid in options.values():
            several = isinstance(grid, list | tuple) and len(grid) > 1 and not isinstance(value, str)
            if several and value in grid and value in (min(grid), max(grid)):
                yield name, value, "smallest" if value == min(grid) else "largest"
