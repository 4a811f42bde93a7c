"""DINOv2: masks as in the official code, targets by Sinkhorn-Knopp, a spread of features, groups of parameters."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ssl_bench import distributed
from ssl_bench.config.config import load
from ssl_bench.distributed import Share
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plugin.contracts import Hidden
from ssl_bench.pretrain.optimizer import Rates, build_optimizer, set_rates
from sslbench_methods import masking
from sslbench_methods.dinov2 import balanced, koleo_loss
from sslbench_methods.droppath import SubsetDropPath, of_views
from sslbench_methods.masking import MaskSampler, cover


def test_half_of_the_views_are_masked_by_shares_that_fill_the_range() -> None:
    torch.manual_seed(0)
    hidden = MaskSampler(14, share=0.5, ratio=(0.1, 0.5)).draw(64, views=2)
    counts = hidden.sum(1).sort().values
    assert hidden.shape == (64, 196)
    assert (counts[:32] == 0).all()
    for number, count in enumerate(counts[32:].tolist()):
        edges = [196 * (0.1 + 0.4 * (number + end) / 32) for end in (0, 1)]
        assert edges[0] - 8 < count <= edges[1]  # some rectangles find no place, and leave fewer


def test_a_mask_is_never_larger_than_asked_and_made_of_rectangles() -> None:
    for seed in range(50):
        mask = np.zeros((14, 14), dtype=bool)
        cover(mask, 20, Random(seed))
        assert 0 < mask.sum() <= 20
    one = np.zeros((14, 14), dtype=bool)
    added = masking._rectangle(one, 30, Random(1))
    rows, columns = np.nonzero(one)
    assert added == one.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_two_processes_draw_the_masks_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, halves = MaskSampler(8, share=0.5, ratio=(0.1, 0.5)), []
    torch.manual_seed(3)
    whole = sampler.draw(16, views=2)
    for rank in range(2):
        torch.manual_seed(3)
        monkeypatch.setattr(masking, "own_share", lambda rank=rank: Share(rank, 2))
        halves.append(sampler.draw(8, views=2).unflatten(0, (2, 4)))
    assert torch.equal(torch.cat(halves, dim=1).flatten(0, 1), whole)


def test_a_hidden_patch_shows_nothing_but_keeps_its_place(checks: Any) -> None:
    method = checks.build("dinov2", drop_path=0.0)
    hidden = torch.zeros(16, 16, dtype=torch.bool)
    hidden[:, 5] = True
    large = torch.randn(16, 1, 32, 32, dtype=torch.float64)
    other = large.clone()
    other[..., 8:16, 8:16] += 1.0  # the patch of row 1 and column 1

    def tokens(images: Tensor, where: Tensor) -> Tensor:
        seen: Tensor = method._student(images, 2, Hidden(where, method.mask_token)).tokens
        return seen

    torch.testing.assert_close(tokens(other, hidden), tokens(large, hidden), rtol=0, atol=0)
    assert not torch.allclose(tokens(other, ~hidden), tokens(large, ~hidden))
    moved = tokens(large, hidden.roll(1, dims=1))
    assert not torch.allclose(moved[:, 6], tokens(large, hidden)[:, 5])


def test_targets_are_balanced_over_prototypes_and_sum_to_one() -> None:
    torch.manual_seed(0)
    logits = torch.randn(12, 6, dtype=torch.float64)
    targets = balanced(logits, 0.5, 50)
    torch.testing.assert_close(targets.sum(1), torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(targets.sum(0), torch.full((6,), 2.0, dtype=torch.float64), rtol=1e-6, atol=0)
    official = (logits / 0.5).exp().T  # three steps, as written in the official code
    official /= official.sum()
    for _ in range(3):
        official /= official.sum(1, keepdim=True) * 6
        official /= official.sum(0, keepdim=True) * 12
    torch.testing.assert_close(balanced(logits, 0.5, 3), (official * 12).T)
    torch.testing.assert_close(balanced(logits, 0.5, 0), torch.softmax(logits / 0.5, -1))


def test_targets_of_large_outputs_stay_finite_and_none_give_none() -> None:
    assert balanced(torch.randn(4, 3) * 100, 0.04, 3).isfinite().all()
    assert balanced(torch.empty(0, 3), 0.04, 3).shape == (0, 3)


def test_koleo_is_the_logarithm_of_the_nearest_distance() -> None:
    rows = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, -1.0]], dtype=torch.float64)  # unit vectors at right angles
    torch.testing.assert_close(koleo_loss([rows]), -torch.tensor(2.0, dtype=torch.float64).sqrt().log())
    near = torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]], dtype=torch.float64)
    assert koleo_loss([near, rows]) > koleo_loss([rows, rows])


@pytest.mark.parametrize(("rate", "kept"), [(0.4, 4), (0.1, 7), (0.95, 1)])
def test_stochastic_depth_keeps_a_fixed_number_of_rows(rate: float, kept: int) -> None:
    layer = SubsetDropPath(rate).train()
    out = layer(torch.ones(8, 3, 2, dtype=torch.float64))
    assert sorted(out[:, 0, 0].tolist()) == [0.0] * (8 - kept) + [8 / kept] * kept
    torch.testing.assert_close(layer.eval()(out), out, rtol=0, atol=0)


def test_two_processes_drop_the_rows_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, images = SubsetDropPath(0.5).train(), torch.arange(1.0, 13.0).view(12, 1)
    torch.manual_seed(0)
    whole, halves = layer(images), []
    for rank in range(2):
        torch.manual_seed(0)
        monkeypatch.setattr(distributed, "own_share", lambda rank=rank: Share(rank, 2))
        own = images.view(3, 2, 2, 1)[:, rank].flatten(0, 1)
        with of_views(3):
            halves.append(layer(own).unflatten(0, (3, 2)))
    assert torch.equal(torch.cat(halves, dim=1).flatten(0, 1), whole)


def test_groups_follow_the_official_code(checks: Any) -> None:
    method = checks.build("dinov2", patch_embed_lr=0.2, freeze_last_layer=0.1)
    names = {id(value): name for name, value in method.named_parameters()}
    groups = {names[id(value)]: group for group in method.parameter_groups() for value in group.parameters}
    patches = groups["backbone.model.patch_embed.proj.weight"]
    assert (patches.lr_scale, patches.clip_with, patches.weight_decay) == (0.2, "backbone", 1.0)
    assert groups["backbone.model.patch_embed.proj.bias"].weight_decay == 0.0
    assert groups["mask_token"].clip_with == groups["backbone.model.norm.weight"].clip_with == "backbone"
    for head in ("head", "patch_head"):
        length = groups[f"{head}.last_layer.parametrizations.weight.original0"]
        assert (length.rest, length.weight_decay, length.clip_with) == (0.1, 1.0, head)
        assert groups[f"{head}.layers.0.weight"].rest == 0.0


def test_last_layers_rest_at_first_while_their_averages_follow(checks: Any) -> None:
    method = checks.build("dinov2", freeze_last_layer=0.5)
    groups = method.parameter_groups()
    config = load({"pretrain": {"lr": 0.1, "weight_decay": 0.1, "weight_decay_end": 0.1}}, name="smoke").pretrain
    optimizer = build_optimizer(groups, config)
    weight = method.head.last_layer.parametrizations.weight.original1
    before = weight.detach().clone()
    for progress, moved in ((0.0, False), (0.5, True)):
        set_rates(optimizer, groups, Rates(0.1, 0.1, progress))
        optimizer.zero_grad()
        method.training_loss(checks.batch(method), progress).total.backward()
        optimizer.step()
        assert torch.equal(weight, before) is not moved
        assert float(optimizer.state[weight]["exp_avg"].norm()) > 0


def test_every_parameter_learns_and_it_repeats(checks: Any) -> None:
    checks.learns_everywhere("dinov2", fused=True)
    checks.repeats("dinov2")


def test_teacher_follows_and_never_sees_ehr(checks: Any) -> None:
    for teacher, student in (("teacher_backbone", "backbone"), ("teacher_patch_head", "patch_head")):
        checks.follows("dinov2", teacher, student)
    checks.keeps_ehr_out("dinov2", "teacher_head")
    checks.keeps_ehr_out("dinov2", "patch_head")


def test_evaluated_is_the_teacher_and_a_cnn_is_refused(checks: Any, registry: Any) -> None:
    method = checks.build("dinov2")
    assert method.encoder is method.teacher_backbone
    config = load({"method": "dinov2", "backbone": {"name": "resnet18"}}, name="smoke")
    with pytest.raises(UsageError, match=r"^method 'dinov2' drops patches and needs a ViT; backbone 'resnet18'"):
        choose_parts(config, registry)
