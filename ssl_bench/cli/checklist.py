"""``sslbench checklist RUNS``: items of a reporting guideline with what the records say to each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.complete import words
from ssl_bench.cli.options import AsJson
from ssl_bench.numbers import counted


def checklist(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, of one or several configurations.")],
    guideline: Annotated[
        str,
        typer.Option(help="claim (CLAIM 2024) or tripod-ai (TRIPOD+AI).", autocompletion=words("claim", "tripod-ai")),
    ] = "claim",
    out: Annotated[Path | None, typer.Option(help="Markdown file to write instead of printing.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fill a reporting guideline from records: what they know with its place, and what a person must write."""
    from ssl_bench.errors import UsageError, unknown
    from ssl_bench.report.checklist import fill, markdown, values
    from ssl_bench.report.checklist.items import GUIDELINES

    if guideline not in GUIDELINES:
        raise UsageError(unknown("guideline", guideline, GUIDELINES))
    if as_json and out:
        raise UsageError("--json prints values by itself; leave out --out")
    found = fill(runs, guideline)
    if as_json:
        from ssl_bench.report.machine import print_json

        print_json(values(found))
    elif out:
        from ssl_bench.files import write_text

        write_text(out, markdown(found))
        print(f"{out}: {counted(len(found.answers), 'item')}, {counted(len(found.open), 'needs', 'need')} a person")
    else:
        print(markdown(found), end="")
