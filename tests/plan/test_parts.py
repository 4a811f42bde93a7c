"""Which components run together, and which refuse each other."""

from __future__ import annotations

from typing import Any

import pytest

from ssl_bench import Component, DatasetSpec, EvaluatorSpec, FeatureSpec, FusionSpec, MethodSpec, __version__
from ssl_bench.config.config import PRESETS, SourceConfig, load
from ssl_bench.errors import PluginError, UsageError
from ssl_bench.plan.attributes import specs_of
from ssl_bench.plan.backbones import choose_backbone
from ssl_bench.plan.parts import RunComponents, choose_parts
from ssl_bench.plugin.registry import PluginSource, RegisteredComponent, Registry

SOURCE = PluginSource("toys", "1.0", "toys")
TARGET = {"target": "collections:OrderedDict", "summary": "a toy"}


def parts(registry: Registry, **values: Any) -> RunComponents:
    return choose_parts(load(values, name="smoke"), registry)


def toys(*components: Component) -> Registry:
    """A registry of these, a dataset with age and sex, and the evaluators of the default."""
    always: tuple[Component, ...] = (
        DatasetSpec(name="synthetic", features=("age", "sex"), **TARGET),
        EvaluatorSpec(name="linear", **TARGET),
        EvaluatorSpec(name="knn", **TARGET),
        FusionSpec(name="narrow", **TARGET),
        FusionSpec(name="wide", keeps_width=False, **TARGET),
    )
    return Registry(RegisteredComponent(component, SOURCE) for component in (*always, *components))


def test_msn_ehr_joins_age_and_sex_by_itself(registry: Registry) -> None:
    chosen = parts(registry, method="msn-ehr")
    assert chosen.features == ("age", "sex")
    assert chosen.fusion is not None
    assert chosen.fusion.name == "concat"
    assert chosen.image_size == 32
    assert [evaluator.name for evaluator in chosen.evaluators] == ["linear", "knn"]


def test_a_run_is_measured_beside_the_baselines_that_offer_themselves(registry: Registry) -> None:
    assert [chosen.name for chosen in parts(registry, method="msn").baselines] == ["pixels", "random"]
    assert [chosen.name for chosen in parts(registry, method="pixels").baselines] == ["pixels", "random"]
    assert [chosen.name for chosen in parts(registry, method="random").baselines] == ["random", "pixels"]
    alone = parts(toys(MethodSpec(name="plain", **TARGET)), method="plain", backbone={"name": "resnet18"})
    assert alone.baselines == ()


def test_other_baselines_can_be_asked_for(registry: Registry) -> None:
    asked = [{"name": "pixels", "size": 8}, "pixels-pca"]
    chosen = parts(registry, method="msn", evaluate={"baselines": asked}).baselines
    assert [(one.name, one.options.model_dump()["size"]) for one in chosen] == [("pixels", 8), ("pixels-pca", 16)]
    own = parts(registry, method={"name": "pixels", "size": 4}, evaluate={"baselines": asked}).baselines
    assert [one.options.model_dump()["size"] for one in own] == [4, 16]
    assert parts(registry, method="msn", evaluate={"baselines": ""}).baselines == ()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            "msn",
            "baseline 'msn' is no untrained encoder; evaluate.baselines takes pixels, pixels-pca, "
            "random, random-learnt",
        ),
        ("pretrained", "baseline 'pretrained' is no untrained encoder"),
        ("random,random", "baseline 'random' is asked for twice in evaluate.baselines; leave one out"),
        ("pixel", "unknown method 'pixel'; did you mean 'pixels'?"),
    ],
)
def test_what_is_no_baseline_is_refused(asked: str, sentence: str, registry: Registry) -> None:
    with pytest.raises(UsageError) as caught:
        parts(registry, method="msn", evaluate={"baselines": asked})
    assert str(caught.value).startswith(sentence)


def test_the_users_features_win(registry: Registry) -> None:
    chosen = parts(registry, method="msn-ehr", ehr={"features": "view,demographic"})
    assert chosen.features == ("view", "age", "sex")


def test_msn_runs_without_features_and_fuses_them_on_request(registry: Registry) -> None:
    assert parts(registry, method="msn").fusion is None
    chosen = parts(registry, method="msn", ehr={"features": "age"}, fusion={"name": "concat", "ehr_dim": 8})
    assert chosen.fusion is not None
    assert chosen.fusion.options.model_dump() == {"ehr_dim": 8}


def test_options_follow_the_preset(registry: Registry) -> None:
    prototypes = {
        preset: choose_parts(load({"method": "msn"}, name=preset), registry).method.options.model_dump()["prototypes"]
        for preset in PRESETS
    }
    assert prototypes["smoke"] < prototypes["demo"] < prototypes["paper"] == 1024


@pytest.mark.parametrize(("fusion", "joins"), [("film", "film"), ("align", "concat"), ("none", "concat")])
def test_what_joins_nothing_in_pretraining_is_replaced_downstream(registry: Registry, fusion: str, joins: str) -> None:
    chosen = parts(registry, fusion=fusion)
    assert chosen.joins is not None
    assert chosen.joins.name == joins


def test_an_untrained_encoder_can_be_probed_with_ehr(registry: Registry) -> None:
    chosen = parts(registry, method="random", ehr={"features": "age"}, evaluate={"protocols": "linear", "ehr": True})
    assert (chosen.features, chosen.fusion) == (("age",), None)
    assert [evaluator.name for evaluator in chosen.evaluators] == ["linear", "linear-ehr", "ehr-only"]


def test_an_evaluator_named_twice_runs_once(registry: Registry) -> None:
    chosen = parts(registry, evaluate={"protocols": "knn,linear,knn"})
    assert [evaluator.name for evaluator in chosen.evaluators] == ["knn", "linear"]


def test_provenance_names_every_component(registry: Registry) -> None:
    rows = parts(registry, method="msn-ehr", evaluate={"protocols": "knn", "metrics": "f1"}).provenance(registry)
    assert {(row["kind"], row["name"]) for row in rows} == {
        ("method", "msn-ehr"), ("dataset", "synthetic"), ("evaluator", "knn"), ("fusion", "concat"),
        ("backbone", "vit-micro"), ("metric", "f1"), ("method", "random"), ("method", "pixels"),
    }  # fmt: skip
    assert {(row["distribution"], row["version"]) for row in rows} == {("sslbench", __version__)}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": "msn_ehr"}, r"unknown method 'msn_ehr'; did you mean 'msn-ehr'\?"),
        ({"data": {"name": "nih"}}, r"unknown dataset 'nih'; did you mean 'nih14'\?"),
        (
            {"backbone": {"name": "vit_smal_patch16_224", "image_size": 224}},
            r"unknown backbone 'vit_smal_patch16_224'; did you mean 'vit_small_patch16_224'\?",
        ),
        ({"backbone": {"name": "vit-tin"}}, r"unknown backbone 'vit-tin'; did you mean 'vit-tiny'\?"),
        ({"evaluate": {"protocols": "liner"}}, r"unknown evaluator 'liner'; did you mean 'linear'\?"),
        ({"evaluate": {"options": {"liner": {}}}}, r"unknown evaluator 'liner'; did you mean 'linear'\?"),
        ({"evaluate": {"options": {"linear": {"strength": 1}}}}, r"unknown key 'strength' of evaluator 'linear'; did"),
        ({"fusion": "concta"}, r"unknown fusion 'concta'; did you mean 'concat'\?"),
        ({"method": {"name": "msn", "prototype": 3}}, r"unknown key 'prototype' of method 'msn'; did you mean 'proto"),
        ({"data": {"options": {"image": 3}}}, r"unknown key 'image' of dataset 'synthetic'; did you mean 'images'\?"),
        ({"ehr": {"features": "agee"}}, r"unknown feature 'agee'; did you mean 'age'\?"),
        ({"ehr": {"features": "age,age:bins5"}}, "age can be given in one form only"),
        ({"ehr": {"features": "icu"}}, "dataset 'synthetic' has no feature 'icu'; it has age, sex, view"),
        ({"ehr": {"features": "stay"}}, "dataset 'synthetic' has no feature 'mortality', 'icu'; it has age, sex, view"),
        ({"method": "msn", "fusion": "concat"}, "fusion 'concat' needs EHR features; add --features"),
        ({"method": "msn", "ehr": {"control": "shuffled"}}, "--ehr-control shuffled needs EHR features; add --feat"),
        (
            {"method": "msn", "ehr": {"dropout": 0.1, "until": 0.5}},
            "--ehr-dropout 0.1 and --ehr-until 0.5 need EHR features; add --features",
        ),
        ({"ehr": {"start": 0.5, "until": 0.5}}, "EHR must be given for some time, found --ehr-from 0.5 and --ehr-unt"),
        ({"ehr": {"control": "shufled"}}, "'ehr.control' of the configuration: input should be 'none', 'shuffled', "),
        ({"method": {"name": "byol-ehr", "fuse_branches": "one"}}, "method 'byol-ehr' has no two equal branches: EHR "),
        (
            {"evaluate": {"protocols": "knn", "ehr": True}},
            "--ehr-at-eval has no effect on knn; add --eval with one of finetune, linear, or leave it out",
        ),
        (
            {"method": "msn", "evaluate": {"protocols": "ehr-only"}},
            "protocol 'ehr-only' reads EHR features, and the run has none; add --features, for example age,sex",
        ),
        (
            {"method": "random", "ehr": {"features": "age"}, "evaluate": {"protocols": "finetune", "ehr": True}},
            "protocol 'finetune-ehr' fuses EHR features, and the run has no fusion that joins any; add --fusion",
        ),
        ({"method": "random", "ehr": {"features": "age"}}, "method 'random' is not trained, so it can join no featu"),
        ({"backbone": {"name": "resnet18"}}, "method 'msn-ehr' drops patches and needs a ViT; backbone 'resnet18'"),
        (
            {"backbone": {"image_size": 64}},
            "backbone 'vit-micro' sees 64 px, the prepared images have 40 px; raise --se",
        ),
        ({"backbone": {"image_size": 36}}, "backbone.image_size must be a multiple of the patch size 8, found 36"),
    ],
)
def test_what_cannot_run_is_refused(registry: Registry, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^{sentence}") as raised:
        parts(registry, **values)
    assert "\n" not in str(raised.value)


def test_all_wrong_names_and_keys_are_told_at_once(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"(?s)^4 problems\n.*'prototype'.*'nih'.*'liner'.*'agee'"):
        parts(registry, method={"name": "msn", "prototype": 3}, data={"name": "nih"}, ehr={"features": "agee"},
              evaluate={"protocols": "liner"})  # fmt: skip


def test_a_method_without_a_fusion_of_its_own_asks_for_one() -> None:
    registry = toys(MethodSpec(name="plain", **TARGET))
    with pytest.raises(UsageError, match="method 'plain' joins no features by itself; add --fusion, one of narrow, wi"):
        parts(registry, method="plain", ehr={"features": "age"}, backbone={"name": "resnet18"})


def test_a_method_that_compares_features_refuses_a_fusion_that_widens_them() -> None:
    registry = toys(MethodSpec(name="twins", same_width=True, **TARGET), MethodSpec(name="free", **TARGET))
    values: dict[str, Any] = {"ehr": {"features": "age"}, "backbone": {"name": "resnet18"}}
    with pytest.raises(UsageError, match="which fusion 'wide' makes of another width; choose a fusion that keeps it"):
        parts(registry, method="twins", fusion="wide", **values)
    assert parts(registry, method="twins", fusion="narrow", **values).fusion is not None
    assert parts(registry, method="free", fusion="wide", **values).fusion is not None


@pytest.mark.parametrize(
    ("name", "patch", "size"),
    [
        ("vit_small_patch16_384", 16, 384),
        ("vit_base_patch32_224", 32, 224),
        ("vit_small_patch14_dinov2", 14, 224),
        ("resnet18", 0, 224),
    ],
)
def test_timm_models_go_by_their_own_names(registry: Registry, name: str, patch: int, size: int) -> None:
    backbone = choose_backbone(registry, name)
    assert (backbone.name, backbone.patch_size, backbone.image_size) == (name, patch, size)
    assert backbone.arguments == {"model": name}


def test_a_feature_that_another_dataset_declares_otherwise_harms_nobody() -> None:
    """Two datasets may give one name to two things, as long as no run has both."""
    pain = FeatureSpec(name="pain", kind="number", scale=(0, 10))
    graded = FeatureSpec(name="pain", values=("mild", "severe"))
    wards = [DatasetSpec(name=name, features=("age", "pain"), declares=(spec,), **TARGET)
             for name, spec in (("east", pain), ("west", graded))]  # fmt: skip
    registry = toys(*wards)
    assert specs_of(registry, load({"data": {"name": "east"}}, name="smoke").data)["pain"] == pain
    assert specs_of(registry, load({"data": {"name": "west"}}, name="smoke").data)["pain"] == graded
    assert "pain" in specs_of(registry, load({}, name="smoke").data)
    both = load({"data": {"name": "east"}}, name="smoke")
    with pytest.raises(PluginError, match="'pain' is declared in two ways"):
        specs_of(registry, both.data, [SourceConfig(name="west", root="west")])
