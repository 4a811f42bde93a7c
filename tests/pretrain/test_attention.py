"""Attention as separate products in bf16 on a CPU: the same function, and only while the loss is computed."""

from __future__ import annotations

import pytest
import torch

from ssl_bench.config.config import PretrainConfig
from ssl_bench.pretrain.attention import slow_when_fused, unfused
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import ForwardPass
from ssl_bench.testing import tiny
from sslbench_methods.options import SimCLROptions
from sslbench_methods.simclr import SimCLR


@pytest.mark.parametrize(("precision", "slow"), [("bf16-mixed", True), ("32-true", False)])
def test_bf16_on_a_cpu_is_slow_when_fused(precision: str, slow: bool) -> None:
    assert slow_when_fused(build_fabric(PretrainConfig(accelerator="cpu", precision=precision))) is slow


def test_separate_products_give_the_same_and_end_with_the_block() -> None:
    vit, images = tiny.backbone("vit").double(), torch.rand(2, 1, 16, 16, dtype=torch.float64)
    fused = vit(images).tokens
    with unfused(vit):
        assert not any(block.attn.fused_attn for block in vit.model.blocks)
        separate = vit(images).tokens
    assert all(block.attn.fused_attn for block in vit.model.blocks)
    torch.testing.assert_close(separate, fused)


@pytest.mark.parametrize("fused", [True, False])
def test_the_loss_is_computed_as_it_is_said(fused: bool) -> None:
    method = SimCLR(SimCLROptions(), tiny.backbone("vit"), None)
    seen: list[bool] = []

    def look(*call: object) -> None:
        seen.extend(block.attn.fused_attn for block in method.backbone.model.blocks)

    method.backbone.register_forward_pre_hook(look)
    step = ForwardPass(method, fused=fused)
    step.batch = tiny.batch(method.views, dtype=torch.float32)
    step(0.0)
    assert seen
    assert set(seen) == {fused}
