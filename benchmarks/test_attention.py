"""Attention and patch embeddings as products of matrices against their own kernels, forward and backward, on the CPU.

One layer of ViT-Tiny at the sizes that a step of MSN has: focal crops, masked anchors, targets.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from benchmarks.interleave import interleave
from ssl_bench.pretrain.products import as_products

WIDTH, HEADS, ROUNDS = 192, 3, 9


@pytest.mark.parametrize(("crops", "tokens"), [(80, 37), (8, 168), (8, 197)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention(report, dtype: torch.dtype, crops: int, tokens: int) -> None:
    torch.manual_seed(0)
    layer = Block(WIDTH, HEADS).attn
    layer.qkv = layer.proj = torch.nn.Identity()  # what is left is attention alone
    rows = torch.randn(crops, tokens, 3 * WIDTH, dtype=dtype, requires_grad=True)

    def fused() -> Tensor:
        out = layer(rows)
        torch.autograd.backward(out.sum())
        return out

    name = "bf16" if dtype == torch.bfloat16 else "float32"
    measured(report, f"attention in products, {name}, {crops} x {tokens} tokens", layer, fused)


@pytest.mark.parametrize(("crops", "size"), [(80, 96), (8, 224)])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_patch_embedding(report, precision: str, crops: int, size: int) -> None:
    torch.manual_seed(0)
    layer = PatchEmbed(size, 16, 1, WIDTH)
    images = torch.randn(crops, 1, size, size)

    def convolution() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            out = layer(images)
        torch.autograd.backward(out.sum())
        return out

    measured(report, f"patches in a product, {precision}, {crops} x {size} px", layer, convolution)


def measured(report, name: str, layer: nn.Module, own: Callable[[], Tensor]) -> None:
    """The same result by a layer's own kernel and by products, and the ratio of their times."""

    def products() -> Tensor:
        with as_products(layer):
            return own()

    torch.testing.assert_close(products(), own(), rtol=0.02, atol=0.02)
    times = interleave({"sslbench": products, own.__name__: own}, ROUNDS)
    report.ratio(name, times, "sslbench", own.__name__)
