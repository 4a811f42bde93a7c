"""FiLM: the EHR scales and shifts each feature of the image.

[1] Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, arXiv 1709.07871.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema
from sslbench_fusions.missing import filled
from sslbench_fusions.options import FilmOptions


class Film(nn.Module):
    """``(1 + scale(x)) * v + shift(x)``; both start at zero, so that training begins with the image feature alone."""

    def __init__(self, options: FilmOptions, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.out_dim = dim
        self.absence = nn.Parameter(torch.zeros(len(schema)))
        self.hidden = nn.Sequential(nn.Linear(len(schema), options.hidden_dim), nn.GELU())
        self.scale = nn.Linear(options.hidden_dim, dim)
        # no bias: the same shift for every row is the encoder's own, and cancels in front of a BatchNorm
        self.shift = nn.Linear(options.hidden_dim, dim, bias=False)
        for zero in (self.scale.weight, self.scale.bias, self.shift.weight):
            nn.init.zeros_(zero)

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """Modulate ``pooled (B, D)`` by ``ehr (B, F)``: ``(B, D)``."""
        hidden = self.hidden(filled(ehr, present, self.absence))
        return Fused((1 + self.scale(hidden)) * encoding.pooled + self.shift(hidden))
