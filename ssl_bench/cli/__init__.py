"""The command line: one file per command; a command's body imports what it needs when it runs."""

from __future__ import annotations

import errno
import os
import socket
import sys

import typer

from ssl_bench.cli import (
    ablate,
    compare,
    data,
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
)  # fmt: skip
from ssl_bench.errors import DataError, HandledError, Interrupted
from ssl_bench.ranks import is_first_process

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

app = typer.Typer(
    name="sslbench",
    help="Benchmark self-supervised learning on chest X-rays.",
    rich_markup_mode=None,  # plain help: rich would cost more than the rest of the start-up
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
app.command("run")(run.run)
app.command("sweep")(sweep.sweep)
app.command("plugins")(plugins.plugins)
app.command("show")(show.show)
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.command("score")(score.score)
app.command("probe")(probe.probe)
app.command("compare")(compare.compare)
app.command("export")(export.export)
app.command("ablate")(ablate.ablate)
app.command("tables")(tables.tables)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("new")(new.new)
app.add_typer(data.app)


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
    try:
        app()
    except HandledError as error:
        if is_first_process():
            print(f"sslbench: error: {error}", file=sys.stderr)
        elif not (error.everywhere or isinstance(error, Interrupted)):
            print(f"sslbench: error of another process on {socket.gethostname()}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        print(f"sslbench: error: the disk is full ({error.filename or error.strerror}); what was finished is kept; "
              "free some space and repeat the command, a run with --resume", file=sys.stderr)  # fmt: skip
        sys.exit(DataError.exit_code)
    except KeyboardInterrupt:
        print("sslbench: interrupted; nothing finished is lost", file=sys.stderr)
        sys.exit(130)
