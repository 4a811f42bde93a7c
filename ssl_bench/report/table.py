"""The result of a run as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

MACRO = "macro"
METRICS = {"auroc": "AUROC", "auprc": "AUPRC"}


def interval_text(row: Mapping[str, Any]) -> str:
    """``0.742 [0.701, 0.779]``, or a dash where there is no value."""
    if row["value"] is None:
        return "-"
    if row["ci_low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"


def signed_text(row: Mapping[str, Any]) -> str:
    """``+0.031 [+0.008, +0.054]`` for a difference."""
    if row["value"] is None:
        return "-"
    if row["ci_low"] is None:
        return f"{row['value']:+.3f}"
    return f"{row['value']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"


def on_test(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of the test split."""
    return [row for row in rows if row["split"] == "test"]


def macro_table(record: Mapping[str, Any]) -> Table:
    """Macro metrics of every encoder and protocol on the test split."""
    table = Table(title=title(record), title_justify="left", caption=caption(record), caption_justify="left")
    for column in ("protocol", "encoder", *(f"macro {name} [95 % interval]" for name in METRICS.values())):
        table.add_column(column)
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in on_test(record["metrics"]):
        if row["label"] == MACRO and row["metric"] in METRICS:
            cells.setdefault((row["protocol"], row["encoder"]), {})[row["metric"]] = interval_text(row)
    for row in on_test(record["comparisons"]):
        if row["label"] == MACRO:
            name = f"{row['encoder']} - {row['against']}"
            cells.setdefault((row["protocol"], name), {})[row["metric"]] = signed_text(row)
    previous = ""
    for (protocol, encoder), values in sorted(cells.items(), key=lambda item: item[0][0]):
        table.add_row(protocol if protocol != previous else "", encoder, *(values.get(name, "-") for name in METRICS))
        previous = protocol
    return table


def label_table(record: Mapping[str, Any], protocol: str) -> Table:
    """AUROC of every finding on the test split for one protocol, trained beside random."""
    rows = [row for row in on_test(record["metrics"]) if row["protocol"] == protocol and row["metric"] == "auroc"]
    encoders = list(dict.fromkeys(row["encoder"] for row in rows))
    table = Table(title=f"{protocol}: AUROC by finding, test split", title_justify="left")
    for column in ("finding", "positive images", "positive patients", *encoders):
        table.add_column(column, justify="right" if column.startswith("positive") else "left")
    for label in dict.fromkeys(row["label"] for row in rows if row["label"] != MACRO):
        of_label = {row["encoder"]: row for row in rows if row["label"] == label}
        first = next(iter(of_label.values()))
        counts = (str(first["n_positive"]), str(first["n_positive_patients"]))
        table.add_row(label, *counts, *(interval_text(of_label[encoder]) for encoder in encoders))
    return table


def title(record: Mapping[str, Any]) -> str:
    """What was run on what."""
    features = f" with {', '.join(record['features'])} ({record['fusion']})" if record["features"] else ""
    data = record["data"]["name"] + (" (SYNTHETIC DATA)" if record["synthetic"] else "")
    return f"{record['method']}{features} on {data}, test split, seed {record['config']['seed']}"


def caption(record: Mapping[str, Any]) -> str:
    """Counts and notes under the table."""
    test = record["data"]["splits"]["test"]
    macro = next((row for row in on_test(record["metrics"]) if row["label"] == MACRO), None)
    held = len(macro["macro_labels"]) if macro else 0
    lines = [
        f"{test['images']} images of {test['patients']} patients; macro over {held} of {len(record['data']['labels'])} "
        f"findings; intervals from {record['config']['evaluate']['replicates']} resamples of patients"
    ]
    return "\n".join([*lines, *(f"note: {note}" for note in record["notes"])])


def print_result(record: Mapping[str, Any], path: Path) -> None:
    """Print the tables of a finished run to standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.print(macro_table(record))
    protocols = list(dict.fromkeys(row["protocol"] for row in record["metrics"]))
    if protocols:
        console.print(label_table(record, protocols[0]))
    seconds = record["seconds"]
    console.print(f"{seconds['total']:.0f} s in all; encoder, predictions and record.json are in {path}")
