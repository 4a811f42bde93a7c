"""``sslbench show``: a component's options with defaults and sources."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import Field

from ssl_bench import FusionSpec, MethodSpec, Options, UsageError
from ssl_bench.cli import app, show
from ssl_bench.config.config import assignment, load
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plugin.components import KINDS
from ssl_bench.plugin.registry import PluginSource, RegisteredComponent, Registry

Cli = Callable[..., Any]


def test_a_method_shows_options_defaults_presets_and_source(sslbench: Cli) -> None:
    out = sslbench("show", "method", "msn").out
    assert out.startswith("method msn: ")
    assert "from sslbench " in out
    assert "fusion: concat" in out
    assert re.search(r"\n  method\.prototypes = 1024 \(.*smoke \d+.*\)\n      learnt prototypes\n", out)


def test_a_method_shows_what_a_tune_searches(sslbench: Cli) -> None:
    out = sslbench("show", "method", "byol").out
    assert "adamw: lr 0.00015 for 256 images, weight_decay 0.1; tuned: lr x 0.1 to 10, log; weight_decay x" in out
    assert re.search(r"\n  method\.momentum = 0\.99 .*\n .*\n      tuned: 0\.9 to 0\.9995, one-minus\n", out)


def test_options_stand_in_panels(sslbench: Cli) -> None:
    out = sslbench("show", "method", "simclr").out
    titles = [line for line in out.splitlines() if line.endswith(("options", "searches", "change"))]
    assert titles == ["options that sslbench tune searches", "options that presets change", "further options"]
    searched, changed, further = (out.index(f"\n{title}\n") for title in titles)
    assert searched < out.index("method.temperature =") < changed < out.index("method.output_dim =") < further
    assert further < out.index("method.flip =")
    assert "\noptions\n" in sslbench("show", "metric", "net-benefit").out


def test_a_terminal_shows_panels_framed(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout", out)
    show._panel("further options", ["  method.flip = 0.0"])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert shown.startswith("\N{BOX DRAWINGS LIGHT ARC DOWN AND RIGHT}")
    assert "further options" in shown
    assert "method.flip = 0.0" in shown


def test_a_descriptor_shows_its_features(sslbench: Cli) -> None:
    assert "features: age, sex\n" in sslbench("show", "method", "msn-ehr").out
    assert "features: age, sex, view\n" in sslbench("show", "dataset", "nih14").out


def test_an_example_uses_the_component_and_is_a_command(sslbench: Cli, registry: Registry) -> None:
    assert set(show.EXAMPLES) == set(KINDS)
    out = sslbench("show", "method", "msn").out
    assert "\nexample\n  sslbench run --method msn --set method.prototypes=1024\n" in out
    assert "\nexample\n  sslbench leaderboard RUNS --metric ece\n" in sslbench("show", "metric", "ece").out
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for told in show.EXAMPLES.values():
        _, command, *words = told.split()
        known = {flag for param in commands[command].params for flag in param.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_a_component_without_options_says_so(sslbench: Cli) -> None:
    assert sslbench("show", "method", "pretrained").out.endswith("no options\n")
    assert "arguments: model=vit_tiny_patch16_224, patch_size=16" in sslbench("show", "backbone", "vit-tiny").out


def test_every_key_shown_can_be_set_to_its_default(sslbench: Cli, registry: Registry) -> None:
    for offer in registry.offers():
        kind, name = offer.component.kind, offer.component.name
        if kind in ("encoder", "launcher", "logger"):  # no keys, or those of a file that is not here
            continue
        for line in re.findall(r"^  (\S+ = .*)$", sslbench("show", kind, name).out, re.MULTILINE):
            key, value = re.sub(r" \([a-z]+ [^)]*\)$", "", line).split(" = ")
            values = assignment(f"{key}={value}")
            named = {"method": "msn", "data": {"name": "synthetic"}, "evaluate": {"protocols": "linear,knn"}}
            path = {"method": {"method": name}, "dataset": {"data": {"name": name}},
                    "fusion": {"fusion": name, "ehr": {"features": "age"}}}.get(kind, {})  # fmt: skip
            config = load(_merged(named, path, values), name="paper")
            options = choose_parts(config, registry)
            assert options, line


def _merged(*layers: dict[str, Any]) -> dict[str, Any]:
    from ssl_bench.config.layers import merge

    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, layer)
    return merged


class ToyOptions(Options):
    """Toys."""

    needed: int = Field(description="no default")
    folder: Path = Field(Path("toys"), description="not JSON by itself")
    bare: int = 3


def test_required_options_and_values_that_are_not_json(sslbench: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = MethodSpec(name="toy", target="a:b", summary="a toy", options=f"{__name__}:ToyOptions")
    monkeypatch.setattr(MethodSpec, "options_model", lambda self: ToyOptions)
    monkeypatch.setattr(
        show, "discover", lambda: Registry([RegisteredComponent(toy, PluginSource("toys", "1.0", "toys"))])
    )
    out = sslbench("show", "method", "toy").out
    assert "  method.needed = (required)\n" in out
    assert '  method.folder = "toys"\n' in out
    assert "  method.bare = 3\n" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("methods", "msn"), "unknown kind 'methods'; did you mean 'method'? (expected one of "),
        (("method", "msn_ehr"), "unknown method 'msn_ehr'; did you mean 'msn-ehr'? (expected one of "),
        (("fusion", "msn"), "unknown fusion 'msn'; expected one of "),
    ],
)
def test_unknown_names_are_refused(sslbench: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    answer = sslbench("show", *arguments)
    assert answer.code == 2
    assert answer.sentence.startswith(sentence)


def test_every_kind_can_be_shown(sslbench: Cli, registry: Registry) -> None:
    for kind in KINDS:
        assert sslbench("show", kind, registry.names(kind)[0]).code == 0


def test_defaults_are_yaml(sslbench: Cli) -> None:
    out = sslbench("show", "evaluator", "linear").out
    strengths = re.search(r"evaluate\.options\.linear\.strengths = (.*)", out)
    assert strengths
    assert all(isinstance(float(value), float) for value in yaml.safe_load(strengths[1]))


def test_a_name_alone_will_do(sslbench: Cli) -> None:
    assert sslbench("show", "msn").out == sslbench("show", "method", "msn").out
    assert sslbench("show", "method").sentence.startswith("which method? ")
    unknown = sslbench("show", "msm")
    assert unknown.code == 2
    assert "unknown component 'msm'; did you mean 'msn'?" in unknown.sentence


def test_a_name_of_several_kinds_needs_its_kind() -> None:
    both = [kind(name="twin", target="a:b", summary="") for kind in (MethodSpec, FusionSpec)]
    registry = Registry(RegisteredComponent(one, PluginSource("toys", "1", "toys")) for one in both)
    with pytest.raises(UsageError, match="take sslbench show method twin or sslbench show fusion twin"):
        show.find(registry, "twin", "")
    assert show.find(registry, "fusion", "twin").component is both[1]
