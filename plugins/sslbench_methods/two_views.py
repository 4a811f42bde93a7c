"""What the methods on two crops of an image share: the crops, their encodings, and the fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ssl_bench.plugin.contracts import Backbone, Batch, Encoding, Fusion, Photometric, ViewGroup
from ssl_bench.plugin.methods import apply_fusion, reads_tokens
from sslbench_methods.options import TwoViewOptions

VIEWS = ("first", "second")


def view_groups(options: TwoViewOptions, size: int) -> list[ViewGroup]:
    """Two crops of ``size`` px; as groups of their own, so that blur and solarisation may differ between them."""
    return [
        ViewGroup(
            name, 1, size, options.scale, flip=options.flip,
            photometric=Photometric(brightness=options.brightness, contrast=options.contrast, blur_probability=blur,
                                    solarize_probability=solarize),
        )
        for name, blur, solarize in zip(VIEWS, options.blur, (0.0, options.solarize), strict=True)
    ]  # fmt: skip


def encode_each(backbone: Backbone, batch: Batch, fusion: Fusion | None) -> list[Encoding]:
    """Encode the crops one after the other: a CNN's BatchNorm sees one crop of each image at a time."""
    return [backbone(batch.views[name], tokens=reads_tokens(fusion)) for name in VIEWS]


def encode_joined(backbone: Backbone, batch: Batch, fusion: Fusion | None) -> list[Encoding]:
    """Encode both crops at once: a CNN's BatchNorm sees both."""
    joined = torch.cat([batch.views[name] for name in VIEWS])
    encoding = backbone(joined, tokens=reads_tokens(fusion))
    return [Encoding(*halves) for halves in zip(encoding.pooled.chunk(2), encoding.tokens.chunk(2), strict=True)]


def fuse_views(
    fusion: Fusion | None, encodings: Sequence[Encoding], batch: Batch, *, branches: str = "both"
) -> tuple[list[Tensor], Mapping[str, Tensor]]:
    """Features ``(B, D)`` of each view, fused, and the fusion's own losses, averaged over the views it joined.

    Args:
        fusion: None leaves all features as they are.
        encodings: of the views.
        batch: with the EHR rows.
        branches: ``one`` fuses the first view only.
    """
    fused = [apply_fusion(fusion, encoding, batch) for encoding in encodings[: 1 if branches == "one" else None]]
    features = [part.features for part in fused] + [encoding.pooled for encoding in encodings[len(fused) :]]
    losses = {name: torch.stack([part.losses[name] for part in fused]).mean() for name in fused[0].losses}
    return features, losses


def pooled(encodings: Sequence[Encoding]) -> Tensor:
    """Image features of all views, detached, for the collapse monitors: constant where an encoder has collapsed."""
    return torch.cat([encoding.pooled for encoding in encodings]).detach()
