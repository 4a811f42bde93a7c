"""Alignment: an auxiliary loss draws an image and its patient's EHR together; nothing is fused.

[1] Radford et al., Learning Transferable Visual Models From Natural Language Supervision (CLIP), arXiv 2103.00020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssl_bench.distributed import all_reduce_mean, gather, normalize, rank
from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema
from ssl_bench.plugin.methods import full_precision
from sslbench_fusions.missing import filled
from sslbench_fusions.options import AlignOptions


class Align(nn.Module):
    """The image feature as it is, and InfoNCE between projections of image and EHR, in both directions [1]."""

    def __init__(self, options: AlignOptions, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.options, self.out_dim = options, dim
        self.absence = nn.Parameter(torch.zeros(len(schema)))
        self.image = nn.Linear(dim, options.dim, bias=False)
        self.ehr = nn.Sequential(nn.Linear(len(schema), options.dim), nn.GELU(), nn.Linear(options.dim, options.dim))

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """``pooled (B, D)`` unchanged, and the loss that aligns it with ``ehr (B, F)``."""
        projected = self.ehr(filled(ehr, present, self.absence))
        rows = torch.cat([ehr * present, present], dim=1)
        known = present.amax(dim=1) > 0
        loss = info_nce(self.image(encoding.pooled), projected, rows, known, temperature=self.options.temperature)
        return Fused(encoding.pooled, {"align": self.options.weight * loss})


def info_nce(images: Tensor, ehr: Tensor, rows: Tensor, known: Tensor, *, temperature: float) -> Tensor:
    """Mean cross-entropy of finding the own counterpart among those of all ranks, in both directions.

    Two images whose EHR rows are equal (the views of one image, and patients of one sex and age) have equal
    counterparts. They are no negatives of each other: counted as such, the loss would ask to tell apart what is the
    same, and push patients apart for being alike. A row of which nothing is known has no counterpart at all.

    Args:
        images: ``(N, P)`` projections.
        ehr: ``(N, P)`` projections, row by row of the same patients.
        rows: ``(N, C)`` what tells EHR rows apart: values and what is present.
        known: ``(N,)`` whether anything of the row is known.
        temperature: of the softmax.
    """
    with full_precision(images, ehr) as (images, ehr):
        images, ehr = normalize(images), normalize(ehr)
        everywhere, present = gather(rows), gather(known.to(rows.dtype)) > 0
        own = torch.arange(len(rows), device=rows.device) + rank() * len(rows)
        # row by column, so that no tensor of N x N x C is made
        same = torch.stack([a[:, None] == b for a, b in zip(rows.T, everywhere.T, strict=True)]).all(0)
        barred = (same | ~present).scatter(1, own[:, None], value=False)  # (N, world * N)
        losses = [
            torch.nn.functional.cross_entropy(logits.masked_fill(barred, -torch.inf), own, reduction="none")
            for logits in (images @ gather(ehr).T / temperature, ehr @ gather(images).T / temperature)
        ]
        weight = known.to(images.dtype)
        count = all_reduce_mean(weight.sum()).clamp_min(1.0)
        return ((losses[0] + losses[1]) / 2 * weight).sum() / count
