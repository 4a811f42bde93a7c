"""Recipes: the choices of a paper or of its code, between the preset and what the user says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ssl_bench import DatasetSpec, MethodSpec, Recipe
from ssl_bench.config.config import RunConfig, load
from ssl_bench.config.recipes import find, finder, held, missing
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plugin.registry import Registry


def loaded(registry: Registry, preset: str = "smoke", **values: Any) -> RunConfig:
    return load(values, name=preset, recipe=finder(registry))


def test_the_default_recipe_changes_nothing(registry: Registry) -> None:
    assert loaded(registry) == load({}, name="smoke")
    assert loaded(registry).recipe == "reference"


def test_a_recipe_lies_over_the_preset_and_under_the_user(registry: Registry) -> None:
    config = loaded(registry, recipe="released", pretrain={"lr": 0.5}, method={"momentum": 0.9})
    assert config.pretrain.lr == 0.5
    assert config.pretrain.warmup_epochs == 0  # the preset says 0.5
    assert config.pretrain.batch_size == 16  # the recipe is silent
    assert config.method.name == "msn-ehr"
    assert config.method.options["momentum"] == 0.9
    assert config.method.options["momentum_end"] == 0.996
    assert config.method.options["train_prototypes"] is False


def test_released_opens_the_gate_and_paper_does_not(registry: Registry) -> None:
    released, paper = (loaded(registry, recipe=name).data for name in ("released", "paper"))
    assert (released.pretrain_on, released.allow_test_in_pretraining) == ("all", True)
    assert (paper.pretrain_on, paper.allow_test_in_pretraining) == ("train", False)
    assert released.size == paper.size == 512


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_no_admission_is_a_stated_constant_and_no_mode(registry: Registry, recipe: str) -> None:
    ehr = loaded(registry, recipe=recipe).ehr
    assert ehr.constants == {"mortality": "0", "icu": "0"}
    assert set(ehr.impute_features) == {"view", "position"}
    assert loaded(registry).ehr.constants == {}


def test_released_gives_vit_tiny_six_heads_and_no_other(registry: Registry) -> None:
    assert loaded(registry, "paper", recipe="released").backbone.options == {"num_heads": 6}
    assert loaded(registry, "paper", recipe="paper").backbone.options == {}
    assert loaded(registry, "paper", recipe="released", backbone={"name": "vit-small"}).backbone.options == {}


@pytest.mark.parametrize("method", ["msn", "msn-ehr"])
@pytest.mark.parametrize("recipe", ["reference", "paper", "released"])
def test_every_recipe_is_valid(registry: Registry, method: str, recipe: str) -> None:
    config = loaded(registry, "paper", recipe=recipe, method=method)
    options = choose_parts(config, registry).method.options.model_dump()
    assert (options["brightness"], options["flip"]) == ((0.4, 0.0) if recipe == "reference" else (0.0, 0.5))
    released = [options[name] for name in ("mask_focal", "decay_all", "joined_head")]
    assert released == [recipe == "released"] * 3
    assert options["mask_shared"] is not (recipe == "released")


def test_a_method_without_the_recipe_says_what_it_has(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"method 'simclr' has no recipe 'paper'; expected one of reference"):
        loaded(registry, recipe="paper", method="simclr")
    with pytest.raises(UsageError, match=r"no recipe 'relesed'; did you mean 'released'\?"):
        loaded(registry, recipe="relesed")
    with pytest.raises(UsageError, match="has no recipe 'papers'"):  # from a configuration that was resolved before
        choose_parts(load({"recipe": "papers"}, name="smoke"), registry)


def test_dataset_options_are_kept_where_the_dataset_has_them(registry: Registry) -> None:
    recipe = Recipe(summary="toy", dataset={"images": 300, "views": ("AP", "LL")})
    method = MethodSpec(name="toy", target="a:B", summary="toy", recipes={"theirs": recipe})
    assert held(registry, recipe, "synthetic") == {"images": 300}
    known = registry.get(DatasetSpec.kind, "synthetic").options_model().model_fields
    assert missing(method, "theirs", known) == ["views AP/LL"]
    assert missing(method, "reference", known) == []
    assert find(method, "reference") is None


def test_the_former_name_of_the_default_recipe_is_understood(registry: Registry) -> None:
    former, today = loaded(registry, recipe="corrected"), loaded(registry, recipe="reference")
    assert former == today == loaded(registry)
    assert former.recipe == "reference"
    assert find(MethodSpec(name="toy", target="a:B", summary="toy"), "corrected") is None


def test_a_whole_configuration_of_an_earlier_version_is_the_same_run(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({**loaded(registry).model_dump(mode="json"), "recipe": "corrected"}))
    for flags in ({}, {"recipe": "corrected"}, {"recipe": "reference"}):
        assert load(flags, file=file, recipe=finder(registry)) == loaded(registry)
