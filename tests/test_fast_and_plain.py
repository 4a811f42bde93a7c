"""The fast step computes what a plain one does: every method on its fast backbone, and on one written out in float64.

Fast: one channel, patches dropped before the blocks, one forward for all views of a size, fused attention, the last
block for the class token alone where nobody reads the others, float32.
Plain: the grey image three times through an RGB patch embedding, nothing dropped but attention to hidden patches
forbidden, one image at a time, softmax written out, float64.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.build.backbones import TimmViT, build
from ssl_bench.plugin.contracts import Batch, Encoding, Hidden
from ssl_bench.plugin.registry import Registry, discover
from ssl_bench.testing import tiny
from sslbench_methods.msn import MSN
from sslbench_methods.options import MSNOptions

OPTIONS = {name: {"drop_path": 0.0} for name in ("dino", "dino-ehr", "dinov2")}
"""What is drawn at random inside the network is left out."""

METHODS = [name for name in discover().names("method") if discover().get("method", name).trains]


class PlainViT(nn.Module):
    """The same function as a :class:`TimmViT` of the same weights, as anybody would write it down."""

    masks = True

    def __init__(self, fast: TimmViT) -> None:
        super().__init__()
        self.fast = fast
        self.dim, self.patch_size, self.image_size, self.patches = (
            fast.dim, fast.patch_size, fast.image_size, fast.patches
        )  # fmt: skip

    @property
    def first(self) -> int:
        """Tokens in front of the patches: the class token, where there is one."""
        return int(self.fast.model.cls_token is not None)

    def forward(
        self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True, hidden: Hidden | None = None
    ) -> Encoding:
        """Encode ``images (B, 1, H, W)`` one by one."""
        each = [
            self.one(
                image.repeat(3, 1, 1),
                None if keep is None else keep[row],
                None if hidden is None else Hidden(hidden.where[row], hidden.token),
            )
            for row, image in enumerate(images)
        ]
        found = torch.stack(each)
        return Encoding(found[:, 0] if self.first else found.mean(dim=1), found[:, self.first :])

    def one(self, image: Tensor, keep: Tensor | None, covered: Hidden | None) -> Tensor:
        """Class token, if any, and kept patches (1 + K, D) of an RGB image (3, H, W)."""
        vit, patch = self.fast.model, self.patch_size
        weight = vit.patch_embed.proj.weight.repeat(1, 3, 1, 1) / 3
        pieces = F.unfold(image[None], patch, stride=patch)[0].T  # (P, 3 * patch * patch)
        tokens = pieces @ weight.flatten(1).T + vit.patch_embed.proj.bias
        if covered is not None:
            tokens = torch.stack([covered.token[0] if covered.where[k] else tokens[k] for k in range(len(tokens))])
        tokens = torch.cat([vit.cls_token[0], tokens]) if self.first else tokens
        tokens = tokens + self.positions(image.shape[-1] // patch)
        front = torch.arange(self.first)
        chosen = torch.arange(len(tokens)) if keep is None else torch.cat([front.to(keep), keep + self.first])
        hidden = torch.ones(len(tokens), dtype=torch.bool).index_fill(0, chosen, False)
        for block in vit.blocks:
            tokens = tokens + attention(block.attn, norm(block.norm1, tokens), hidden)
            inner = norm(block.norm2, tokens) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias
            inner = inner * (1 + torch.erf(inner / 2**0.5)) / 2
            tokens = tokens + inner @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
        return norm(vit.norm, tokens)[chosen]

    def positions(self, side: int) -> Tensor:
        """Position embeddings (1 + P, D) of a square image of ``side`` patches a side."""
        own = self.fast.model.pos_embed[0]
        grid = round((len(own) - self.first) ** 0.5)
        if side == grid:
            return own
        image = own[self.first :].T.reshape(1, -1, grid, grid)
        scale = (side + self.fast.position_offset) / grid  # not antialiased, as in the official code of MSN and DINO
        places = (torch.arange(side, dtype=own.dtype) + 0.5) / scale - 0.5
        weights = cubic(places.unsqueeze(1) - places.floor().unsqueeze(1) - torch.arange(-1, 3))  # (side, 4)
        near = (places.floor().long().unsqueeze(1) + torch.arange(-1, 3)).clamp(0, grid - 1)
        one_way = torch.einsum("sk,dskw->dsw", weights, image[0][:, near])
        moved = torch.einsum("sk,dhsk->dhs", weights, one_way[:, :, near])
        return torch.cat([own[: self.first], moved.flatten(1).T])


def cubic(distance: Tensor) -> Tensor:
    """Weights of the cubic convolution with a = -0.75 at some distances below 2."""
    near, a = distance.abs(), -0.75
    return torch.where(near <= 1, ((a + 2) * near - (a + 3)) * near**2 + 1,
                       ((near - 5) * near + 8) * near * a - 4 * a)  # fmt: skip


def norm(layer: nn.LayerNorm, tokens: Tensor) -> Tensor:
    centred = tokens - tokens.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def attention(layer: Any, tokens: Tensor, hidden: Tensor) -> Tensor:
    query, key, value = (tokens @ layer.qkv.weight.T + layer.qkv.bias).chunk(3, dim=-1)
    heads = []
    for q, k, v in zip(*(part.chunk(layer.num_heads, dim=-1) for part in (query, key, value)), strict=True):
        scores = (q @ k.T / q.shape[-1] ** 0.5).masked_fill(hidden, -torch.inf)
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        heads.append(weights @ v)
    return torch.cat(heads, dim=-1) @ layer.proj.weight.T + layer.proj.bias


def plain(method: Any) -> Any:
    """A copy in float64 with every backbone written out."""
    twin = copy.deepcopy(method).double()
    for name, module in list(twin.named_children()):
        if isinstance(module, TimmViT):
            setattr(twin, name, PlainViT(module))
    return twin


def double(batch: Batch) -> Batch:
    tables = {name: getattr(batch, name).double() for name in ("ehr", "present", "labels")}
    return dataclasses.replace(batch, views={name: v.double() for name, v in batch.views.items()}, **tables)


def loss_and_gradients(method: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss, and the gradient of every trainable parameter by its name in the fast method."""
    torch.manual_seed(3)
    method.before_step(0.5)
    loss = method.training_loss(batch, 0.5).total
    loss.backward()
    named = {
        name.replace(".fast.", "."): value.grad for name, value in method.named_parameters() if value.requires_grad
    }
    return loss.detach().double(), {name: grad.double() for name, grad in named.items()}


def assert_the_same(fast: Any, batch: Batch) -> None:
    slow = plain(fast)
    loss, gradients = loss_and_gradients(fast, batch)
    wanted, exact = loss_and_gradients(slow, double(batch))
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)  # a mean cosine, as SimSiam's loss, may be near 0
    assert gradients.keys() == exact.keys()
    whole = torch.stack([grad.norm() for grad in exact.values()]).norm()
    for name, gradient in gradients.items():
        assert (gradient - exact[name]).norm() < 1e-4 * whole, name


@pytest.mark.parametrize("name", METHODS)
def test_a_step_equals_the_plain_one(registry: Registry, name: str) -> None:
    component = registry.get("method", name)
    options = registry.options("method", name, OPTIONS.get(name, {}), "smoke")
    recipe = tiny.Recipe(component.target, options, component.uses_labels, tiny.WIDTH)
    fused = bool(component.features)
    fast = recipe.build(fused=fused)
    assert_the_same(fast, tiny.batch(fast.views, fused=fused, rows=6, dtype=torch.float32))


def test_a_step_of_full_width_and_many_views_equals_the_plain_one() -> None:
    torch.manual_seed(0)
    backbone = build(64, "vit_tiny_patch16_224", depth=2)  # 192 wide, 3 heads, as in the paper
    fast = MSN(MSNOptions(prototypes=64, focal_views=4, focal_size=32, mask_ratio=0.4), backbone, None).train()
    assert_the_same(fast, tiny.batch(fast.views, rows=6, dtype=torch.float32))


def test_embeddings_equal_the_plain_ones() -> None:
    torch.manual_seed(0)
    fast = build(64, "vit_tiny_patch16_224", depth=3).eval()
    images = torch.randn(4, 1, 64, 64)
    slow = PlainViT(copy.deepcopy(fast).double())
    wanted = slow(images.double())
    for found in (fast(images).pooled, fast(images, tokens=False).pooled):
        assert (found.double() - wanted.pooled).norm() < 1e-5 * wanted.pooled.norm()
    assert (fast(images).tokens.double() - wanted.tokens).norm() < 1e-5 * wanted.tokens.norm()
