"""Every method with every fusion: the pair trains, or it is refused at plan time with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from ssl_bench.build.modules import build_method
from ssl_bench.build.prepared import PreparedData, prepare_data
from ssl_bench.config.config import PretrainConfig, resolve
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import Registry, discover
from ssl_bench.pretrain.optimizer import build_optimizer
from ssl_bench.pretrain.run import batch_stream

BUILT_IN = discover()
METHODS, FUSIONS = BUILT_IN.names("method"), BUILT_IN.names("fusion")

REFUSED = {
    (method, "concat-noproj"): f"method '{method}' has features beside the fused ones, which fusion 'concat-noproj' "
    "makes of another width; choose a fusion that keeps it"
    for method in ("byol", "byol-ehr", "dino", "dino-ehr", "dinov2", "ijepa", "mae", "moco-v3", "simsiam")
} | {
    (method, "concat-noproj"): f"method '{method}' has features beside the fused ones, which fusion 'concat-noproj' "
    "makes of another width; choose a fusion that keeps it, or --fuse-branches both"
    for method in ("simclr", "simclr-ehr", "vicreg", "vicreg-ehr")
} | {
    (method, fusion): f"method '{method}' is not trained, so it can join no features; leave out --features"
    for method in ("pixels", "pixels-pca", "pretrained", "random", "random-learnt")
    for fusion in FUSIONS
}  # fmt: skip
"""Every pair that cannot run, and the sentence that says why."""


def values(root: Path, method: dict[str, Any], fusion: str) -> dict[str, Any]:
    """A configuration with a tiny ViT and batches of 4."""
    return {
        "preset": "smoke", "method": method, "fusion": fusion, "ehr": {"features": "age,sex"},
        "data": {"name": "nih14", "root": str(root), "size": 32},
        "backbone": {"name": "vit-micro", "image_size": 32,
                     "options": {"embed_dim": 32, "depth": 1, "num_heads": 2}},
        "pretrain": {"epochs": 1, "batch_size": 4, "warmup_epochs": 0, "threads": 1},
    }  # fmt: skip


@pytest.fixture(scope="module")
def prepared(
    tiny_nih: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, registry: Registry
) -> tuple[Plan, PreparedData]:
    """A plan and its images, on which all pairs train."""
    config = resolve([values(tiny_nih(patients=20), {"name": "msn"}, "concat")])
    plan = make_plan(config, registry, tmp_path_factory.mktemp("cache"))
    return plan, prepare_data(plan, torch.device("cpu"), lambda done, total: None)


def trained(prepared: tuple[Plan, PreparedData], registry: Registry, method: dict[str, Any], fusion: str) -> float:
    """The loss after two steps; every fusion parameter has moved."""
    plan, material = prepared
    config = resolve([values(cast("Path", plan.config.data.root), method, fusion)])
    own = replace(plan, config=config, parts=choose_parts(config, registry))
    built = build_method(own)
    stream = batch_stream(own, built, material)
    optimizer = build_optimizer(built.parameter_groups(), PretrainConfig(lr=1e-2))
    module = cast("nn.Module", built).train()
    before = {name: value.clone() for name, value in module.named_parameters() if name.startswith("fusion.")}
    for step in range(2):
        progress = step / 2
        built.before_step(progress)
        loss = built.training_loss(stream.batch(step), progress)
        optimizer.zero_grad()
        torch.autograd.backward(loss.total)
        optimizer.step()
        built.after_step(progress)
    gaps = {"fusion.absence"}  # nothing is missing in this dataset
    still = {name for name, value in before.items() if torch.equal(value, module.get_parameter(name))}
    assert still <= gaps, still
    return float(loss.total.detach())


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("method", METHODS)
def test_a_pair_trains_or_is_refused(
    method: str, fusion: str, prepared: tuple[Plan, PreparedData], registry: Registry
) -> None:
    chosen = {"name": method}
    if (method, fusion) in REFUSED:
        with pytest.raises(UsageError) as refusal:
            choose_parts(resolve([values(cast("Path", prepared[0].config.data.root), chosen, fusion)]), registry)
        assert str(refusal.value) == REFUSED[method, fusion]
    else:
        assert torch.tensor(trained(prepared, registry, chosen, fusion)).isfinite()


def loss(prepared: tuple[Plan, PreparedData], registry: Registry, **changes: Any) -> tuple[float, int]:
    """The loss of the first step of MSN, and the number of its parameters."""
    plan, material = prepared
    wanted = values(cast("Path", plan.config.data.root), {"name": "msn"}, "concat") | changes
    own = make_plan(resolve([wanted]), registry, plan.cache)
    method = build_method(own)
    batch = batch_stream(own, method, material).batch(0)
    torch.manual_seed(0)
    module = cast("nn.Module", method).train()
    return float(method.training_loss(batch, 0.0).total.detach()), sum(value.numel() for value in module.parameters())


def test_none_is_the_method_without_features(prepared: tuple[Plan, PreparedData], registry: Registry) -> None:
    assert loss(prepared, registry, fusion="none") == loss(prepared, registry, fusion=None, ehr={})


def test_controls_have_the_parameters_of_the_real_thing(
    prepared: tuple[Plan, PreparedData], registry: Registry
) -> None:
    found = {
        kind: loss(prepared, registry, ehr={"features": "age,sex", "control": kind})
        for kind in ("none", "shuffled", "constant", "noise")
    }
    assert len({count for _, count in found.values()}) == 1
    assert len({value for value, _ in found.values()}) == 4


@pytest.mark.parametrize("method", ["simclr", "vicreg"])
def test_with_both_branches_the_width_may_change(
    method: str, prepared: tuple[Plan, PreparedData], registry: Registry
) -> None:
    assert trained(prepared, registry, {"name": method, "fuse_branches": "both"}, "concat-noproj")


@pytest.mark.parametrize("method", ["msn", "byol-ehr", "dino", "mae"])
def test_branches_are_refused_where_there_are_none_to_choose(
    method: str, prepared: tuple[Plan, PreparedData], registry: Registry
) -> None:
    chosen = {"name": method, "fuse_branches": "both"}
    with pytest.raises(UsageError, match=f"method '{method}' has no two equal branches: .*leave out --fuse-branches$"):
        choose_parts(resolve([values(cast("Path", prepared[0].config.data.root), chosen, "concat")]), registry)
