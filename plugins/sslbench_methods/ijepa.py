"""I-JEPA: from one block of an image, a predictor gives what a moving average of the encoder makes of other blocks.

[1] Assran et al., Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture,
    arXiv 2301.08243.
[2] Its code, github.com/facebookresearch/ijepa (``src/train.py``, ``src/models/vision_transformer.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss, Photometric, ViewGroup
from ssl_bench.plugin.methods import (
    BaseMethod,
    apply_fusion,
    ema_update,
    frozen_copy,
    full_precision,
    joined_losses,
    truncated_normal,
)
from ssl_bench.plugin.positions import sincos_positions
from ssl_bench.pretrain.schedules import linear
from sslbench_methods.blocks import BlockSampler
from sslbench_methods.options import IJEPAOptions


class IJEPA(BaseMethod):
    """The method as an ``nn.Module``; the target encoder, pooled by the mean of its patches, is what is evaluated.

    With a fusion, EHR features join the mean of the context, which the predictor gets as one more token.
    """

    def __init__(self, options: IJEPAOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        if not hasattr(backbone, "pool_patches"):
            raise UsageError("method 'ijepa' predicts patches and has no class token; choose a ViT that can do without")
        backbone.pool_patches()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        self.target_backbone = frozen_copy(backbone)
        self.predictor = Predictor(options, backbone)
        side = backbone.image_size // backbone.patch_size
        self.sampler = BlockSampler(
            side,
            targets=options.targets,
            target_scale=options.target_scale,
            target_ratio=options.target_ratio,
            context_scale=options.context_scale,
            min_keep=options.min_keep,
        )
        change = Photometric(brightness=options.brightness, contrast=options.contrast, blur_probability=options.blur)
        self.views = [ViewGroup("view", 1, backbone.image_size, options.scale, change, flip=options.flip)]

    @property
    def encoder(self) -> Backbone:
        """The target encoder: the moving average of the trained one."""
        return self.target_backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Smooth L1 distance of predicted and encoded target blocks."""
        images = batch.views["view"]
        context, targets = self._blocks(len(images), images.device)
        with torch.no_grad():
            whole = self.target_backbone(images)
        encoding = self.backbone(images, context)
        fused = apply_fusion(self.fusion, encoding, batch)
        beside = fused.features.unsqueeze(1) if self.fusion else None
        predicted = self.predictor(encoding.tokens, context, targets, beside)  # (B, T, N, D)
        distance = ijepa_loss(predicted, whole.tokens, targets)
        total, parts = joined_losses(distance, fused.losses)
        return Loss(total, parts | {"distance": distance}, features=whole.pooled)

    def _blocks(self, rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Numbers of the patches of the context ``(B, K)`` and of the targets ``(B, T, N)``."""
        context, targets = self.sampler.draw(rows)
        return context.to(device), targets.to(device)

    def after_step(self, progress: float) -> Mapping[str, float]:
        """Move the target encoder towards the trained one."""
        momentum = linear(progress, self.options.momentum, self.options.momentum_end)
        ema_update(self.target_backbone, self.backbone, momentum)
        return {"momentum": momentum}


class Predictor(nn.Module):
    """A narrow transformer over the context and one learnt token for each patch of a target block [2]."""

    positions: Tensor

    def __init__(self, options: IJEPAOptions, backbone: Backbone) -> None:
        super().__init__()
        # lightly's IJEPAPredictorTIMM, called experimental there, has timm's initial weights, 0 for the hidden token,
        # and no room for a fused token beside the patches
        dim, side = options.predictor_dim, backbone.image_size // backbone.patch_size
        heads = options.predictor_heads or heads_of(backbone)
        if dim % heads:
            raise UsageError(
                f"a predictor of width {dim} cannot be split among {heads} heads; change method.predictor_dim or "
                "method.predictor_heads"
            )
        self.embed = nn.Linear(backbone.dim, dim)
        self.hidden = nn.Parameter(torch.empty(1, 1, dim))
        self.register_buffer("positions", sincos_positions(side, side, dim).float(), persistent=False)
        norm: Any = partial(nn.LayerNorm, eps=1e-6)  # timm takes what makes a layer; its annotation names a class
        blocks = (Block(dim, heads, qkv_bias=True, norm_layer=norm) for _ in range(options.predictor_depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = norm(dim)
        self.project = nn.Linear(dim, backbone.dim)
        nn.init.trunc_normal_(self.hidden, std=0.02)
        truncated_normal(self)

    def forward(self, tokens: Tensor, context: Tensor, targets: Tensor, beside: Tensor | None = None) -> Tensor:
        """Predicted tokens ``(B, T, N, D)`` of each target block, which do not see the other blocks.

        Args:
            tokens: ``(B, K, D)`` of the context.
            context: ``(B, K)`` numbers of its patches.
            targets: ``(B, T, N)`` numbers of the patches of the blocks.
            beside: ``(B, 1, D)`` a token without a place.
        """
        blocks, length = targets.shape[1:]
        seen = self.embed(tokens) + self.positions[context]
        if beside is not None:
            seen = torch.cat([self.embed(beside), seen], dim=1)
        asked = (self.hidden + self.positions[targets].flatten(0, 1)).to(seen.dtype)  # (B * T, N, d)
        rows = torch.cat([seen.repeat_interleave(blocks, dim=0), asked], dim=1)
        answer = self.project(self.norm(self.blocks(rows))[:, -length:])
        return torch.unflatten(answer, 0, (-1, blocks))


def ijepa_loss(predicted: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1 distance to the target encoder's tokens, each normalised over its features [2].

    Args:
        predicted: ``(B, T, N, D)``.
        tokens: ``(B, P, D)`` of the whole image; no gradient flows into them.
        targets: ``(B, T, N)`` numbers of the patches of the blocks.
    """
    with full_precision(predicted, tokens.detach()) as (predicted, tokens):
        wanted = F.layer_norm(tokens, tokens.shape[-1:])
        place = targets.flatten(1).unsqueeze(-1).expand(-1, -1, tokens.shape[-1])
        return F.smooth_l1_loss(predicted.flatten(1, 2), wanted.gather(1, place))


def heads_of(backbone: Backbone) -> int:
    """Attention heads in the blocks of a ViT.

    Raises:
        UsageError: it does not tell.
    """
    told: list[Any] = [part for part in backbone.model.modules() if hasattr(part, "num_heads")]
    if not told:
        raise UsageError("the encoder does not state its number of attention heads; set method.predictor_heads")
    return int(told[0].num_heads)
