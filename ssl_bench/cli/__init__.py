"""The command line: one file per command; a command's body imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ssl_bench import __version__
from ssl_bench.cli import (
    ablate,
    bundle,
    checklist,
    compare,
    data,
    embed,
    evaluate,
    export,
    leaderboard,
    new,
    plugins,
    probe,
    report,
    run,
    score,
    show,
    sweep,
    tables,
    tune,
)  # fmt: skip
from ssl_bench.cli.command import DataCommand, RunCommand, prepared
from ssl_bench.cli.door import guard, passed, prepare_streams

app = typer.Typer(
    name="sslbench",
    rich_markup_mode=None,  # plain help: rich would cost more than the rest of the start-up
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("run", cls=RunCommand)(run.run)
app.command("sweep")(sweep.sweep)
app.command("tune")(tune.tune)
app.command("plugins")(plugins.plugins)
app.command("show")(show.show)
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.command("score")(score.score)
app.command("embed", cls=DataCommand)(embed.embed)
app.command("probe")(probe.probe)
app.command("compare")(compare.compare)
app.command("export")(export.export)
app.command("ablate")(ablate.ablate)
app.command("tables")(tables.tables)
app.command("bundle")(bundle.bundle)
app.command("checklist")(checklist.checklist)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("new")(new.new)
app.add_typer(data.app)
guard(app)
prepared(app)


def tell_version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        print(f"sslbench {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=tell_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Benchmark self-supervised learning on chest X-rays."""


def end_with_sweep() -> None:
    """A run that a sweep has started on this machine ends with it, so that the next sweep finds its folder free."""
    if parent := os.environ.pop("SSLBENCH_PARENT", ""):
        from ssl_bench.files import die_with_parent

        die_with_parent()
        if os.getppid() != int(parent):  # it was killed before the kernel was asked
            sys.exit(1)


def main() -> None:
    """Run a command; a fault that a user can act on is one sentence and an exit code."""
    # Idle OpenMP threads that spin make a shared machine crawl; they must sleep, which torch reads when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    end_with_sweep()
    prepare_streams()
    passed(app)
