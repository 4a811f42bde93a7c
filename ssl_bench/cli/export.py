"""``sslbench export RUN OUT``: the encoder of a finished run with a model card and a usage script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Argument(help="New folder to write.")],
) -> None:
    """Write a folder to share: encoder, model card, configuration, record, and a script that embeds images."""
    from ssl_bench.report.bundle import write_bundle
    from ssl_bench.results.rundir import RunDirectory

    for path in write_bundle(RunDirectory(run), out):
        print(path)
