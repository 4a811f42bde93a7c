"""The program: faults become one sentence and an exit code."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from ssl_bench.cli import plugins
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
        raise OSError(errno.EIO, "ours")

    monkeypatch.setattr(plugins, "discover", fail)
    with pytest.raises(OSError, match="ours"):
        sslbench("plugins")


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
