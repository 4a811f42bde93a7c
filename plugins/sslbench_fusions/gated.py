"""Gated fusion: each feature of the image is mixed with its counterpart from the EHR.

[1] Arevalo et al., Gated Multimodal Units for Information Fusion, arXiv 1702.01992.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema
from ssl_bench.plugin.options import Options
from sslbench_fusions.missing import filled

MOSTLY_IMAGE = 2.0
"""Bias of the gates at the start: sigmoid(2) = 88 % of the image feature, so that training begins near the method's."""


class Gated(nn.Module):
    """``z * v + (1 - z) * W_ehr x`` with ``z = sigmoid(W_z [v ; W_ehr x])``, feature by feature.

    The image feature stays as it is, where the paper puts a layer with tanh on either side [1]: the encoder is what is
    kept.
    """

    def __init__(self, options: Options, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.out_dim = dim
        self.absence = nn.Parameter(torch.zeros(len(schema)))
        self.embed = nn.Linear(len(schema), dim)
        self.gate = nn.Linear(2 * dim, dim)
        nn.init.constant_(self.gate.bias, MOSTLY_IMAGE)

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """Mix ``pooled (B, D)`` with ``ehr (B, F)`` into ``(B, D)``."""
        embedded = self.embed(filled(ehr, present, self.absence))
        share = torch.sigmoid(self.gate(torch.cat([encoding.pooled, embedded], dim=1)))
        return Fused(share * encoding.pooled + (1 - share) * embedded)
