"""The program: faults become one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ssl_bench.cli import app, plugins
from ssl_bench.cli.door import guarded, passed
from ssl_bench.errors import DataError, HandledError, Interrupted, PluginError, TrainingStopped, UsageError

Cli = Callable[..., Any]


@pytest.mark.parametrize("kind", [HandledError, UsageError, DataError, PluginError, TrainingStopped, Interrupted])
def test_a_handled_error_is_a_sentence_and_its_exit_code(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch, kind: type[HandledError]
) -> None:
    def fail() -> None:
        raise kind("the disk is upside down; turn it")

    monkeypatch.setattr(plugins, "discover", fail)
    answer = sslbench("plugins")
    assert answer.code == kind.exit_code
    assert answer.sentence == "the disk is upside down; turn it"


def test_ctrl_c_exits_130(sslbench: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plugins, "discover", interrupt)
    assert sslbench("plugins").code == 130


def test_a_mistake_of_ours_keeps_its_traceback(sslbench: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(plugins, "discover", fail)
    with pytest.raises(RuntimeError, match="ours"):
        sslbench("plugins")


@pytest.mark.parametrize("code", sorted(set(errno.errorcode) - {errno.EPIPE}))
def test_fault_36_whatever_the_system_refuses_is_a_sentence_with_the_path(
    capsys: pytest.CaptureFixture[str], code: int
) -> None:
    def fail() -> None:
        raise OSError(code, os.strerror(code), "/place/of/the fault")

    with pytest.raises(SystemExit) as ended:
        passed(fail)
    assert ended.value.code == DataError.exit_code
    told = capsys.readouterr().err
    assert told.startswith("sslbench: error: ")
    assert told.count("\n") == 1
    happened, _, remedy = told.removeprefix("sslbench: error: ").partition(" (/place/of/the fault); ")
    assert happened == happened.lower() != ""
    assert remedy.strip()


def test_fault_36_the_door_of_the_program_is_that_one(sslbench: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EROFS, "Read-only file system", "runs/a")

    monkeypatch.setattr(plugins, "discover", fail)
    answer = sslbench("plugins")
    assert answer.code == DataError.exit_code
    assert answer.sentence == "this place can only be read (runs/a); choose one that can be written"


def test_fault_36_a_fault_without_a_path_or_a_number_is_a_sentence(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("Cannot seek\nin this file")

    monkeypatch.setattr(plugins, "discover", fail)
    assert sslbench("plugins").sentence.startswith("cannot seek in this file (Cannot seek in this file); ")


def test_a_message_cannot_command_a_terminal(sslbench: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DataError("image \x1b[2J\x9b31m\u202e.png\ris not there")

    monkeypatch.setattr(plugins, "discover", fail)
    assert sslbench("plugins").sentence == "image \\x1b[2J\\x9b31m\\u202e.png\\ris not there"


@pytest.mark.parametrize("code", [None, 0, 3, "done"])
def test_fault_23_a_plugin_that_exits_is_told_and_never_a_success(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch, code: Any
) -> None:
    monkeypatch.setattr(plugins, "discover", lambda: sys.exit(code))
    answer = sslbench("plugins")
    assert answer.code == PluginError.exit_code
    assert answer.sentence.startswith(f"'{__name__}' ended the program by sys.exit({code!r}), which no plugin may")


def test_every_command_is_guarded() -> None:
    def commands(app: Any) -> Iterator[Any]:
        yield from (registered.callback for registered in app.registered_commands)
        for group in app.registered_groups:
            yield from commands(group.typer_instance)

    found = list(commands(app))
    assert len(found) > 15
    assert {command.__code__ for command in found} == {guarded(len).__code__}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1])
def test_fault_26_a_signal_ends_any_command_with_a_sentence(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(plugins, "discover", lambda: signal.raise_signal(number))
    before = signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        answer = sslbench("plugins")
    finally:
        signal.signal(number, before)
    assert answer.code == 130
    assert answer.sentence == f"{number.name}: nothing finished is lost; start it again"


def test_fault_26_the_end_of_a_terminal_stays_ignored_under_nohup(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        discover = plugins.discover
        monkeypatch.setattr(plugins, "discover", lambda: (signal.raise_signal(signal.SIGHUP), discover())[1])
        assert sslbench("plugins").code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("gone", ["1", "2"])
def test_fault_36_a_reader_that_has_gone_is_no_traceback(gone: str) -> None:
    """The reader of standard output, or the terminal, has gone before anything is said."""
    code = f"""
import os, sys
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, {gone})
sys.argv = ["sslbench", "show", "method", "no-such"] if {gone} == 2 else ["sslbench", "plugins"]
from ssl_bench.cli import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=paths())
    assert ended.returncode == (2 if gone == "2" else 1)
    assert ended.stderr == b""


def test_fault_36_a_terminal_that_lacks_letters_gets_their_numbers() -> None:
    command = [sys.executable, "-m", "ssl_bench", "show", "method", "m\u00fcnster"]
    ended = subprocess.run(command, capture_output=True, check=False, env={**paths(), "PYTHONIOENCODING": "ascii"})
    assert ended.returncode == 2
    assert b"m\\xfcnster" in ended.stderr
    code = "from ssl_bench.cli.door import prepare_streams as f; f(); print('\\u2502 \\udcff')"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env={**paths(), "PYTHONIOENCODING": "ascii"}
    )
    assert (ended.returncode, ended.stdout) == (0, b"\\u2502 \\udcff\n")


def paths() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_fault_36_a_name_that_is_no_text_is_a_sentence(sslbench: Cli, tmp_path: Path) -> None:
    answer = sslbench("run", "--preset", "smoke", "--out", f"{tmp_path}/sur\udcff")
    assert answer.code == 2
    assert answer.sentence.startswith(f"the name '{tmp_path}/sur\\udcff' is not written in UTF-8")
    films = tmp_path / "films"
    films.mkdir()
    for number in range(3):
        Image.linear_gradient("L").save(os.fsencode(films) + b"/\xff%d.png" % number, "PNG")
    answer = sslbench("run", "--preset", "smoke", "--dry-run", "--method", "simclr", "--data", f"table={films}")
    assert answer.code in (2, 3)
    assert "is not written in UTF-8, so no file of a run can hold it; rename it" in answer.err


def test_help_lists_the_commands(sslbench: Cli) -> None:
    answer = sslbench("--help")
    assert answer.code == 0
    assert all(f"\n  {command} " in answer.out for command in ("run", "plugins", "show"))


@pytest.mark.parametrize("arguments", [("rum",), ("run", "--methd", "msn"), ("run", "--lr", "x"), ("show", "method")])
def test_what_the_parser_refuses_exits_2(sslbench: Cli, arguments: tuple[str, ...]) -> None:
    answer = sslbench(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
