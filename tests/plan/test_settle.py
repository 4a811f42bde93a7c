"""What ``auto`` becomes, method by method."""

from __future__ import annotations

from typing import Any

import pytest

from ssl_bench.config.config import load
from ssl_bench.config.recipes import finder
from ssl_bench.errors import UsageError
from ssl_bench.plan.backbones import choose_backbone
from ssl_bench.plan.settle import settle, whose_rates
from ssl_bench.plugin.registry import Registry


def settled(registry: Registry, preset: str = "smoke", **flags: Any) -> Any:
    return settle(load(flags, name=preset), registry)


def told(registry: Registry, config: Any) -> str:
    method = registry.get("method", config.method.name)
    return whose_rates(config, method, choose_backbone(registry, config.backbone.name))


@pytest.mark.parametrize(
    ("method", "asked", "wanted"),
    [("msn", {}, "learnt"), ("dino", {}, "learnt"), ("mae", {}, "sincos"), ("moco-v3", {}, "sincos"),
     ("ijepa", {}, "sincos"), ("random", {"positions": "sincos"}, "sincos"), ("mae", {"positions": "learnt"}, "learnt"),
     ("moco-v3", {"name": "resnet18"}, "auto")],
)  # fmt: skip
def test_positions_are_the_methods_own(registry: Registry, method: str, asked: dict[str, str], wanted: str) -> None:
    assert settled(registry, method=method, backbone=asked).backbone.positions == wanted


def test_a_cnn_has_no_positions(registry: Registry) -> None:
    with pytest.raises(UsageError, match="backbone 'resnet18' has no patches, so no positions either"):
        settled(registry, method="simclr", backbone={"name": "resnet18", "positions": "sincos"})


@pytest.mark.parametrize(
    ("method", "batch", "lr", "decay"),
    [("msn", 64, 1e-3 / 16, (0.04, 0.4)), ("msn-ehr", 1024, 1e-3, (0.04, 0.4)), ("dino", 64, 1.25e-4, (0.04, 0.4)),
     ("mae", 64, 3.75e-5, (0.05, 0.05)), ("moco-v3", 1024, 6e-4, (0.1, 0.1)), ("simclr", 256, 1.5e-4, (0.1, 0.1)),
     ("ijepa", 64, 1e-3 / 32, (0.04, 0.4)), ("dinov2", 64, 5e-5, (0.04, 0.2)), ("vicreg", 128, 2.5e-4, (0.05, 0.05)),
     ("supervised", 512, 5e-4, (0.05, 0.05))],
)  # fmt: skip
def test_a_vit_gets_the_authors_rate_for_the_batch(
    registry: Registry, method: str, batch: int, lr: float, decay: tuple[float, float]
) -> None:
    config = settled(registry, "paper", method=method, pretrain={"batch_size": batch})
    assert config.pretrain.lr == pytest.approx(lr)
    assert config.pretrain.decay == decay
    assert f"({batch}/" in told(registry, config)


@pytest.mark.parametrize(
    ("method", "lr", "decay"),
    [("simclr", 0.075 * 32, 1e-4), ("byol", 1.8, 1e-6), ("vicreg", 0.8, 1e-6), ("moco-v3", 2.4, 1e-6),
     ("simsiam", 0.8, 1e-6)],
)  # fmt: skip
def test_a_cnn_in_large_batches_gets_the_rate_of_lars(registry: Registry, method: str, lr: float, decay: float) -> None:
    values: dict[str, Any] = {"backbone": {"name": "resnet18"}, "pretrain": {"batch_size": 1024}}
    pretrain = settled(registry, "paper", method=method, **values).pretrain
    assert (pretrain.lr, pretrain.decay) == (pytest.approx(lr), (decay, decay))


def test_what_the_user_says_stays(registry: Registry) -> None:
    config = settled(registry, "paper", method="dino", pretrain={"lr": 0.5, "weight_decay": 0.1})
    assert (config.pretrain.lr, config.pretrain.decay) == (0.5, (0.1, 0.1))
    assert told(registry, config) == "rate: given; decay: given"
    rising = settled(registry, "paper", method="dino", pretrain={"weight_decay_end": 0.2}).pretrain
    assert rising.decay == (0.04, 0.2)


def test_a_preset_of_few_steps_has_rates_of_its_own_and_the_official_decay(registry: Registry) -> None:
    chosen = {method: settled(registry, "demo", method=method) for method in ("msn", "simclr", "random")}
    assert [chosen[name].pretrain.lr for name in ("msn", "simclr")] == [2e-3, 5e-4]
    assert chosen["msn"].pretrain.decay == (0.04, 0.4)
    assert told(registry, chosen["msn"]) == "rate: of preset demo; decay: github.com/facebookresearch/msn"
    assert chosen["random"].pretrain.lr == "auto"  # it trains nothing


def test_a_longer_demonstration_has_the_values_of_demo_and_slower_teachers(registry: Registry) -> None:
    chosen = {method: settled(registry, "demo-long", method=method) for method in ("mae", "simclr", "dino")}
    assert [config.pretrain.lr for config in chosen.values()] == [2e-3, 5e-4, 5e-4]
    assert (chosen["mae"].pretrain.epochs, settled(registry, "demo", method="mae").pretrain.epochs) == (48, 8)
    for name in registry.names("method"):
        short, long = (registry.options("method", name, {}, preset).model_dump() for preset in ("demo", "demo-long"))
        changed = {key for key in short if short[key] != long[key]}
        assert changed <= {"momentum", "momentum_end", "freeze_last_layer"}, name


def test_a_settled_configuration_stays(registry: Registry) -> None:
    once = settled(registry, "paper", method="dino")
    assert settle(once, registry) == once


def test_recipes_have_the_papers_rate(registry: Registry) -> None:
    config = load({"method": "msn", "recipe": "released"}, name="paper", recipe=finder(registry))
    pretrain = settle(config, registry).pretrain
    assert (pretrain.lr, pretrain.decay) == (1e-4, (1e-3, 1e-3))
