"""Nothing undocumented: hooks, fields of descriptors, presets, options; and the README's commands exist."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ssl_bench.cli import app
from ssl_bench.config.config import PRESETS
from ssl_bench.plugin import hookspecs
from ssl_bench.plugin.components import KINDS, Component
from ssl_bench.plugin.registry import HOOKS, discover

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCS = {path.relative_to(ROOT / "docs").as_posix(): path.read_text() for path in (ROOT / "docs").rglob("*.md")}
TESTS = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)}


def flat(group: Any, before: str = "") -> dict[str, Any]:
    """Commands by the words that call them: those of a group are two, for example ``data synth``."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found |= flat(command, f"{name} ") if hasattr(command, "commands") else {before + name: command}
    return found


COMMANDS = flat(typer.main.get_command(app))
OPTIONS = {name: [opt for param in command.params for opt in param.opts if opt.startswith("--")]
           for name, command in COMMANDS.items()}  # fmt: skip


def test_there_are_hooks() -> None:
    assert HOOKS == ["sslbench_components", "sslbench_run_finished"]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_and_its_arguments_are_documented(hook: str) -> None:
    section = re.search(rf"^## `{hook}\(([^)]*)\)`$(.*?)(?=^## |\Z)", DOCS["hooks.md"], re.MULTILINE | re.DOTALL)
    assert section, f"docs/hooks.md has no section for {hook}"
    function = getattr(hookspecs, hook)
    assert section[1] == ", ".join(inspect.signature(function).parameters)
    assert inspect.getdoc(function)
    assert f"def {hook}(" in section[2], "an example"


def test_no_hook_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"^## `(\w+)", DOCS["hooks.md"], re.MULTILINE)) == set(HOOKS)


@pytest.mark.parametrize("kind", [Component, *KINDS.values()])
def test_every_field_of_a_descriptor_is_documented(kind: type[Component]) -> None:
    for field in dataclasses.fields(kind):
        assert f"`{field.name}`" in DOCS["hooks.md"], field.name
        assert any(f"{field.name}: " in (inspect.getdoc(base) or "") for base in kind.__mro__), field.name
    assert kind is Component or f"`{kind.__name__}`" in DOCS["hooks.md"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_documented_and_used(preset: str) -> None:
    assert any(f"`{preset}`" in text or f"--preset {preset}" in text for text in (README, *DOCS.values()))
    assert any(f'"{preset}"' in text for text in TESTS.values())


@pytest.mark.parametrize(("command", "option"), [(name, option) for name in OPTIONS for option in OPTIONS[name]])
def test_every_option_is_exercised_or_documented(command: str, option: str) -> None:
    whole = re.compile(rf"(?<![\w-]){re.escape(option)}(?![\w-])")
    assert any(whole.search(text) for text in (README, *DOCS.values(), *TESTS.values())), f"{command} {option}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(command: str) -> None:
    assert COMMANDS[command].help
    assert all(param.help for param in COMMANDS[command].params)


def commands(text: str) -> list[list[str]]:
    """The words after ``sslbench`` of every command in the code blocks of a page; a backslash continues a line."""
    blocks = re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").replace("&&", "\n").splitlines()
    calls = [line.strip().removeprefix("$ ") for line in lines]
    return [shlex.split(call, comments=True)[1:] for call in calls if call.startswith("sslbench ")]


PAGES = {"README.md": README, **DOCS}


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_in_the_documentation_exist(page: str) -> None:
    for words in filter(None, commands(PAGES[page])):
        if words == ["--help"]:
            continue
        length = next((count for count in (1, 2) if " ".join(words[:count]) in COMMANDS), 0)
        assert length, f"{page}: sslbench {shlex.join(words)}"
        command, arguments = " ".join(words[:length]), words[length:]
        flags = [word.partition("=")[0] for word in arguments if word.startswith("--")]
        assert set(flags) <= {*OPTIONS[command], "--help"}, f"{page}: sslbench {command} {' '.join(arguments)}"


def test_the_readme_shows_how_to_install_run_and_test() -> None:
    assert "pip install" in README
    assert any(line[:1] == ["run"] for line in commands(README))
    assert re.search(r"^(python -m )?tox$", README.replace("&& ", "\n"), re.MULTILINE)


FAULTS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| `(\S+?)::(\w+)` \|$", DOCS["faults.md"], re.MULTILINE)
"""Number, fault, promise, file and test of every row."""


def test_every_line_of_the_faults_is_a_row_with_its_own_number() -> None:
    lines = re.findall(r"^\| *\d.*$", DOCS["faults.md"], re.MULTILINE)
    assert len(lines) == len(FAULTS), [line for line in lines if not re.search(r"\| `\S+?::\w+` \|$", line)]
    numbers = [int(number) for number, *_ in FAULTS]
    assert numbers == sorted(set(numbers))
    assert set(range(1, 37)) <= set(numbers)


@pytest.mark.parametrize(("number", "path", "name"), [(row[0], row[3], row[4]) for row in FAULTS])
def test_every_fault_names_a_test_that_exists(number: str, path: str, name: str) -> None:
    file = ROOT / path
    assert file.is_file(), f"row {number}: {path}"
    assert re.search(rf"^def {name}\(", file.read_text(), re.MULTILINE), f"row {number}: {path} has no {name}"


def test_every_test_of_a_fault_has_a_row() -> None:
    tested = {int(number) for text in TESTS.values() for number in re.findall(r"def test_fault_(\d+)_", text)}
    assert tested <= {int(number) for number, *_ in FAULTS}


def test_every_named_encoder_is_in_the_table_of_facts() -> None:
    for offer in discover().offers("encoder"):
        card = offer.component
        row = next((line for line in DOCS["encoders.md"].splitlines() if line.startswith(f"| `{card.name}`")), "")
        if card.source:
            assert card.licence in row, card.name
            assert card.source in row, card.name
            assert str(card.preprocessing.get("size", "")) in row, card.name
            assert ", ".join(card.trained_on or ("unknown",)) in row, card.name
        else:
            assert f"`{card.name}`" in DOCS["encoders.md"], card.name
