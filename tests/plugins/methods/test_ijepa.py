"""I-JEPA: blocks as in the official code, a predictor that keeps blocks apart, an encoder without a class token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ssl_bench.build.backbones import build
from ssl_bench.config.config import load
from ssl_bench.data.source import PixelStatistics
from ssl_bench.distributed import Share
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import choose_parts
from ssl_bench.results.export import export_encoder
from sslbench_methods import blocks
from sslbench_methods.blocks import BlockSampler, block_size, shortest
from sslbench_methods.ijepa import IJEPA, heads_of, ijepa_loss
from sslbench_methods.options import IJEPAOptions

OFFICIAL: dict[str, Any] = {"targets": 4, "target_scale": (0.15, 0.2), "target_ratio": (0.75, 1.5),
                            "context_scale": (0.85, 1.0), "min_keep": 10}  # fmt: skip


@pytest.mark.parametrize("side", [14, 16])
def test_targets_are_rectangles_of_one_size_and_the_context_avoids_them(side: int) -> None:
    torch.manual_seed(0)
    context, targets = BlockSampler(side, **OFFICIAL).draw(16)
    assert targets.shape[:2] == (16, 4)
    for seen, hidden in zip(context, targets, strict=True):
        assert not set(seen.tolist()) & set(hidden.flatten().tolist())
        assert len(seen) > 10
        assert (seen.diff() > 0).all()
        for block in hidden:
            rows, columns = block // side, block % side
            height, width = (int(line.max() - line.min() + 1) for line in (rows, columns))
            assert height * width == len(block)  # a full rectangle
            assert 0.13 < len(block) / side**2 < 0.23
            assert max(int(rows.max()), int(columns.max())) < side - 1  # as in the official code


def test_sizes_are_the_official_ones() -> None:
    # 14 x 14: int(196 * .15) = 29 at .75 is 4.66 by 6.22; int(196 * .85) = 166 is a square of 12.9, and below 14
    assert block_size(14, (0.15, 0.2), (0.75, 1.5), 0.0) == (5, 6)
    assert block_size(14, (0.85, 1.0), (1.0, 1.0), 0.0) == (13, 13)
    assert block_size(14, (0.85, 1.0), (1.0, 1.0), 0.999) == (13, 13)


def test_all_blocks_of_a_batch_have_the_length_of_the_shortest() -> None:
    masks = torch.tensor([[0, 1, 1, 1], [1, 0, 0, 1]], dtype=torch.bool)
    assert shortest(masks).tolist() == [[1, 2], [0, 3]]


def test_a_context_that_finds_no_free_place_overlaps_the_last_targets_first() -> None:
    sampler = BlockSampler(4, targets=2, target_scale=(0.6, 0.6), target_ratio=(1.0, 1.0), context_scale=(0.6, 0.6),
                           min_keep=5)  # fmt: skip
    everything, first = torch.zeros(1, 16, dtype=torch.bool), torch.ones(1, 16, dtype=torch.bool)
    assert int(sampler._context(torch.stack([first, everything], 1), (3, 3)).sum()) == 9
    assert int(sampler._context(torch.stack([everything, everything], 1), (3, 3)).sum()) == 9  # and then all


def test_two_processes_draw_the_blocks_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, halves = BlockSampler(14, **OFFICIAL), []
    torch.manual_seed(3)
    whole = sampler.draw(8)
    for rank in range(2):
        torch.manual_seed(3)
        monkeypatch.setattr(blocks, "own_share", lambda rank=rank: Share(rank, 2))
        halves.append(sampler.draw(4))
    for found, wanted in zip(zip(*halves, strict=True), whole, strict=True):
        assert torch.equal(torch.cat(found), wanted)


def test_a_grid_that_is_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^on a grid of 8 x 8 patches .* as small as 9 patches, .*min_keep \(10\)"):
        BlockSampler(8, **OFFICIAL)
    with pytest.raises(UsageError, match="a grid of 1 x 1 patches"):
        BlockSampler(1, **OFFICIAL | {"min_keep": 0})


def test_target_blocks_do_not_see_each_other(checks: Any) -> None:
    method = checks.build("ijepa")
    tokens = torch.randn(2, 5, 32, dtype=torch.float64)
    context = torch.tensor([[0, 1, 4, 5, 8]]).expand(2, -1)
    targets = torch.tensor([[[2, 3], [6, 7]]]).expand(2, -1, -1)
    both = method.predictor(tokens, context, targets)
    assert both.shape == (2, 2, 2, 32)
    torch.testing.assert_close(method.predictor(tokens, context, targets[:, 1:]), both[:, 1:])
    moved = targets.clone()
    moved[:, 0] += 8
    torch.testing.assert_close(method.predictor(tokens, context, moved)[:, 1], both[:, 1])
    assert not torch.allclose(method.predictor(tokens, context, moved)[:, 0], both[:, 0])


def test_the_scale_of_a_target_token_does_not_matter() -> None:
    tokens = torch.randn(2, 16, 8, dtype=torch.float64)
    targets = torch.tensor([[[2, 3], [6, 7]]]).expand(2, -1, -1)
    wanted = torch.nn.functional.layer_norm(tokens, (8,))[:, [2, 3, 6, 7]].unflatten(1, (2, 2))
    assert ijepa_loss(wanted, tokens, targets) < 1e-12
    assert ijepa_loss(wanted, 7 * tokens + 3, targets) < 1e-9
    torch.testing.assert_close(ijepa_loss(wanted + 3, tokens, targets), torch.tensor(2.5, dtype=torch.float64))


def test_encoders_have_no_class_token_and_pool_the_mean(checks: Any) -> None:
    method = checks.build("ijepa")
    assert method.encoder is method.target_backbone
    images = torch.randn(2, 1, 32, 32, dtype=torch.float64)
    encoding = method.encoder(images)
    assert encoding.tokens.shape == (2, 16, 32)
    torch.testing.assert_close(encoding.pooled, encoding.tokens.mean(1))
    assert not any("cls_token" in name for name in method.state_dict())


def test_the_context_encoder_sees_the_context_alone(checks: Any) -> None:
    method = checks.build("ijepa")
    sizes = []
    method.backbone.model.blocks.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[1]))
    method.training_loss(checks.batch(method), 0.0)
    assert sizes[0] <= 9  # of 16 patches


@pytest.mark.parametrize("fused", [False, True])
def test_it_overfits_repeats_and_follows(checks: Any, fused: bool) -> None:
    if fused:
        return checks.keeps_ehr_out("ijepa", "target_backbone")
    checks.overfits("ijepa", steps=8)
    checks.repeats("ijepa")
    return checks.follows("ijepa", "target_backbone", "backbone")


def test_the_encoder_is_exported_without_a_class_token(checks: Any, tmp_path: Path) -> None:
    import timm

    encoder = checks.build("ijepa").encoder.float().eval()
    export_encoder(encoder, PixelStatistics(0.4, 0.2), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_args"]["class_token"] is False
    opened = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(opened(images), encoder(images).pooled, rtol=1e-6, atol=1e-6)


def test_what_cannot_be_built_is_refused(registry: Any) -> None:
    small: dict[str, Any] = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
    with pytest.raises(UsageError, match="pools by more than a class token or a mean"):
        IJEPA(IJEPAOptions(min_keep=0), build(32, "vit_base_patch16_siglip_224", **small), None)
    with pytest.raises(UsageError, match="a predictor of width 32 cannot be split among 3 heads"):
        IJEPA(IJEPAOptions(min_keep=0, predictor_dim=32, predictor_heads=3), build(32, "vit_tiny_patch16_224", **small),
              None)  # fmt: skip
    config = load({"method": "ijepa", "backbone": {"name": "resnet18"}}, name="smoke")
    with pytest.raises(UsageError, match=r"^method 'ijepa' drops patches and needs a ViT; backbone 'resnet18'"):
        choose_parts(config, registry)


def test_heads_are_the_encoders() -> None:
    assert heads_of(build(32, "vit_tiny_patch16_224", patch_size=8, embed_dim=32, depth=1, num_heads=4)) == 4
    with pytest.raises(UsageError, match="does not state its number of attention heads"):
        heads_of(build(32, "test_resnet"))
