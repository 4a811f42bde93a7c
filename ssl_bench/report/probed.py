"""What protocols say of given embeddings, in the terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ssl_bench.report.render import terminal
from ssl_bench.report.run_tables import is_macro, label_table, macro_table, on_all_labels, plain_console
from ssl_bench.report.sections import other_table
from ssl_bench.results.record import Record


def print_probe(record: Record, out: Path | None) -> None:
    """Print what protocols said of given embeddings: the tables of a run, and numbers that are not of findings."""
    console = plain_console()
    console.print(terminal(macro_table(record)))
    for protocol in dict.fromkeys(row.protocol for row in on_all_labels(record.metrics) if is_macro(row)):
        console.print(terminal(label_table(record, protocol)))
    others = other_table(record)
    if others.rows:
        console.print(terminal(replace(others, title="other numbers")))
    if out:
        console.print(f"predictions and record.json are in {out}")
