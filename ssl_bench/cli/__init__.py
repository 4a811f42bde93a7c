"""The command line: one file per command; a command's body imports what it needs when it runs."""

from __future__ import annotations

import sys

import typer

from ssl_bench.cli import plugins, run, show
from ssl_bench.errors import HandledError

app = typer.Typer(
    name="sslbench",
    help="Benchmark self-supervised learning on chest X-rays.",
    rich_markup_mode=None,  # plain help: rich would cost more than the rest of the start-up
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
app.command("run")(run.run)
app.command("plugins")(plugins.plugins)
app.command("show")(show.show)


def main() -> None:
    """Run a command; a fault that a user can act on is one sentence and an exit code."""
    try:
        app()
    except HandledError as error:
        print(f"sslbench: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("sslbench: interrupted", file=sys.stderr)
        sys.exit(130)
