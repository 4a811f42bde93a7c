"""``sslbench bundle RUNS --out FOLDER``: results to pass on, which who reads them computes again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bundle(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, or folders of them.")],
    out: Annotated[Path, typer.Option(help="New folder to write.")],
    no_predictions: Annotated[
        bool, typer.Option("--no-predictions", help="Without predictions by image, even where they may be shared.")
    ] = False,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="With Croissant of the cohorts and RO-Crate (extra 'paper').")
    ] = False,
) -> None:
    """Write records, hashes of splits and files, and predictions where a dataset's terms allow it, to be passed on."""
    from ssl_bench.comparison.bundled import write_bundle
    from ssl_bench.numbers import counted
    from ssl_bench.plugin.registry import discover
    from ssl_bench.report.leaderboard import expanded
    from ssl_bench.report.metadata import check_installed, described

    if metadata:
        check_installed()
    found = expanded(runs)
    made = write_bundle(found, out, discover(), predictions=not no_predictions, also=described if metadata else None)
    print(f"{counted(made.runs, 'run is', 'runs are')} in {out}; SHA-256 of the whole: {made.sha256}")
    if made.withheld:
        print(f"without predictions of {', '.join(made.withheld)}: a reader cannot compute those numbers again")
