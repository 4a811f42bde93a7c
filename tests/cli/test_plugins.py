"""``sslbench plugins``: everything installed, and what is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ssl_bench import MethodSpec, __version__
from ssl_bench.cli import plugins
from ssl_bench.plugin.registry import Failure, PluginSource, RegisteredComponent, Registry

Cli = Callable[..., Any]
BROKEN = Failure(PluginSource("toy-fails", "0.1", "toys"), "RuntimeError: no licence", ())
REFUSED = Failure(PluginSource("toy-late", "0.2", "toys"), "method 'msn' is offered twice", ("msn",))


def test_built_ins_are_listed_with_kind_distribution_and_version(sslbench: Cli) -> None:
    lines = [line.split(maxsplit=4) for line in sslbench("plugins").out.splitlines()]
    listed = {(kind, name, distribution, version) for kind, name, distribution, version, _ in lines}
    assert {("method", "msn-ehr", "sslbench", __version__), ("fusion", "concat", "sslbench", __version__)} <= listed
    assert all(summary for *_, summary in lines)


def test_json_says_the_same(sslbench: Cli) -> None:
    listing = json.loads(sslbench("plugins", "--json").out)
    lines = sslbench("plugins").out.splitlines()
    assert listing["broken"] == []
    assert [(row["kind"], row["name"]) for row in listing["components"]] == [tuple(line.split()[:2]) for line in lines]
    assert {key for row in listing["components"] for key in row} == {
        "kind", "name", "distribution", "version", "summary"
    }  # fmt: skip


@pytest.fixture
def with_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = RegisteredComponent(
        MethodSpec(name="toy", target="a:b", summary="a toy"), PluginSource("toys", "1.0", "toys")
    )
    monkeypatch.setattr(plugins, "discover", lambda: Registry([toy], [BROKEN, REFUSED]))


@pytest.mark.usefixtures("with_broken")
def test_fault_23_the_broken_are_listed_with_why(sslbench: Cli) -> None:
    answer = sslbench("plugins")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "method  toy  toys 1.0  a toy",
        "broken  toy-fails 0.1:toys  RuntimeError: no licence",
        "broken  toy-late 0.2:toys (msn)  method 'msn' is offered twice",
    ]


@pytest.mark.usefixtures("with_broken")
def test_fault_23_json_lists_the_broken(sslbench: Cli) -> None:
    assert json.loads(sslbench("plugins", "--json").out)["broken"] == [
        {"plugin": "toy-fails 0.1:toys", "names": [], "reason": "RuntimeError: no licence"},
        {"plugin": "toy-late 0.2:toys", "names": ["msn"], "reason": "method 'msn' is offered twice"},
    ]


def test_nothing_installed_prints_nothing(sslbench: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "discover", Registry)
    assert sslbench("plugins").out == ""
