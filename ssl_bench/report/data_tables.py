"""What the commands on a dataset print and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.table import Table

from ssl_bench.files import csv_text, write_text
from ssl_bench.report.table import plain_console

if TYPE_CHECKING:
    from ssl_bench.data.check import Finding
    from ssl_bench.plugin.cohort import Cohort

TITLES = {
    "demographics": "demographics by split (shares of the images that have a value)",
    "prevalence": "positive images by finding, with their share of known labels",
    "missing": "share of the images without a feature",
    "policies": "positive images of the whole release by finding, under each policy that could settle its labels",
}


def print_findings(name: str, findings: Sequence[Finding]) -> None:
    """What ``data check`` found, a line each."""
    counts = {status: sum(finding.status == status for finding in findings) for status in ("ok", "warning", "problem")}
    table = Table(title=f"{name}: {', '.join(f'{count} {status}' for status, count in counts.items())}",
                  title_justify="left")  # fmt: skip
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        table.add_row(finding.status, finding.what, finding.found)
    plain_console().print(table)


def print_statistics(cohort: Cohort, tables: Mapping[str, pd.DataFrame]) -> None:
    """Every table that has something in it."""
    stamp = " (SYNTHETIC DATA)" if cohort.synthetic else ""
    for name, frame in tables.items():
        if frame.empty:
            continue
        table = Table()
        shown = _side_by_side(frame) if name == "prevalence" else frame.map(lambda value: cell(value))
        table.add_column("")
        for column in shown.columns:
            table.add_column(str(column), justify="right")
        for row in shown.itertuples():
            table.add_row(*(str(value) for value in row))
        console = plain_console()
        console.print(f"{cohort.name}{stamp}: {TITLES[name]}")  # rich would wrap a title to the table's width
        console.print(table)


def _side_by_side(frame: pd.DataFrame) -> pd.DataFrame:
    """Counts with their shares in one cell."""
    shown = {}
    for column in frame.columns:
        if f"{column} share" in frame:
            pairs = zip(frame[column], frame[f"{column} share"], strict=True)
            shown[column] = [f"{count:,.0f} ({share:.1%})" if share == share else "-" for count, share in pairs]
        elif not column.endswith(" share"):
            shown[column] = [f"{value:,.0f}" for value in frame[column]]
    return pd.DataFrame(shown, index=frame.index)


def cell(value: float) -> str:
    """A count as it is, a share to three digits, a dash where there is no value."""
    if value != value:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() and value not in (0.0, 1.0) else f"{value:,.3g}"


def write_statistics(cohort: Cohort, tables: Mapping[str, pd.DataFrame], folder: Path, seed: int) -> list[Path]:
    """The tables as CSV, and the picture grid; returns the files."""
    from ssl_bench.report.plots.canvas import drawing, save
    from ssl_bench.report.plots.gallery import picture_grid

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, frame in tables.items():
        files.append(folder / f"{name}.csv")
        write_text(files[-1], csv_text(frame, index_label="finding" if name in ("prevalence", "policies") else "value"))
    with drawing():
        save(picture_grid(cohort, seed), folder, "png")
    return [*files, folder / "grid.png"]
