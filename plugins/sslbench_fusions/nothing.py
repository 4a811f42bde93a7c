"""No fusion: the features are on record and may be used downstream, and pretraining sees the image alone."""

from __future__ import annotations

from torch import Tensor, nn

from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema
from ssl_bench.plugin.options import Options


class Nothing(nn.Module):
    """The image feature as it is: the arm without EHR of an ablation, with no parameter and no loss."""

    def __init__(self, options: Options, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.out_dim = dim

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """``pooled (B, D)`` unchanged."""
        return Fused(encoding.pooled)
