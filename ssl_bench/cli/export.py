"""``sslbench export RUN OUT``: the encoder of a finished run with a model card and a usage script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Argument(help="New folder to write.")],
    licence: Annotated[
        str,
        typer.Option("--license", help="Of the weights, as the Hugging Face hub names it: apache-2.0."),
    ] = "other",
) -> None:
    """Write a folder to share as timm and the Hugging Face hub open it: encoder, card, record, a usage script."""
    from ssl_bench.report.bundle import write_bundle
    from ssl_bench.results.rundir import RunDirectory

    for path in write_bundle(RunDirectory(run), out, licence):
        print(path)
