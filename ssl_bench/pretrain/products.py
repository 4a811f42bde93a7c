"""Attention and patch embeddings as plain matrix products, where their own kernels are slow: in bf16 on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn
from torch.nn.functional import linear

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def products_are_faster(fabric: Fabric) -> bool:
    """Whether matrix products are the faster way in this precision on this device.

    On a CPU in bf16 torch's fused attention takes 3.8 times as long as separate products do for 37 tokens, and 1.8
    times for 197, forward and backward together; the convolution that embeds patches takes 3 to 7 times as long as one
    product. In float32 fused attention is the faster way (``pytest benchmarks/test_attention.py -s``).
    """
    return fabric.device.type == "cpu" and fabric._precision.precision == "bf16-mixed"


@contextmanager
def as_products(network: nn.Module) -> Iterator[None]:
    """Layers of timm as products of matrices; as they were afterwards.

    Args:
        network: with attention (softmax between its products) or patch embeddings from timm; others stay as they are.
    """
    attention = [cast("Any", layer) for layer in network.modules() if getattr(layer, "fused_attn", False)]
    embeddings = [layer.proj for layer in network.modules() if isinstance(layer, PatchEmbed) and plain(layer.proj)]
    for layer in attention:
        layer.fused_attn = False
    for conv in embeddings:
        conv.forward = partial(embedded, conv)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in attention:
            layer.fused_attn = True
        for conv in embeddings:
            del conv.forward


def plain(conv: nn.Module) -> bool:
    """Whether a convolution sees each pixel once: its patches lie side by side, without padding."""
    return (isinstance(conv, nn.Conv2d) and conv.kernel_size == conv.stride and conv.groups == 1
            and set(conv.dilation) == {1} and set(cast("tuple[int, ...]", conv.padding)) == {0}
            and "forward" not in vars(conv))  # fmt: skip


def embedded(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """What a plain convolution gives of ``images (B, C, H, W)``: ``(B, D, H / P, W / P)``."""
    high, wide = conv.kernel_size
    grid = images.shape[-2] // high, images.shape[-1] // wide
    whole = images[..., : grid[0] * high, : grid[1] * wide]  # as a convolution, which leaves out what is no patch
    patches = whole.unflatten(-1, (grid[1], wide)).unflatten(-3, (grid[0], high)).permute(0, 2, 4, 1, 3, 5)
    return linear(patches.flatten(3), conv.weight.flatten(1), conv.bias).permute(0, 3, 1, 2)
