"""``sslbench report RUN``: tables and pictures of a finished run, rebuilt from its own files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.errors import UsageError
from ssl_bench.numbers import counted
from ssl_bench.pretrain.signals import shutdown_with


@shutdown_with(lambda: "nothing finished is lost, the record is whole; start it again")
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    share: Annotated[
        Path | None, typer.Option(help="New folder for a report to pass on: no path, host, user or id is in it.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for each picture as SVG (text as text) and PDF, for a paper.")
    ] = None,
    images: Annotated[
        bool,
        typer.Option(
            "--images",
            help="With test images, what is near them and where the encoder looks; only of data that permit it.",
        ),
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of prepared images, for --images. [~/.cache/sslbench]")
    ] = None,
) -> None:
    """Write report.md, report.html and the pictures of a finished run again; no data, training or GPU is needed."""
    from ssl_bench.cli.options import cache_folder
    from ssl_bench.files import new_folder
    from ssl_bench.report.report import write_report
    from ssl_bench.results.rundir import RunDirectory

    if share and share.exists() and (not share.is_dir() or any(share.iterdir())):
        raise UsageError(f"{share} is not empty; give a new folder")

    if cache and not images:
        raise UsageError("--cache is where --images takes them from; add --images, or leave it out")
    stores = cache_folder(cache) if images else None
    if share:
        with new_folder(share) as unfinished:
            written = write_report(RunDirectory(run), unfinished, figures, stores)
        print(f"{share / 'report.md'} and {share / 'report.html'}, with {counted(len(written.pictures), 'picture')}")
        return
    try:
        written = write_report(RunDirectory(run), figures=figures, images=stores)
    except OSError as error:
        raise UsageError(f"the report cannot be written in {run} ({error}); make the folder writable") from None
    for reason in written.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    files = " and ".join(str(path) for path in written.files)
    print(f"{files}, with {counted(len(written.pictures), 'picture')} in {run / 'plots'}")
