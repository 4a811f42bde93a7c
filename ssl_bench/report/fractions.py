"""Label efficiency of a run as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from ssl_bench.report.shares import common, over_text, points
from ssl_bench.report.table import at_home, on_test


def fraction_table(record: Mapping[str, Any]) -> Table | None:
    """Macro AUROC by share of the training patients' labels: mean and range over draws; None where all were used.

    All points are means over the findings that each of them holds: a share that lacks a finding is another quantity.
    """
    found = points(at_home(on_test(record["metrics"]), record), ("protocol", "encoder"))
    shares = sorted({one.share for one in found})
    if shares in ([], [1.0]):
        return None
    held = common(found)
    table = Table(
        title="macro AUROC by share of labelled training patients, mean (range over draws)",
        caption=over_text(found, held), caption_justify="left",
    )  # fmt: skip
    for column in ("protocol", "encoder", *(f"{share:.4g}" for share in shares)):
        table.add_column(column)
    for key in dict.fromkeys(sorted(one.key for one in found)):
        own = [one for one in found if one.key == key]
        values = ([one.over(held) for one in own if one.share == share and held] for share in shares)
        table.add_row(*key, *(ranged(part) for part in values))
    return table


def ranged(values: Sequence[float]) -> str:
    """``0.700 (0.650 to 0.730)``, a single value without range."""
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else "-"
    return f"{fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
