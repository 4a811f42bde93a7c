"""``sslbench data synth``: virtual patients in a dataset's native layout."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from time import perf_counter
from typing import Annotated

import typer

from ssl_bench.cli.complete import names_of


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write: a new or an empty one.")],
    layout: Annotated[
        str,
        typer.Option(
            help="Dataset whose layout is written, for example mimic-cxr.", autocompletion=names_of("dataset")
        ),
    ],
    patients: Annotated[int | None, typer.Option(help="Number of virtual patients. [200]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of patients, findings and pictures. [0]")] = None,
    size: Annotated[int | None, typer.Option(help="Short side of a picture in px. [320]")] = None,
    mimic_iv: Annotated[str | None, typer.Option(help="Tables beside mimic-cxr, of MIMIC-IV: v1 or v3. [v3]")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any option of the layout's writer, KEY=VALUE; repeatable.")
    ] = None,
) -> None:
    """Write virtual patients in the native layout of a dataset: synthetic files for the same loader."""
    from ssl_bench.cli.options import asked
    from ssl_bench.data.synthetic import write_layout
    from ssl_bench.numbers import duration
    from ssl_bench.plugin.registry import discover

    flags = {"patients": patients, "seed": seed, "size": size, "mimic_iv": mimic_iv}
    began = perf_counter()
    written = write_layout(discover(), layout, asked(flags, settings or []), out)
    counts = ", ".join(f"{count:,} {what}" for what, count in written.items())
    print(f"{out}: {layout} (SYNTHETIC DATA), {counts}; {duration(perf_counter() - began)}")
    print(f"next: sslbench run --data {layout} --root {quote(str(out))} --preset smoke")
