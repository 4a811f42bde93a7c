"""Monitors that compare methods: numbers of the evaluated encoder on one fixed batch of validation images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssl_bench.plugin.contracts import Backbone
from ssl_bench.pretrain.monitors import effective_rank, embedding_std

IMAGES = 64
"""Validation images of the fixed batch; their two views cost about three hundredths of the steps between two looks."""

INNER = 3 / 4
"""Side of the inner square that is compared with the whole image, as a share of the whole side."""

TEMPERATURE = 2.0
"""Of the Gaussian kernel of the uniformity, as in its paper."""


class Watch:
    """Looks at an encoder through the same images for every method; what it does changes nothing of the training.

    Args:
        views: the encoder's views ``(B, 1, H, W)`` of the images, on its device.
    """

    def __init__(self, views: Tensor) -> None:
        side = views.shape[-1]
        edge = round(side * (1 - INNER) / 2)
        inner = views[..., edge : side - edge, edge : side - edge]
        self.views = torch.cat([views, functional.interpolate(inner, size=side, mode="bilinear")])

    def look(self, encoder: Backbone) -> dict[str, float]:
        """Spread, effective rank, alignment and uniformity of the evaluated features."""
        first = next(cast("nn.Module", encoder).parameters(), self.views)
        with as_evaluated(encoder), torch.no_grad():
            whole, inner = encoder(self.views.to(first.dtype), tokens=False).pooled.float().chunk(2)
        return {"embedding_std": embedding_std(whole), **observe_pairs(whole, inner)}


def observe_pairs(whole: Tensor, inner: Tensor) -> dict[str, float]:
    """Numbers of features ``(B, D)`` of two views of the same images, both centred on the first ones' mean.

    Returns:
        ``effective_rank`` (RankMe, arXiv 2210.02885) of the first; ``alignment``, the mean squared distance of an
        image's two unit vectors, and ``uniformity``, the logarithm of the mean Gaussian of the distances between the
        images' ones (arXiv 2005.10242): the lower, the better, for both.
    """
    mean = whole.mean(0)
    first, second = whole - mean, inner - mean
    rows, others = functional.normalize(first, dim=1), functional.normalize(second, dim=1)
    near = torch.pdist(rows).square().mul(-TEMPERATURE).exp().mean()
    return {
        "effective_rank": effective_rank(first),
        "alignment": float((rows - others).square().sum(1).mean()),
        "uniformity": float(near.log()),
    }


@contextmanager
def as_evaluated(encoder: Backbone) -> Iterator[None]:
    """The encoder in evaluation mode; afterwards every module of it is in the mode it was in."""
    modes = {module: module.training for module in cast("nn.Module", encoder).modules()}
    cast("nn.Module", encoder).eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
