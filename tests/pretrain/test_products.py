"""Layers as products of matrices in bf16 on a CPU: the same functions, and only while the loss is computed."""

from __future__ import annotations

import pytest
import torch
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn

from ssl_bench.config.config import PretrainConfig
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import ForwardPass
from ssl_bench.pretrain.products import as_products, plain, products_are_faster
from ssl_bench.testing import tiny
from sslbench_methods.options import SimCLROptions
from sslbench_methods.simclr import SimCLR


@pytest.mark.parametrize(("precision", "faster"), [("bf16-mixed", True), ("32-true", False)])
def test_products_are_faster_in_bf16_on_a_cpu(precision: str, faster: bool) -> None:
    assert products_are_faster(build_fabric(PretrainConfig(accelerator="cpu", precision=precision))) is faster


def test_separate_products_give_the_same_and_end_with_the_block() -> None:
    vit, images = tiny.backbone("vit").double(), torch.rand(2, 1, 16, 16, dtype=torch.float64)
    fused = vit(images).tokens
    with as_products(vit):
        assert not any(block.attn.fused_attn for block in vit.model.blocks)
        separate = vit(images).tokens
    assert all(block.attn.fused_attn for block in vit.model.blocks)
    torch.testing.assert_close(separate, fused)


@pytest.mark.parametrize("size", [16, 20, 24])  # 20 px: a rest that no patch of 8 px fills
def test_patches_embedded_by_a_product_are_those_of_the_convolution(size: int) -> None:
    layer = PatchEmbed(img_size=None, patch_size=8, in_chans=3, embed_dim=5, flatten=False, output_fmt="NHWC").double()
    images = torch.rand(2, 3, size, size, dtype=torch.float64)

    def seen() -> list[Tensor]:
        out = layer(images)
        return [out, *torch.autograd.grad(out.square().sum(), list(layer.parameters()))]

    own = seen()
    with as_products(layer):
        assert "forward" in vars(layer.proj)
        for product, convolution in zip(seen(), own, strict=True):
            assert product.shape == convolution.shape
            torch.testing.assert_close(product, convolution)
    assert "forward" not in vars(layer.proj)


@pytest.mark.parametrize("other", [{"stride": 4}, {"padding": 1}, {"groups": 2}, {"dilation": 2}])
def test_other_convolutions_stay(other: dict[str, int]) -> None:
    assert plain(nn.Conv2d(2, 4, 8, stride=8))
    assert not plain(nn.Conv2d(2, 4, 8, **{"stride": 8, **other}))


@pytest.mark.parametrize("products", [True, False])
def test_the_loss_is_computed_as_it_is_said(products: bool) -> None:
    method = SimCLR(SimCLROptions(), tiny.backbone("vit"), None)
    seen: list[bool] = []

    def look(*call: object) -> None:
        seen.extend(block.attn.fused_attn for block in method.backbone.model.blocks)

    method.backbone.register_forward_pre_hook(look)
    step = ForwardPass(method, products=products)
    step.batch = tiny.batch(method.views, dtype=torch.float32)
    step(0.0)
    assert seen
    assert set(seen) == {not products}
