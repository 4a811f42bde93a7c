"""MSN: the authors' numbers, and a method that is what it says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from ssl_bench.build.backbones import build
from ssl_bench.config.config import PretrainConfig
from ssl_bench.data.views import draw_views
from ssl_bench.plugin.contracts import Batch, Loss
from ssl_bench.plugin.features import learn_schema
from ssl_bench.plugin.registry import installed
from ssl_bench.pretrain.optimizer import build_optimizer
from ssl_bench.seeds import generator, seed_torch
from sslbench_fusions.concat import Concat
from sslbench_fusions.options import ConcatOptions
from sslbench_methods.msn import MSN, assignments, msn_loss, sinkhorn
from sslbench_methods.options import MSNOptions

GOLDEN = Path(__file__).parents[2] / "golden" / "msn.npz"
IMAGES, COLUMNS = 8, 3
OPTIONS = MSNOptions(prototypes=16, hidden_dim=24, output_dim=12, focal_views=2, focal_size=16)


# --- the loss ---------------------------------------------------------------------------------------------------------


def golden(seed: int, dtype: torch.dtype) -> dict[str, Tensor]:
    with np.load(GOLDEN) as file:
        found = {name: torch.from_numpy(file[name]).to(dtype) for name in file.files if name.startswith(f"seed{seed}/")}
    return {name.partition("/")[2]: value for name, value in found.items()}


def loss_and_gradients(
    given: dict[str, Tensor], iterations: int, *, half: bool = False, **options: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both parts, and the gradients of anchors and prototypes; ``half``: forward under bf16 autocast."""
    anchors, prototypes = (given[name].clone().requires_grad_() for name in ("anchors", "prototypes"))
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        parts = msn_loss(anchors, given["targets"], prototypes, sinkhorn_iterations=iterations, **options)
    sum(parts).backward()
    assert anchors.grad is not None
    assert prototypes.grad is not None
    return parts[0].detach(), parts[1].detach(), anchors.grad, prototypes.grad


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("kind", "iterations"), [("sinkhorn", 3), ("nosinkhorn", 0)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_loss_equals_the_official_one(
    seed: int, kind: str, iterations: int, dtype: torch.dtype, tolerance: float
) -> None:
    given, exact = golden(seed, dtype), golden(seed, torch.float64)
    cross_entropy, me_max, anchors, prototypes = loss_and_gradients(given, iterations)
    found = {
        "cross_entropy": cross_entropy,
        "me_max": me_max,
        "total": cross_entropy + me_max,
        "grad_anchors": anchors,
        "grad_prototypes": prototypes,
    }
    for name, value in found.items():
        assert value.dtype == dtype
        torch.testing.assert_close(value.double(), exact[f"{kind}_{name}"], rtol=tolerance, atol=tolerance, msg=name)


def test_no_gradient_flows_into_the_targets() -> None:
    given = golden(0, torch.float64)
    targets = given["targets"].requires_grad_()
    cross_entropy, me_max = msn_loss(given["anchors"].requires_grad_(), targets, given["prototypes"])
    (cross_entropy + me_max).backward()
    assert targets.grad is None


@pytest.mark.parametrize("iterations", [0, 3])
def test_the_loss_is_computed_in_float32_under_autocast(iterations: int) -> None:
    given = golden(0, torch.float32)
    wanted = loss_and_gradients(given, iterations)
    for value, exact in zip(loss_and_gradients(given, iterations, half=True), wanted, strict=True):
        torch.testing.assert_close(value, exact, rtol=0, atol=0)


@pytest.mark.parametrize("iterations", [0, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_dead_prototype_keeps_everything_finite(iterations: int, dtype: torch.dtype) -> None:
    # All rows point away from the last prototype; at these temperatures its probability is exactly 0 in float32.
    generator_ = torch.Generator().manual_seed(0)
    rows = torch.rand(24, 6, generator=generator_) + 0.5
    prototypes = torch.cat([torch.rand(5, 6, generator=generator_), -torch.ones(1, 6)])
    given = {"anchors": rows.to(dtype), "targets": rows[:8].to(dtype), "prototypes": prototypes.to(dtype)}
    assert (assignments(given["targets"], given["prototypes"], 0.01 * 0.25)[:, -1] == 0).all()
    for temperature in (0.1, 0.01):
        for value in loss_and_gradients(given, iterations, half=True, temperature=temperature):
            assert value.isfinite().all()


def test_sinkhorn_balances_the_prototypes_and_leaves_a_dead_one() -> None:
    assigned = torch.rand(24, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assigned[:, 5] = 0
    balanced = sinkhorn(assigned, 50)
    torch.testing.assert_close(balanced.sum(1), torch.ones(24, dtype=torch.float64))
    torch.testing.assert_close(balanced[:, :5].sum(0), torch.full((5,), 24 / 5, dtype=torch.float64))
    assert (balanced[:, 5] == 0).all()


def test_me_max_is_zero_for_even_use_and_log_k_for_one_prototype() -> None:
    prototypes = torch.eye(4, dtype=torch.float64)
    even, one = prototypes.repeat(2, 1), prototypes[:1].repeat(8, 1)
    settings = {"temperature": 0.01, "sinkhorn_iterations": 0}
    assert float(msn_loss(even, even, prototypes, **settings)[1]) == pytest.approx(0, abs=1e-9)
    assert float(msn_loss(one, one, prototypes, **settings)[1]) == pytest.approx(math.log(4), abs=1e-9)


# --- the method -------------------------------------------------------------------------------------------------------


def make(*, fused: bool, options: MSNOptions = OPTIONS) -> MSN:
    """The method as the core builds it: backbone, fusion and head each from their own random stream."""
    seed_torch(0, "backbone")
    backbone = build(32, "vit_tiny_patch16_224", patch_size=8, embed_dim=32, depth=2, num_heads=2)
    seed_torch(0, "fusion")
    schema = learn_schema(pd.DataFrame(), ("age", "sex"))
    fusion = Concat(ConcatOptions(ehr_dim=8), 32, schema) if fused else None
    if fusion is not None:
        fusion.offset_parameters = installed().get("fusion", "concat").offset_parameters
    seed_torch(0, "method")
    return MSN(options, backbone, fusion)


def batch_of(method: MSN, dtype: torch.dtype = torch.float32) -> Batch:
    images = torch.randint(0, 256, (IMAGES, 1, 40, 40), dtype=torch.uint8, generator=generator(0, "images"))
    views = draw_views(images, method.views, generator(0, "crops", 0), mean=0.5, std=0.25, dtype=dtype)
    ehr = torch.rand(IMAGES, COLUMNS, generator=generator(0, "ehr")).to(dtype)
    present = (torch.rand(IMAGES, COLUMNS, generator=generator(0, "present")) > 0.3).to(dtype)
    return Batch(views, ehr * present, present, torch.zeros(IMAGES, 1), torch.arange(IMAGES))


def loss_of(method: MSN, batch: Batch) -> Loss:
    seed_torch(0, "step", 0)
    return method.training_loss(batch, 0.0)


def encoder_calls(method: MSN, batch: Batch, *, seeded: bool = True) -> list[tuple[Tensor, Tensor | None]]:
    """Images and kept patches of every call of the trained backbone in one step."""
    calls: list[tuple[Tensor, Tensor | None]] = []
    hook = method.backbone.register_forward_pre_hook(
        lambda module, given: calls.append((given[0], given[1] if len(given) > 1 else None))
    )
    loss_of(method, batch) if seeded else method.training_loss(batch, 0.0)
    hook.remove()
    return calls


def test_the_official_views() -> None:
    method = MSN(MSNOptions(prototypes=8, hidden_dim=8), build(224, "vit_tiny_patch16_224", depth=1), None)
    stated = {group.name: (group.count, group.size, group.scale) for group in method.views}
    assert stated == {"target": (1, 224, (0.3, 1.0)), "anchor": (1, 224, (0.3, 1.0)), "focal": (10, 96, (0.05, 0.3))}
    without = MSN(
        MSNOptions(prototypes=8, hidden_dim=8, focal_views=0), build(32, "vit_tiny_patch16_224", depth=1), None
    )
    assert [group.name for group in without.views] == ["target", "anchor"]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_gives_a_finite_loss_with_its_parts(fused: bool, dtype: torch.dtype) -> None:
    method = make(fused=fused)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = loss_of(method, batch_of(method))
    assert loss.total.dtype == torch.float32
    torch.testing.assert_close(loss.total, loss.parts["cross_entropy"] + loss.parts["me_max"])
    assert loss.total.isfinite()
    assert loss.features is not None
    assert loss.features.shape == (IMAGES, 12)
    assert not loss.features.requires_grad
    assert loss.probabilities is not None
    torch.testing.assert_close(loss.probabilities.sum(1), torch.ones(IMAGES))


def test_the_anchor_is_masked_and_focal_views_are_not() -> None:
    method = make(fused=False)
    lengths: list[int] = []
    method.backbone.model.blocks[0].register_forward_pre_hook(lambda module, given: lengths.append(given[0].shape[1]))
    batch = batch_of(method)
    (anchor, keep), (focal, whole) = encoder_calls(method, batch)
    assert anchor is batch.views["anchor"]
    assert focal is batch.views["focal"]
    assert keep is not None
    assert keep.shape == (IMAGES, 13)  # of 16 patches, rounded down
    assert whole is None
    assert lengths == [1 + 13, 1 + 4]  # the class token stays
    assert len({tuple(row) for row in keep.tolist()}) == 1  # one mask for the batch
    assert not torch.equal(keep, encoder_calls(method, batch, seeded=False)[0][1])  # and another one in the next step


def test_each_image_may_have_a_mask_of_its_own() -> None:
    method = make(fused=False, options=OPTIONS.model_copy(update={"mask_shared": False}))
    keep = encoder_calls(method, batch_of(method))[0][1]
    assert keep is not None
    assert len({tuple(row) for row in keep.tolist()}) > 1


def test_anchors_and_focal_crops_share_no_batch_statistics_unless_joined() -> None:
    sizes: list[int] = []
    for joined, wanted in ((False, [IMAGES, 2 * IMAGES]), (True, [3 * IMAGES])):
        method = make(fused=True, options=OPTIONS.model_copy(update={"joined_head": joined}))
        method.head[1].register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
        method.training_loss(batch_of(method), 0.0)
        assert sizes == wanted
        sizes.clear()


def test_head_and_prototypes_start_as_the_official_ones() -> None:
    method = make(fused=False, options=MSNOptions(prototypes=512, hidden_dim=128, output_dim=16))
    limit = 16**-0.5
    assert 0.99 * limit < method.prototypes.detach().abs().max() <= limit
    for layer in method.head:
        if isinstance(layer, torch.nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert not layer.bias.any()


def test_no_mask_where_none_is_asked_for() -> None:
    method = make(fused=False, options=OPTIONS.model_copy(update={"mask_ratio": 0.0}))
    assert [keep for _, keep in encoder_calls(method, batch_of(method))] == [None, None]


def test_the_target_network_sees_the_whole_target_and_gets_no_gradient() -> None:
    method = make(fused=True)
    batch = batch_of(method)
    given: list[tuple[Tensor, ...]] = []
    method.target_backbone.register_forward_pre_hook(lambda module, inputs: given.append(inputs))
    loss_of(method, batch).total.backward()
    assert len(given) == 1
    assert len(given[0]) == 1
    assert given[0][0] is batch.views["target"]
    for part in (method.target_backbone, method.target_head):
        assert all(not value.requires_grad and value.grad is None for value in part.parameters())
    assert method.encoder is method.target_backbone


@pytest.mark.parametrize("fused", [False, True])
def test_every_trainable_parameter_gets_a_gradient(fused: bool) -> None:
    method = make(fused=fused).double()
    loss_of(method, batch_of(method, torch.float64)).total.backward()
    norms = {name: float(value.grad.norm()) for name, value in method.named_parameters() if value.requires_grad}
    largest = max(norms.values())
    assert set(method.null_parameters) <= norms.keys()
    for name, norm in norms.items():
        assert math.isfinite(norm), name
        if name in method.null_parameters:
            assert norm < 1e-12 * largest, name
        else:
            assert norm > 1e-6 * largest, name


def test_every_trainable_parameter_is_in_one_group() -> None:
    method = make(fused=True)
    groups = method.parameter_groups()
    grouped = [id(value) for group in groups for value in group.parameters]
    assert sorted(grouped) == sorted(id(value) for value in method.parameters() if value.requires_grad)
    matrices, vectors, prototypes = groups
    assert all(value.ndim > 1 for value in matrices.parameters)
    assert all(value.ndim == 1 for value in vectors.parameters)
    assert [group.weight_decay for group in groups] == [1.0, 0.0, 0.0]
    assert [group.clip for group in groups] == [3.0, 3.0, None]
    assert prototypes.parameters[0] is method.prototypes


def test_prototypes_and_network_are_trained() -> None:
    method = make(fused=True)
    before = {name: value.clone() for name, value in method.named_parameters()}
    optimizer = build_optimizer(method.parameter_groups(), PretrainConfig())
    loss_of(method, batch_of(method)).total.backward()
    optimizer.step()
    moved = {name for name, value in method.named_parameters() if not torch.equal(value, before[name])}
    trainable = {name for name, value in method.named_parameters() if value.requires_grad}
    assert "prototypes" in moved
    assert moved <= trainable
    assert moved >= trainable - set(method.null_parameters)


@pytest.mark.parametrize("progress", [0.0, 0.5, 0.999])
def test_the_target_follows_by_the_stated_momentum(progress: float) -> None:
    method = make(fused=False)
    pairs = [(method.target_backbone, method.backbone), (method.target_head, method.head)]
    with torch.no_grad():
        for _, student in pairs:
            for value in student.parameters():
                value.add_(torch.randn_like(value))
    old = [[value.clone() for value in target.parameters()] for target, _ in pairs]
    momentum = 0.996 + 0.004 * progress / 1.25
    assert method.after_step(progress) == {"momentum": pytest.approx(momentum, abs=1e-12)}
    for (target, student), before in zip(pairs, old, strict=True):
        for value, was, new in zip(target.parameters(), before, student.parameters(), strict=True):
            torch.testing.assert_close(value.data, momentum * was + (1 - momentum) * new.data)
            assert not torch.equal(value, was)


def test_the_target_starts_as_the_trained_network() -> None:
    method = make(fused=True)
    for target, student in ((method.target_backbone, method.backbone), (method.target_head, method.head)):
        assert target.state_dict().keys() == student.state_dict().keys()
        for name, value in target.state_dict().items():
            assert torch.equal(value, student.state_dict()[name]), name


def test_a_fusion_is_the_only_difference() -> None:
    plain, fused = make(fused=False), make(fused=True)
    shared = plain.state_dict()
    assert {name for name in fused.state_dict() if not name.startswith("fusion.")} == shared.keys()
    for name, value in shared.items():
        assert torch.equal(fused.state_dict()[name], value), name
    assert plain.views == fused.views
    one, other = batch_of(plain), batch_of(fused)
    for name in one.views:
        assert torch.equal(one.views[name], other.views[name])
    for (images, keep), (same, mask) in zip(encoder_calls(plain, one), encoder_calls(fused, other), strict=True):
        assert torch.equal(images, same)
        assert (keep is None and mask is None) or torch.equal(keep, mask)


def test_ehr_features_reach_the_anchors_and_never_the_target() -> None:
    method = make(fused=True)
    batch = batch_of(method)
    first = loss_of(method, batch)
    # Not batch.ehr + 1: a shift of all rows ends at the BatchNorm of the head.
    other = Batch(batch.views, 1 - batch.ehr, batch.present, batch.labels, batch.index)
    second = loss_of(method, other)
    assert torch.equal(first.features, second.features)
    assert not torch.equal(first.total, second.total)


# --- the released code ------------------------------------------------------------------------------------------------

RELEASED = OPTIONS.model_copy(
    update={"mask_last_patch": False, "mask_shared": False, "mask_focal": True, "mask_ratio": 0.25}
)


def kept_patches(options: MSNOptions, steps: int = 12) -> dict[int, Tensor]:
    """Numbers of the patches that entered the encoder, row by row, by the number of patches of the crop."""
    method = make(fused=False, options=options)
    calls = [call for _ in range(steps) for call in encoder_calls(method, batch_of(method), seeded=False)]
    kept: dict[int, list[Tensor]] = {}
    for images, keep in calls:
        patches = method.backbone.patches(images.shape[-1])
        kept.setdefault(patches, []).append(torch.arange(patches).expand(len(images), -1) if keep is None else keep)
    return {patches: torch.cat(rows) for patches, rows in kept.items()}


def test_released_masks_are_those_of_the_library_it_calls() -> None:
    from lightly.models.utils import random_token_mask

    for patches, ours in kept_patches(RELEASED).items():
        theirs = torch.cat([random_token_mask((64, patches), mask_ratio=0.25)[0] for _ in range(20)])
        assert ours.shape[1] == theirs.shape[1] - 1  # theirs counts the class token, which always stays
        assert set(ours.unique().tolist()) == set((theirs.unique() - 1).tolist()) - {-1} == set(range(patches - 1))


def test_official_masks_see_every_patch_and_leave_focal_crops_whole() -> None:
    seen = kept_patches(OPTIONS)
    assert {size: set(rows.unique().tolist()) for size, rows in seen.items()} == {4: set(range(4)), 16: set(range(16))}
    assert seen[4].shape[1] == 4
    assert seen[16].shape[1] == 13  # int(16 * (1 - OPTIONS.mask_ratio))


def test_untrained_prototypes_stay_and_all_weights_decay() -> None:
    method = make(
        fused=False, options=OPTIONS.model_copy(update={"train_prototypes": False, "decay_all": True, "clip": None})
    )
    before = method.prototypes.detach().clone()
    loss_of(method, batch_of(method)).total.backward()
    assert method.prototypes.grad is None
    groups = method.parameter_groups()
    assert {(group.weight_decay, group.clip) for group in groups} == {(1.0, None)}
    trained = [parameter for group in groups for parameter in group.parameters]
    assert {id(parameter) for parameter in trained} == {id(p) for p in method.parameters() if p.requires_grad}
    torch.testing.assert_close(method.prototypes.detach(), before)


def test_the_papers_head_is_as_wide_as_the_encoder() -> None:
    method = make(fused=False, options=OPTIONS.model_copy(update={"hidden_dim": 0, "output_dim": 0}))
    widths = [layer.out_features for layer in method.head if isinstance(layer, torch.nn.Linear)]
    dim = method.backbone.dim
    assert widths == [4 * dim, 4 * dim, dim]
