"""Prediction: an auxiliary loss asks the image for the EHR; nothing is fused, and none is needed downstream."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssl_bench.distributed import all_reduce_mean
from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema, column_slices
from ssl_bench.plugin.methods import full_precision
from sslbench_fusions.options import PredictOptions

EVEN = 1 / 12
"""Variance of values spread evenly over [0, 1]: the squared error by it is 1 for guessing their mean."""


class Predict(nn.Module):
    """The image feature as it is, and the error of a linear prediction of each EHR feature that is known.

    Squared error, in units of evenly spread values, for a number (age); cross-entropy for a one-hot feature.
    """

    def __init__(self, options: PredictOptions, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.options, self.out_dim = options, dim
        self.columns = column_slices(schema)
        self.head = nn.Linear(dim, len(schema))

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """``pooled (B, D)`` unchanged, and a loss for each feature of ``ehr (B, F)``."""
        share = self.options.weight / len(self.columns)
        with full_precision(self.head(encoding.pooled), ehr * present) as (predicted, wanted):
            errors = {name: error(predicted[:, place], wanted[:, place]) for name, place in self.columns.items()}
            losses = {
                name: share * known_mean(errors[name], present[:, place.start]) for name, place in self.columns.items()
            }
        return Fused(encoding.pooled, losses)


def error(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Error ``(B,)`` of one feature's columns ``(B, C)``: a number, or logits of a one-hot."""
    if wanted.shape[1] == 1:
        return (predicted - wanted).square().squeeze(1) / EVEN
    return -(wanted * torch.log_softmax(predicted, dim=1)).sum(1)


def known_mean(errors: Tensor, known: Tensor) -> Tensor:
    """Mean over the rows that are known in the batches of all ranks; 0 where none is."""
    known = known.to(errors.dtype)
    return (errors * known).sum() / all_reduce_mean(known.sum()).clamp_min(1.0)
