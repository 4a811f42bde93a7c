"""SimSiam: each crop predicts the projection of the other; a stopped gradient stands in for a second network.

[1] Chen and He, Exploring Simple Siamese Representation Learning, arXiv 2011.10566.
[2] Its code, github.com/facebookresearch/simsiam (``simsiam/builder.py``, ``main_simsiam.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor

from ssl_bench.distributed import across_ranks
from ssl_bench.plugin.contracts import Backbone, Batch, Encoding, Fusion, Loss, ParameterGroup
from ssl_bench.plugin.methods import BaseMethod, cancelled_offsets, full_precision, joined_losses, split_by_decay
from sslbench_methods.options import SimSiamOptions
from sslbench_methods.two_views import encode_each, fuse_views, pooled, view_groups


class SimSiam(BaseMethod):
    """The method as an ``nn.Module``; the trained backbone is what is evaluated.

    With a fusion, EHR features join the features that are predicted from, and never the targets.
    """

    detaches = True

    def __init__(self, options: SimSiamOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        width, out = fusion.out_dim if fusion else backbone.dim, options.output_dim
        # lightly's heads are the official ones, but for BatchNorm across ranks.
        self.projector = across_ranks(SimSiamProjectionHead(width, width, out))
        self.predictor = across_ranks(SimSiamPredictionHead(out, options.predictor_dim, out))
        self.null_parameters = cancelled_offsets(backbone, fusion)
        self.views = view_groups(options, backbone.image_size)

    @property
    def encoder(self) -> Backbone:
        """The trained backbone."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Negative cosine of each crop's prediction and the other crop's projection, halved and summed."""
        encodings = encode_each(self.backbone, batch, self.fusion)
        features, fusion_losses = fuse_views(self.fusion, encodings, batch)
        projections = [self.projector(feature) for feature in features]
        predictions = [self.predictor(projection) for projection in projections]
        distance = simsiam_loss(*predictions, *self._targets(encodings, projections))
        total, parts = joined_losses(distance, fusion_losses)
        return Loss(total, parts | {"distance": distance}, features=pooled(encodings))

    @torch.no_grad()
    def _targets(self, encodings: Sequence[Encoding], projections: Sequence[Tensor]) -> Sequence[Tensor]:
        """Projections of the images alone."""
        return [self.projector(encoding.pooled) for encoding in encodings] if self.fusion else projections

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Backbone and projector on the schedule; the predictor at its peak rate, which works better [1, sec. 4.2]."""
        named = list(self.named_parameters())
        predictor = split_by_decay((n, p) for n, p in named if n.startswith("predictor."))
        constant = self.options.constant_predictor_lr
        return [
            *split_by_decay((n, p) for n, p in named if not n.startswith("predictor.")),
            *(ParameterGroup(group.parameters, group.weight_decay, constant_lr=constant) for group in predictor),
        ]


def simsiam_loss(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """``-cos`` of each prediction and the other crop's projection, halved and summed [1, eq. 4].

    Args:
        p1: ``(N, D)`` predictions from the first crops.
        p2: ``(N, D)`` predictions from the second crops.
        z1: ``(N, D)`` projections of the first crops; no gradient flows into them.
        z2: ``(N, D)`` projections of the second crops; no gradient flows into them.
    """
    distance = NegativeCosineSimilarity()
    with full_precision(p1, p2, z1.detach(), z2.detach()) as (p1, p2, z1, z2):
        loss: Tensor = (distance(p1, z2) + distance(p2, z1)) / 2
        return loss
