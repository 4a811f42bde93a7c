"""What protocols say of given embeddings, in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from ssl_bench.report.sections import other_table
from ssl_bench.report.table import is_macro, label_table, macro_table, on_all_labels, plain_console
from ssl_bench.results.record import Record


def print_probe(record: Record, out: Path | None) -> None:
    """Print what protocols said of given embeddings: the tables of a run, and numbers that are not of findings."""
    console = plain_console()
    console.print(macro_table(record))
    for protocol in dict.fromkeys(row.protocol for row in on_all_labels(record.metrics) if is_macro(row)):
        console.print(label_table(record, protocol))
    others = other_table(record)
    if others.rows:
        table = Table(*others.columns, title="other numbers", title_justify="left")
        for cells in others.rows:
            table.add_row(*cells)
        console.print(table)
    if out:
        console.print(f"predictions and record.json are in {out}")
