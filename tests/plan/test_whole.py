"""``config.yaml`` of a run is the whole configuration: it repeats the run whatever becomes of presets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ssl_bench.config import config as configuration
from ssl_bench.config.config import RunConfig, load, read_files
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import RegisteredComponent, Registry
from ssl_bench.results.rundir import RunDirectory

Make = Callable[..., Path]


def whole(registry: Registry, root: Path, out: Path, **more: object) -> RunConfig:
    """The configuration of a run that was planned, in ``out/config.yaml`` as well."""
    asked = {"method": "msn-ehr", "data": {"name": "nih14", "root": str(root)}, "loggers": "tensorboard",
             "evaluate": {"protocols": "linear,finetune", "ehr": True}, **more}  # fmt: skip
    plan = make_plan(load(asked, name="smoke"), registry, root / "no cache")
    out.mkdir(exist_ok=True)
    RunDirectory(out).write_config(plan.config.model_dump(mode="json"))
    return plan.config


def other_presets(registry: Registry) -> Registry:
    """The same components with other presets and defaults of their own."""
    return Registry([
        RegisteredComponent(replace(offer.component, presets={}, defaults={}), offer.source)
        for offer in registry.offers()
    ])  # fmt: skip


def test_a_runs_configuration_repeats_it_after_presets_have_changed(
    registry: Registry, tiny_nih: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = whole(registry, tiny_nih(), tmp_path)
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert {"prototypes", "temperature"} <= set(written["method"])
    assert set(written["evaluate"]["options"]) >= {"linear", "linear-ehr", "finetune", "finetune-ehr", "ehr-only"}
    assert written["fusion"]["name"] == "concat"
    assert written["ehr"]["features"] == ["age", "sex"]
    monkeypatch.setattr(configuration, "preset", lambda name: {
        "pretrain": {"epochs": 999}, "data": {"options": {"labels_file": "other.csv"}},
        "backbone": {"options": {"depth": 1}}, "evaluate": {"options": {"knn": {"neighbours": [1]}}},
    })  # fmt: skip
    again = load({}, file=tmp_path / "config.yaml", recipe=lambda _: {"method": {"name": "msn-ehr", "prototypes": 1}})
    assert again.model_dump(mode="json") == kept.model_dump(mode="json")
    plan = make_plan(again, other_presets(registry), tmp_path / "no cache")
    assert plan.config.model_dump(mode="json") == kept.model_dump(mode="json")


def test_a_preset_or_another_recipe_beside_it_is_refused(registry: Registry, tiny_nih: Make, tmp_path: Path) -> None:
    whole(registry, tiny_nih(), tmp_path)
    file = tmp_path / "config.yaml"
    for name in ("smoke", "demo", "demo-long"):
        with pytest.raises(UsageError, match=f"names the whole configuration of a run, .* so --preset {name} would"):
            load({}, name=name, file=file)
    with pytest.raises(UsageError, match="so --recipe paper would have no effect"):
        load({"recipe": "paper"}, file=file)
    assert load({"recipe": "corrected", "seed": 5}, file=file).seed == 5


def test_another_component_brings_its_own_options(registry: Registry, tiny_nih: Make, tmp_path: Path) -> None:
    whole(registry, tiny_nih(), tmp_path)
    changed = load({"method": "random", "data": {"name": "synthetic"}, "ehr": {"features": ""}, "fusion": None,
                    "evaluate": {"ehr": False}}, file=tmp_path / "config.yaml")  # fmt: skip
    assert (changed.method.options, changed.data.options, changed.data.root) == ({}, {}, None)


def test_files_are_layers_and_a_whole_one_comes_first(registry: Registry, tiny_nih: Make, tmp_path: Path) -> None:
    whole(registry, tiny_nih(), tmp_path)
    a, b = tmp_path / "a.yaml", tmp_path / "b.toml"
    a.write_text("preset: smoke\npretrain: {epochs: 7, lr: 0.5}\nmethod: {name: msn, prototypes: 4}\n")
    b.write_text("[pretrain]\nepochs = 9\n[method]\nprototypes = 8\n")
    found = load({"pretrain": {"lr": 0.25}}, file=[a, b])
    assert (found.pretrain.epochs, found.pretrain.lr, found.preset) == (9, 0.25, "smoke")
    assert (found.method.name, found.method.options) == ("msn", {"prototypes": 8})
    assert load({}, file=[tmp_path / "config.yaml", b]).pretrain.epochs == 9
    with pytest.raises(UsageError, match=r"config\.yaml has all keys, so nothing before it has an effect"):
        read_files([a, tmp_path / "config.yaml"])


def test_a_run_is_repeated_and_continued_from_the_command_line(
    sslbench: Callable[..., object], registry: Registry, tiny_nih: Make, tmp_path: Path
) -> None:
    whole(registry, tiny_nih(), tmp_path, loggers=())
    answer = sslbench("run", "--config", tmp_path / "config.yaml", "--dry-run", "--set", "seed=4")
    assert answer.code == 0, answer.err  # type: ignore[attr-defined]
    answer = sslbench("run", "--config", tmp_path / "config.yaml", "--preset", "demo", "--dry-run")
    assert answer.code == 2  # type: ignore[attr-defined]
    assert "--preset demo would have no effect" in answer.sentence  # type: ignore[attr-defined]
