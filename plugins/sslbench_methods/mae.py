"""Masked autoencoder: the pixels of hidden patches are rebuilt from the few that are seen.

[1] He et al., Masked Autoencoders Are Scalable Vision Learners, arXiv 2111.06377.
[2] Its code, github.com/facebookresearch/mae (``models_mae.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ssl_bench.plugin.contracts import Backbone, Batch, Encoding, Fusion, Loss, ParameterGroup, Photometric, ViewGroup
from ssl_bench.plugin.methods import BaseMethod, apply_fusion, full_precision, joined_losses, random_keep
from ssl_bench.plugin.positions import sincos_positions
from sslbench_methods.options import MAEOptions


class MAE(BaseMethod):
    """The method as an ``nn.Module``; the encoder without its decoder is what is evaluated.

    With a fusion, EHR features join the class token that the decoder gets: they may help to rebuild, as they join
    the trained branch in the other methods.
    """

    def __init__(self, options: MAEOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        self.decoder = Decoder(options, backbone)
        self.views = view_groups(options, backbone.image_size)

    @property
    def encoder(self) -> Backbone:
        """The trained backbone."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Mean squared error of the pixels of hidden patches."""
        images = batch.views["view"]
        patches = self.backbone.patches(images.shape[-1])
        keep = random_keep(len(images), patches, self.options.mask_ratio, images.device)
        encoding = self.backbone(images, keep)
        fused = apply_fusion(self.fusion, encoding, batch)
        rebuilt = self.decoder(Encoding(fused.features, encoding.tokens), keep)
        wanted = patchify(images, self.backbone.patch_size)
        error = mae_loss(rebuilt, wanted, keep, norm_pixels=self.options.norm_pixels)
        total, parts = joined_losses(error, fused.losses)
        return Loss(total, parts | {"pixels": error}, features=encoding.pooled.detach())

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Weights with decay, 1-D parameters without; AdamW forgets squared gradients faster than usual [2]."""
        return [replace(group, betas=(0.9, 0.95)) for group in super().parameter_groups()]


class Decoder(nn.Module):
    """A light transformer over all patches: seen ones from the encoder, hidden ones as a learnt token."""

    positions: Tensor

    def __init__(self, options: MAEOptions, backbone: Backbone) -> None:
        super().__init__()
        # lightly's MAEDecoderTIMM goes with version 1.7, what replaces it is these blocks without embedding and pixels
        dim, side = options.decoder_dim, backbone.image_size // backbone.patch_size
        self.embed = nn.Linear(backbone.dim, dim)
        self.hidden = nn.Parameter(torch.empty(1, 1, dim))
        self.register_buffer("positions", sincos_positions(side, side, dim).float(), persistent=False)
        norm: Any = partial(nn.LayerNorm, eps=1e-6)  # timm takes what makes a layer; its annotation names a class
        blocks = (Block(dim, dim // 32, qkv_bias=True, norm_layer=norm) for _ in range(options.decoder_depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = norm(dim)
        self.pixels = nn.Linear(dim, backbone.patch_size**2)
        self._initialise()

    def _initialise(self) -> None:
        """Xavier's uniform weights, biases at 0, the hidden token normal with 0.02 [2]."""
        nn.init.normal_(self.hidden, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, encoding: Encoding, keep: Tensor) -> Tensor:
        """Pixels ``(B, P, patch * patch)`` of all patches.

        Args:
            encoding: pooled ``(B, D)`` and tokens ``(B, K, D)`` in the order of ``keep``.
            keep: ``(B, K)`` numbers of the patches that were seen.
        """
        seen = self.embed(encoding.tokens)
        place = keep.unsqueeze(-1).expand_as(seen)
        everywhere = self.hidden.to(seen.dtype).expand(len(seen), len(self.positions), -1)
        tokens = everywhere.scatter(1, place, seen) + self.positions
        tokens = torch.cat([self.embed(encoding.pooled).unsqueeze(1), tokens], dim=1)
        decoded: Tensor = self.pixels(self.norm(self.blocks(tokens)))
        return decoded[:, 1:]


def mae_loss(rebuilt: Tensor, wanted: Tensor, keep: Tensor, *, norm_pixels: bool = True) -> Tensor:
    """Mean squared error over the pixels of the patches that were hidden [2].

    Args:
        rebuilt: ``(B, P, pixels)``.
        wanted: ``(B, P, pixels)``.
        keep: ``(B, K)`` numbers of the patches that were seen.
        norm_pixels: each wanted patch is normalised to mean 0 and variance 1 first.
    """
    with full_precision(rebuilt, wanted) as (rebuilt, wanted):
        if norm_pixels:
            variance, mean = torch.var_mean(wanted, dim=-1, keepdim=True)
            wanted = (wanted - mean) / torch.sqrt(variance + 1e-6)
        errors = (rebuilt - wanted).square().mean(-1)  # (B, P)
        hidden = torch.ones_like(errors).scatter(1, keep, 0.0)
        return (errors * hidden).sum() / hidden.sum()


def patchify(images: Tensor, patch: int) -> Tensor:
    """Images ``(B, 1, H, W)`` as ``(B, P, patch * patch)`` rows of pixels, in the order of a ViT's tokens."""
    return nn.functional.unfold(images, patch, stride=patch).transpose(1, 2)


def view_groups(options: MAEOptions, size: int) -> list[ViewGroup]:
    """One crop; the official recipe changes no grey values."""
    change = Photometric(brightness=options.brightness, contrast=options.contrast, blur_probability=options.blur)
    return [ViewGroup("view", 1, size, options.scale, change, flip=options.flip)]
