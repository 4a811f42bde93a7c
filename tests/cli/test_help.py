"""What a newcomer asks first: version, help in panels, summaries in full, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import typer.main

import ssl_bench
from ssl_bench.cli import app
from ssl_bench.cli.panels import MANY, OTHER, PANELS, panel_of

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_told(sslbench: Any, flag: str) -> None:
    answer = sslbench(flag)
    assert (answer.code, answer.out) == (0, f"sslbench {ssl_bench.__version__}\n")


@pytest.mark.parametrize("command", [(), ("run",), ("data",), ("data", "check")])
def test_a_short_flag_asks_for_help(sslbench: Any, command: tuple[str, ...]) -> None:
    assert sslbench(*command, "-h").out == sslbench(*command, "--help").out != ""


def test_no_summary_of_a_command_is_cut(sslbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ((), ("data",)):
        told = " ".join(sslbench(*words, "--help").out.partition("Commands:")[2].split())
        assert "..." not in told
        group = COMMANDS["data"].commands if words else COMMANDS
        for command in group.values():
            summary = command.help.split("\n\n")[0] if command.callback else command.short_help
            assert " ".join(summary.split()) in told


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if len(command.params) >= MANY])
def test_every_option_of_a_long_help_has_its_panel(sslbench: Any, name: str) -> None:
    assert {str(param.name): panel_of(str(param.name)) for param in COMMANDS[name].params
            if param.param_type_name == "option" and panel_of(str(param.name)) == OTHER} == {}  # fmt: skip
    told = sslbench(name, "--help").out
    places = [told.index(f"\n{panel}:") for panel in PANELS if f"\n{panel}:" in told]
    assert len(places) > 2
    assert "<list[" not in told
    assert places == sorted(places)
    assert all(told.count(f"\n  {param.opts[0]} ") == 1 for param in COMMANDS[name].params
               if param.opts[0].startswith("--") and len(param.opts) == 1)  # fmt: skip


def completed(sslbench: Any, monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    """What bash would offer for the last word."""
    with monkeypatch.context() as patch:
        patch.setenv("_SSLBENCH_COMPLETE", "complete_bash")
        patch.setenv("COMP_WORDS", words)
        patch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        return list(sslbench().out.split())


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ("sslbench run --method ms", ["msn", "msn-ehr"]),
        ("sslbench run --data nih", ["nih14"]),
        ("sslbench run --preset p", ["paper"]),
        ("sslbench run --eval linear,kn", ["linear,knn"]),
        ("sslbench run --features age,vi", ["age,view"]),
        ("sslbench sweep --method msn,sim", ["msn,simclr"]),
        ("sslbench show eval", ["evaluator"]),
        ("sslbench show fusion conc", ["concat"]),
        ("sslbench data check nih", ["nih14"]),
        ("sslbench run --backbone vit-ti", ["vit-tiny"]),
        ("sslbench run --test-on nih14,che", ["nih14,chexpert"]),
        ("sslbench run --uncertain i", ["ignore"]),
        ("sslbench run --accelerator c", ["cpu", "cuda"]),
        ("sslbench run --aggregate m", ["max", "mean"]),
        ("sslbench run --recipe r", ["reference", "released"]),
        ("sslbench leaderboard --metric ece,bri", ["ece,brier"]),
        ("sslbench score file --metric bri", ["brier"]),
        ("sslbench new plugin x --kind enc", ["encoder"]),
        ("sslbench checklist x --guideline tri", ["tripod-ai"]),
        ("sslbench tune --sampler so", ["sobol"]),
    ],
)
def test_names_complete(sslbench: Any, monkeypatch: pytest.MonkeyPatch, words: str, some: list[str]) -> None:
    found = completed(sslbench, monkeypatch, words)
    assert set(some) <= set(found)
    assert all(name.startswith(words.split(" ")[-1]) for name in found)


def test_completing_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, since this one has torch: names, words of the configuration, for two shells."""
    code = "from ssl_bench.cli import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    for shell, words in (("bash", {"COMP_WORDS": "sslbench run --method ms", "COMP_CWORD": "3"}),
                         ("zsh", {"_TYPER_COMPLETE_ARGS": "sslbench run --uncertain ig"})):  # fmt: skip
        environment = {**os.environ, "_SSLBENCH_COMPLETE": f"complete_{shell}", **words}
        command = [sys.executable, "-c", f"import sys; sys.argv = ['sslbench']; {code}"]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert told.split()[-1] == "False"
        assert ("msn-ehr" if shell == "bash" else "ignore") in told


def test_what_is_on_the_line_already_is_not_offered_again(sslbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = completed(sslbench, monkeypatch, "sslbench sweep --method msn,ms")
    assert "msn,msn-ehr" in found
    assert "msn,msn" not in found


def test_completion_can_be_installed(sslbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert "--install-completion" in sslbench("--help").out
