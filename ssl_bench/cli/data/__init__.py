"""``sslbench data``: look at a dataset and prepare it; one file per command."""

from __future__ import annotations

import typer

from ssl_bench.cli.data import check, prepare, stats

app = typer.Typer(name="data", help="Check, describe and prepare a dataset.", rich_markup_mode=None,
                  no_args_is_help=True)  # fmt: skip
app.command("check")(check.check)
app.command("stats")(stats.stats)
app.command("prepare")(prepare.prepare)
