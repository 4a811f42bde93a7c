"""From a plan to modules: each part from its own random stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssl_bench.build.modules import build_backbone, build_method, count_parameters
from ssl_bench.config.config import load
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import Registry

SMALL = {"embed_dim": 32, "depth": 1, "num_heads": 2}


@pytest.fixture
def plan(tiny_nih: Callable[..., Path], registry: Registry, tmp_path: Path) -> Callable[..., Plan]:
    root = tiny_nih(patients=20)

    def make(method: str = "msn", **flags: Any) -> Plan:
        data = {"name": "nih14", "root": str(root)}
        values = {"method": method, "data": data, "backbone": {"name": "vit-micro", "options": SMALL}, **flags}
        return make_plan(load(values, name="smoke"), registry, tmp_path)

    return make


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_backbone_is_a_function_of_the_seed(plan: Callable[..., Plan]) -> None:
    first = build_backbone(plan())
    torch.rand(5)
    assert same(first.state_dict(), build_backbone(plan()).state_dict())
    assert not same(first.state_dict(), build_backbone(plan(seed=1)).state_dict())
    assert (first.dim, first.image_size, first.patch_size) == (32, 32, 8)


def test_every_method_starts_from_the_same_encoder(plan: Callable[..., Plan]) -> None:
    encoders = [build_method(plan(name)).encoder.state_dict() for name in ("msn", "msn-ehr", "random-learnt")]
    assert same(encoders[0], encoders[1])
    assert same(encoders[0], encoders[2])
    assert same(encoders[0], build_backbone(plan()).state_dict())


def test_random_is_the_same_encoder_with_fixed_positions(plan: Callable[..., Plan]) -> None:
    random, learnt, fixed = (build_method(plan(name)).encoder.state_dict() for name in ("random", "msn", "mae"))
    assert same(random, fixed)
    assert not torch.equal(random.pop("model.pos_embed"), learnt.pop("model.pos_embed"))
    assert same(random, learnt)


def test_mae_starts_from_the_same_encoder_but_for_its_fixed_positions(plan: Callable[..., Plan]) -> None:
    plain, fixed = build_backbone(plan()), build_method(plan("mae")).encoder
    places = fixed.model.pos_embed
    assert not places.requires_grad
    assert not torch.equal(places, plain.model.pos_embed)
    rest = [{key: value for key, value in made.state_dict().items() if "pos_embed" not in key}
            for made in (plain, fixed)]  # fmt: skip
    assert same(*rest)
    sincos = plan("random", backbone={"name": "vit-micro", "options": SMALL, "positions": "sincos"})
    assert same(build_backbone(sincos).state_dict(), fixed.state_dict())


def test_given_weights_bring_their_own_positions(plan: Callable[..., Plan], tmp_path: Path) -> None:
    given = {key: value + 1 for key, value in build_backbone(plan()).model.state_dict().items()}
    torch.save(given, tmp_path / "given.pth")
    backbone = {"name": "vit-micro", "options": SMALL, "init": str(tmp_path / "given.pth")}
    places = build_method(plan("mae", backbone=backbone)).encoder.model.pos_embed
    assert torch.equal(places, given["pos_embed"])
    assert not places.requires_grad


def test_a_fusion_is_the_only_difference_between_msn_and_msn_ehr(plan: Callable[..., Plan]) -> None:
    plain, fused = build_method(plan("msn")).state_dict(), build_method(plan("msn-ehr")).state_dict()
    assert {name.partition(".")[0] for name in fused.keys() - plain.keys()} == {"fusion"}
    assert same(plain, {name: fused[name] for name in plain})


def test_the_fusion_is_built_for_the_features(plan: Callable[..., Plan]) -> None:
    method = build_method(plan("msn", ehr={"features": "age,sex,view"}))
    assert method.fusion.embed.in_features == 7
    assert method.fusion.out_dim == 32
    assert method.fusion.offset_parameters == ("embed.bias", "project.bias")  # as its descriptor states
    assert build_method(plan("msn")).fusion is None


def test_views_that_are_no_whole_patches_are_refused(plan: Callable[..., Plan]) -> None:
    with pytest.raises(UsageError, match="'msn' has focal views of 20 px, which is no multiple of the patch size 8"):
        build_method(plan(method={"name": "msn", "focal_size": 20}))


def test_parameters_are_counted() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1).requires_grad_(False))
    assert count_parameters(module) == 8 + 3
    assert count_parameters(module, trainable=True) == 8
