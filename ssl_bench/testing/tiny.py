"""Tiny backbones, batches and a fusion, on which the checks of methods and fusions run in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Literal, cast

import pandas as pd
import torch
from torch import Tensor, nn

from ssl_bench.build.backbones import build
from ssl_bench.plugin.contracts import Backbone, Batch, Encoding, Fused, Fusion, Method, ViewGroup
from ssl_bench.plugin.features import FeatureSchema, learn_schema
from ssl_bench.plugin.options import Options
from ssl_bench.seeds import generator, seed_torch

Kind = Literal["vit", "cnn"]

IMAGE, WIDTH = 32, 32
"""Side of an image in px, and width D of both backbones."""

ROWS, LABELS = 8, 3
"""Images in a batch, and labels."""

TEXT_ROWS = {"age": [20.0, 40.0, 60.0, 80.0], "sex": ["M", "F", "M", None]}


MODELS: Mapping[Kind, Mapping[str, Any]] = {
    "vit": {"model": "vit_tiny_patch16_224", "patch_size": 8, "embed_dim": WIDTH, "depth": 2, "num_heads": 2},
    # timm starts residual branches at zero, so that they learn from the second step on; here they learn at once
    "cnn": {"model": "test_resnet", "channels": (8, 8, 16, WIDTH), "stem_width": 8, "zero_init_last": False},
}
"""A ViT of two blocks and a ResNet of four."""


def backbone(kind: Kind) -> Backbone:
    """A tiny backbone, randomly initialised."""
    return cast("Backbone", build(IMAGE, **MODELS[kind]))


def schema() -> FeatureSchema:
    """Age and sex: three columns."""
    return learn_schema(pd.DataFrame(TEXT_ROWS), ("age", "sex"))


class TinyFusion(nn.Module):
    """The smallest fusion: image and EHR features side by side, projected; its own loss is one parameter squared."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim
        self.needs_tokens = False
        self.offset_parameters = ("join.bias",)
        self.join = nn.Linear(dim + len(schema()), out_dim)
        self.own = nn.Parameter(torch.ones(()))

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """Fuse ``pooled (B, D)`` with ``ehr (B, F)`` into ``(B, out_dim)``."""
        joined = self.join(torch.cat([encoding.pooled, ehr * present], dim=1))
        return Fused(joined, {"own": self.own.square()})


@dataclass(frozen=True)
class Recipe:
    """How a method is built; plain values, so that other processes can build the same.

    Args:
        target: of the descriptor.
        options: checked.
        uses_labels: it is built with the number of labels.
        fused_width: width D of fused features.
    """

    target: str
    options: Options
    uses_labels: bool
    fused_width: int

    def build(self, kind: Kind = "vit", *, fused: bool = False, seed: int = 0) -> Method:
        """The method in training mode, its three parts from streams of their own, as the core builds them."""
        seed_torch(seed, "backbone")
        encoder = backbone(kind)
        seed_torch(seed, "fusion")
        fusion = cast("Fusion", TinyFusion(encoder.dim, self.fused_width)) if fused else None
        seed_torch(seed, "method")
        arguments: list[Any] = [encoder, fusion, *([LABELS] if self.uses_labels else [])]
        method = resolve_name(self.target)(self.options, *arguments)
        return cast("Method", method.train())


def batch(
    views: Iterable[ViewGroup], *, fused: bool = False, rows: int = ROWS, seed: int = 0, dtype: torch.dtype
) -> Batch:
    """Smooth random images, and crops of them that differ by noise; EHR rows and labels, some of both missing.

    Args:
        views: of the method.
        fused: with EHR columns; without, there are none, as in a run without features.
        rows: images B.
        seed: of the numbers.
        dtype: of all tensors but the index.
    """
    random = generator(seed, "batch")

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    coarse = noise(rows, 1, 4, 4)
    crops = {
        group.name: _crops(coarse, group.count, group.size) + 0.3 * noise(group.count * rows, 1, group.size, group.size)
        for group in views
    }
    columns = len(schema()) if fused else 0
    present = (noise(rows, columns) > -0.5).double()
    labels = torch.where(noise(rows, LABELS) > 1, torch.nan, (noise(rows, LABELS) > 0).double())
    ehr = noise(rows, columns) * present
    return Batch(
        {name: images.to(dtype) for name, images in crops.items()},
        ehr.to(dtype), present.to(dtype), labels.to(dtype), torch.arange(rows),
    )  # fmt: skip


def _crops(coarse: Tensor, count: int, size: int) -> Tensor:
    """Images ``(B, 1, 4, 4)`` at ``size`` px, ``count`` times, view-major."""
    return nn.functional.interpolate(coarse, size=size, mode="bilinear").repeat(count, 1, 1, 1)
