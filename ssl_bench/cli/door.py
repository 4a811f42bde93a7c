"""The door of every command: what it raises, or is told by a signal, becomes one sentence and an exit code."""

from __future__ import annotations

import functools
import os
import re
import socket
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

import typer

from ssl_bench.cli.oserrors import sentence
from ssl_bench.errors import DataError, HandledError, Interrupted, PluginError, escaped
from ssl_bench.pretrain.signals import shutdown_with
from ssl_bench.ranks import is_first_process
from ssl_bench.urls import hidden, hide_arguments

Command = TypeVar("Command", bound=Callable[..., Any])


def guarded(command: Command) -> Command:
    """A command that a signal ends with a sentence, and that no plugin can end as if it had succeeded."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        hide_arguments()
        try:
            with shutdown_with(lambda: "nothing finished is lost; start it again"):
                return command(*arguments, **options)
        except SystemExit as error:  # no command of ours exits by itself, and the parser is outside
            raise PluginError(
                f"'{_raised_in(error.__traceback__)}' ended the program by sys.exit({error.code!r}), which no plugin "
                "may; fix it, or choose another"
            ) from error

    return run  # type: ignore[return-value]


def guard(app: typer.Typer) -> None:
    """Guard every command of the program and of its groups."""
    for registered in app.registered_commands:
        if registered.callback:
            registered.callback = guarded(registered.callback)
    for group in app.registered_groups:
        if group.typer_instance:
            guard(group.typer_instance)


def _raised_in(trace: TracebackType | None) -> str:
    """The module that raised."""
    name = "a plugin"
    while trace:
        name, trace = str(trace.tb_frame.f_globals.get("__name__", name)), trace.tb_next
    return name


def prepare_streams() -> None:
    """What a terminal's encoding lacks is written as its number instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def passed(app: Callable[[], object]) -> None:
    """Run the program; a fault that a user can act on is one sentence and an exit code."""
    try:
        app()
    except HandledError as error:
        if is_first_process():
            shutdown(str(error), error.exit_code)
        silent = error.everywhere or isinstance(error, Interrupted)
        shutdown("" if silent else str(error), error.exit_code, f"error of another process on {socket.gethostname()}")
    except OSError as error:
        shutdown(sentence(error), DataError.exit_code)
    except UnicodeEncodeError as error:
        if not LONE.search(str(error.object)):
            raise
        shutdown(not_utf8(str(error.object)), DataError.exit_code)
    except KeyboardInterrupt:
        shutdown("nothing finished is lost", Interrupted.exit_code, "interrupted")


LONE = re.compile("[\ud800-\udfff]")
"""What Python puts for a byte of a name that is no text in UTF-8."""


def not_utf8(name: str) -> str:
    """The sentence for a name of a file or folder whose bytes are no text."""
    whole = " ".join(name.split())
    return f"the name '{escaped(whole[:200])}' is not written in UTF-8, so no file of a run can hold it; rename it"


def shutdown(told: str, code: int, what: str = "error") -> None:
    """End the program with a sentence on standard error, if that still is there."""
    try:
        if told:
            print(f"sslbench: {what}: {escaped(hidden(told))}", file=sys.stderr, flush=True)
        sys.stdout.flush()
    except OSError:  # the terminal was closed, or the reader of a pipe has gone
        _close_streams()
    sys.exit(code)


def _close_streams() -> None:
    """Send what Python would still write to nowhere, so that it cannot fail at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
