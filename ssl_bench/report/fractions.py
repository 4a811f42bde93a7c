"""The result of a run in the terminal, with its label efficiency."""

from __future__ import annotations

from pathlib import Path

from ssl_bench.numbers import duration, range_text
from ssl_bench.report.render import terminal
from ssl_bench.report.run_tables import (
    external_tables,
    internal_rows,
    is_macro,
    label_table,
    macro_table,
    on_all_labels,
    on_test,
    own_tables,
    plain_console,
)
from ssl_bench.report.shares import common, over_text, points
from ssl_bench.report.table import Table
from ssl_bench.results.record import Record


def fraction_table(record: Record) -> Table | None:
    """Macro AUROC by share of the training patients' labels: mean and range over draws; None where all were used.

    All points are means over the findings that each of them holds: a share that lacks a finding is another quantity.
    """
    found = points(internal_rows(on_test(record.metrics), record), ("protocol", "encoder"))
    shares = sorted({one.share for one in found})
    if shares in ([], [1.0]):
        return None
    held = common(found)
    rows = []
    for key in dict.fromkeys(sorted(one.key for one in found)):
        own = [one for one in found if one.key == key]
        values = ([one.over(held) for one in own if one.share == share and held] for share in shares)
        rows.append((*key, *(range_text(part) for part in values)))
    title = "macro AUROC by share of labelled training patients, mean (range over draws)"
    columns = ("protocol", "encoder", *(f"{share:.4g}" for share in shares))
    return Table(columns, tuple(rows), title, over_text(found, held))


def print_result(record: Record, path: Path, seconds: float) -> None:
    """Print the tables of a finished run to standard output, and how many seconds the command took."""
    console = plain_console()
    macro = macro_table(record)
    if macro.rows:  # none where the run's own images have no labels
        console.print(terminal(macro))
    # one that tells of findings, and so has a macro mean; leakage does not
    own = internal_rows(on_all_labels(record.metrics), record)
    protocols = list(dict.fromkeys(row.protocol for row in own if is_macro(row)))
    if protocols:
        console.print(terminal(label_table(record, protocols[0])))
    low_label = fraction_table(record)
    if low_label:
        console.print(terminal(low_label))
    for table in (*own_tables(record), *external_tables(record)):
        console.print(terminal(table))
    console.print(f"{duration(seconds)} in all; encoder, predictions and record.json are in {path}")
