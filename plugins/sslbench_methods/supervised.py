"""The supervised baseline: what the training labels give on the same crops."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_bench.distributed import all_reduce_mean
from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss
from ssl_bench.plugin.methods import BaseMethod, full_precision, joined_losses
from sslbench_methods.options import SupervisedOptions
from sslbench_methods.two_views import encode_joined, fuse_views, pooled, view_groups


class Supervised(BaseMethod):
    """A linear classifier on the encoder, trained with it; the backbone is what is evaluated.

    It sees the crops of SimCLR: two of each image. With a fusion, EHR features join the classifier's input.
    """

    def __init__(self, options: SupervisedOptions, backbone: Backbone, fusion: Fusion | None, labels: int) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        self.classifier = nn.Linear(fusion.out_dim if fusion else backbone.dim, labels)
        self.views = view_groups(options, backbone.image_size)

    @property
    def encoder(self) -> Backbone:
        """The trained backbone."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Binary cross-entropy of both crops."""
        encodings = encode_joined(self.backbone, batch, self.fusion)
        features, fusion_losses = fuse_views(self.fusion, encodings, batch)
        logits = self.classifier(torch.cat(features))
        error = known_cross_entropy(logits, batch.labels.repeat(len(features), 1))
        total, parts = joined_losses(error, fusion_losses)
        return Loss(total, parts | {"cross_entropy": error}, features=pooled(encodings))


def known_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy, averaged over the labels that are known in the batches of all ranks.

    Args:
        logits: ``(N, L)``.
        labels: ``(N, L)`` 1, 0, or NaN for unknown.
    """
    with full_precision(logits, labels) as (logits, labels):
        known = ~labels.isnan()
        errors = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num().to(logits.dtype), reduction="none")
        count = all_reduce_mean(known.sum().to(logits.dtype))
        return (errors * known).sum() / count.clamp_min(1.0)
