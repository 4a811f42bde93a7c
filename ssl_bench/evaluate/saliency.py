"""Where an encoder looks: attention of a vision transformer's last block, Grad-CAM of a convolutional network."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn


def looks_at(model: nn.Module, images: Tensor) -> tuple[str, Tensor]:
    """What an encoder looks at, and the name of the measure.

    Args:
        model: a timm network without a head, in evaluation mode.
        images: (N, C, S, S), preprocessed.

    Returns:
        ``attention`` or ``Grad-CAM``, and maps (N, h, w) in [0, 1], a place for each patch or last feature.
    """
    blocks = getattr(model, "blocks", None)
    attention = getattr(blocks[-1], "attn", None) if isinstance(blocks, nn.Sequential) and len(blocks) else None
    if hasattr(attention, "qkv") and hasattr(model, "patch_embed"):
        return "attention", _unit(last_attention(model, images))
    return "Grad-CAM", _unit(gradcam(model, images))


@torch.no_grad()
def last_attention(model: nn.Module, images: Tensor) -> Tensor:
    """Attention (N, h, w) of the class token to the patches in the last block, the mean over heads (arXiv:2104.14294).

    A network without class token has the mean over all patches that ask.
    """
    network = cast("Any", model)
    layer, seen = network.blocks[-1].attn, list[Tensor]()
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        network.forward_features(images)
    finally:
        hook.remove()
    tokens, first = seen[0], int(network.num_prefix_tokens)
    shape = (*tokens.shape[:2], 3, layer.num_heads, -1)
    query, key, _ = layer.qkv(tokens).reshape(shape).permute(2, 0, 3, 1, 4)  # each (N, heads, T, d)
    weights = (layer.q_norm(query) * layer.scale @ layer.k_norm(key).transpose(-2, -1)).softmax(-1).mean(1)  # (N, T, T)
    asking = weights[:, :1] if getattr(network, "has_class_token", first > 0) else weights[:, first:]
    height, width = network.patch_embed.grid_size
    found: Tensor = asking.mean(1)[:, first:].reshape(-1, height, width)
    return found


def gradcam(model: nn.Module, images: Tensor) -> Tensor:
    """Grad-CAM (N, h, w) towards an image's own embedding (arXiv:1610.02391, section 3): there is no class to ask for.

    The target is half the squared length of the embedding: a place counts as far as it points where the embedding does.
    """
    network = cast("Any", model)
    with torch.enable_grad():
        features = network.forward_features(images).detach().requires_grad_()  # (N, C, h, w)
        pooled = network.forward_head(features, pre_logits=True)
        (gradient,) = torch.autograd.grad(pooled.square().sum() / 2, features)
    found: Tensor = (gradient.mean((2, 3), keepdim=True) * features.detach()).sum(1).relu()
    return found


def _unit(maps: Tensor) -> Tensor:
    """Each map from 0 to 1; one that is the same everywhere is 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)
