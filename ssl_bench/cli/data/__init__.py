"""``sslbench data``: look at a dataset, prepare it, or write a synthetic one; one file per command."""

from __future__ import annotations

import typer

from ssl_bench.cli.command import DataCommand
from ssl_bench.cli.data import check, prepare, stats, synth

app = typer.Typer(name="data", help="Check, describe and prepare a dataset, or write a synthetic one.",
                  rich_markup_mode=None, no_args_is_help=True)  # fmt: skip
app.command("check", cls=DataCommand)(check.check)
app.command("stats", cls=DataCommand)(stats.stats)
app.command("prepare", cls=DataCommand)(prepare.prepare)
app.command("synth")(synth.synth)
