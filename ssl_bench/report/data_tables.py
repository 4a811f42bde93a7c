"""What the commands on a dataset print and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ssl_bench.files import write_text
from ssl_bench.report.render import csv, terminal
from ssl_bench.report.run_tables import plain_console
from ssl_bench.report.table import Table

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
    rows = tuple((finding.status, finding.what, finding.found) for finding in findings)
    title = f"{name}: {', '.join(f'{count} {status}' for status, count in counts.items())}"
    plain_console().print(terminal(Table(("", "what", "found"), rows, title)))


def print_statistics(cohort: Cohort, tables: Mapping[str, pd.DataFrame]) -> None:
    """Every table that has something in it."""
    stamp = " (SYNTHETIC DATA)" if cohort.synthetic else ""
    console = plain_console()
    for name, counted in tables.items():
        if not counted.empty:
            shown = _side_by_side(counted) if name == "prevalence" else counted.map(lambda value: cell(value))
            console.print(f"{cohort.name}{stamp}: {TITLES[name]}")  # rich would wrap a title to the table's width
            console.print(terminal(_table(shown)))


def _table(counted: pd.DataFrame, corner: str = "") -> Table:
    """A frame with its index as the first column."""
    columns = (corner, *map(str, counted.columns))
    rows = tuple((str(name), *values) for name, *values in counted.itertuples())
    return Table(columns, rows, right=frozenset(range(1, len(columns))))


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
    for name, counted in tables.items():
        files.append(folder / f"{name}.csv")
        write_text(files[-1], csv(_table(counted, "finding" if name in ("prevalence", "policies") else "value")))
    with drawing():
        save(picture_grid(cohort, seed), folder, "png")
    return [*files, folder / "grid.png"]
