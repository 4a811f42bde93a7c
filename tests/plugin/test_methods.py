"""What authors of methods import."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ssl_bench.distributed import BatchNorm
from ssl_bench.plugin.contracts import Batch, Encoding, Fused
from ssl_bench.plugin.methods import (
    BaseMethod,
    apply_fusion,
    cancelled_offsets,
    ema_update,
    frozen_copy,
    full_precision,
    joined_losses,
    projection_head,
    random_keep,
    split_by_decay,
)


def test_moving_average() -> None:
    student, teacher = nn.Linear(3, 2), nn.Linear(3, 2)
    old = [value.clone() for value in teacher.parameters()]
    ema_update(teacher, student, 0.75)
    for value, before, new in zip(teacher.parameters(), old, student.parameters(), strict=True):
        torch.testing.assert_close(value.data, 0.75 * before + 0.25 * new.data)
    ema_update(teacher, student, 0.0)
    torch.testing.assert_close(teacher.weight.data, student.weight.data)


def test_a_frozen_copy_is_equal_and_separate() -> None:
    student = nn.Sequential(nn.Linear(3, 2), BatchNorm(2))
    teacher = frozen_copy(student)
    assert not any(value.requires_grad for value in teacher.parameters())
    assert all(value.requires_grad for value in student.parameters())
    with torch.no_grad():
        student[0].weight.zero_()
    assert teacher[0].weight.any()


def test_weight_decay_is_for_matrices() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    module[2].weight.requires_grad_(False)
    decayed, bare = split_by_decay(module.named_parameters(), clip=3.0, clip_each=True)
    assert [value.shape for value in decayed.parameters] == [(2, 3)]
    assert [len(value) for value in bare.parameters] == [2, 2, 2, 1]
    assert (decayed.weight_decay, bare.weight_decay) == (1.0, 0.0)
    assert all(group.clip == 3.0 and group.clip_each for group in (decayed, bare))


class Adding:
    """A fusion that adds the first EHR column."""

    out_dim = 2

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        return Fused(encoding.pooled + (ehr * present)[:, :1], {"size": ehr.sum()})


def test_ehr_rows_are_repeated_view_major() -> None:
    rows = torch.tensor([[10.0, 0], [20, 0], [30, 0]])
    present = torch.tensor([[1.0, 1], [1, 1], [0, 1]])
    batch = Batch({}, rows, present, rows, rows)
    pooled = torch.arange(12.0).view(6, 2)  # two views of three images
    fused = apply_fusion(Adding(), Encoding(pooled, pooled), batch)
    torch.testing.assert_close(fused.features - pooled, torch.tensor([10.0, 20, 0, 10, 20, 0])[:, None].expand(6, 2))
    assert fused.losses["size"] == 120
    assert apply_fusion(None, Encoding(pooled, pooled), batch).features is pooled


def test_a_projection_head_has_the_stated_layers() -> None:
    head = projection_head((8, 16, 16, 4), activation=nn.GELU, hidden_bias=True, last_bias=True)
    assert [type(layer) for layer in head] == [
        *(nn.Linear, BatchNorm, nn.GELU),
        *(nn.Linear, BatchNorm, nn.GELU),
        nn.Linear,
    ]
    assert [layer.bias is not None for layer in head if isinstance(layer, nn.Linear)] == [True, True, True]
    bare = projection_head((8, 16, 4), last_norm=True)
    assert [type(layer) for layer in bare] == [nn.Linear, BatchNorm, nn.ReLU, nn.Linear, BatchNorm]
    assert [layer.bias is None for layer in bare if isinstance(layer, nn.Linear)] == [True, True]
    assert not bare[-1].affine
    assert [type(layer) for layer in projection_head((8, 4, 2), norm=False)] == [nn.Linear, nn.ReLU, nn.Linear]
    assert head(torch.rand(3, 8)).shape == (3, 4)


@pytest.mark.parametrize(("patches", "drop", "kept"), [(16, 0.15, 13), (196, 0.15, 166), (196, 0.7, 58), (9, 0.0, 9)])
def test_patches_are_kept_without_replacement(patches: int, drop: float, kept: int) -> None:
    keep = random_keep(50, patches, drop, torch.device("cpu"))
    assert keep.shape == (50, kept)
    assert (keep.diff(dim=1) > 0).all()
    assert set(keep.unique().tolist()) == set(range(patches))  # the first and the last patch are seen, too


def test_masks_come_from_the_seeded_generator() -> None:
    masks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        masks.append(random_keep(4, 16, 0.5, torch.device("cpu")))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert not torch.equal(masks[0][0], masks[0][1])


def test_losses_are_computed_in_full_precision() -> None:
    half, double = torch.rand(3, 3).bfloat16(), torch.rand(3, 3).double()
    with torch.autocast("cpu", torch.bfloat16), full_precision(half, double) as (wide, same):
        assert (wide.dtype, same.dtype) == (torch.float32, torch.float64)
        assert (wide @ wide).dtype == torch.float32
    with full_precision(torch.empty(2, device="meta")) as (shapes,):
        assert shapes.is_meta


def test_auxiliary_losses_are_added_and_named() -> None:
    total, parts = joined_losses(torch.tensor(2.0), {"contrast": torch.tensor(3.0)})
    assert (total, parts) == (5.0, {"fusion_contrast": 3.0})
    total, parts = joined_losses(torch.tensor(2.0), {})
    assert (total, parts) == (2.0, {})


def test_shifts_in_front_of_a_batch_norm_are_named() -> None:
    backbone, linear, gated = nn.Module(), nn.Module(), nn.Module()
    backbone.offset_parameters, linear.offset_parameters = ("norm.bias",), ("project.bias",)
    assert cancelled_offsets(backbone, None) == ("backbone.norm.bias",)
    assert cancelled_offsets(backbone, linear) == ("fusion.project.bias", "backbone.norm.bias")
    assert cancelled_offsets(backbone, gated) == ()
    assert cancelled_offsets(nn.Module(), None) == ()


def test_the_base_class_asks_for_what_a_method_must_state() -> None:
    method = BaseMethod()
    with pytest.raises(NotImplementedError, match="BaseMethod must state which network is evaluated"):
        _ = method.encoder
    with pytest.raises(NotImplementedError, match="BaseMethod must define its training loss"):
        method.training_loss(Batch({}, *[torch.empty(0)] * 4), 0.0)
    assert method.after_step(0.5) == {}
    assert (method.schedule_stretch, method.null_parameters) == (1.0, ())
