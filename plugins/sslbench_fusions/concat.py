"""Concatenation, the fusion of the paper, and its ablation without the projection.

[1] Shurrab, Guerra-Manzanares and Shamout, Multimodal masked siamese network improves chest X-ray representation
    learning, Scientific Reports 14:22516, arXiv 2407.04449.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema
from sslbench_fusions.missing import filled
from sslbench_fusions.options import ConcatOptions


class Concat(nn.Module):
    """``g([v ; W_ehr x])``: a linear EHR embedding beside the image feature, projected back to its width [1].

    A missing value is replaced by a learnt one, column by column; with nothing missing this is the paper's fusion.
    """

    def __init__(self, options: ConcatOptions, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.out_dim = dim
        self.absence = nn.Parameter(torch.zeros(len(schema)))
        self.embed = nn.Linear(len(schema), options.ehr_dim)
        self.project = nn.Linear(dim + options.ehr_dim, dim)

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """Fuse ``pooled (B, D)`` with ``ehr (B, F)`` into ``(B, D)``."""
        embedded = self.embed(filled(ehr, present, self.absence))
        return Fused(self.project(torch.cat([encoding.pooled, embedded], dim=1)))


class ConcatNoProjection(nn.Module):
    """``[v ; W_ehr x]``: as :class:`Concat` without ``g``, so the method's head takes the wider features."""

    def __init__(self, options: ConcatOptions, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.out_dim = dim + options.ehr_dim
        self.absence = nn.Parameter(torch.zeros(len(schema)))
        self.embed = nn.Linear(len(schema), options.ehr_dim)

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """Put ``ehr (B, F)``, embedded, beside ``pooled (B, D)``: ``(B, D + ehr_dim)``."""
        embedded = self.embed(filled(ehr, present, self.absence))
        return Fused(torch.cat([encoding.pooled, embedded], dim=1))
