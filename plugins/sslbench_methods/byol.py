"""BYOL: the online network predicts what a moving average of it makes of another crop.

[1] Grill et al., Bootstrap Your Own Latent, arXiv 2006.07733.
[2] Its code, github.com/google-deepmind/deepmind-research/tree/master/byol.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss
from ssl_bench.plugin.methods import (
    BaseMethod,
    cancelled_offsets,
    ema_update,
    frozen_copy,
    full_precision,
    joined_losses,
    projection_head,
)
from ssl_bench.pretrain.schedules import cosine
from sslbench_methods.options import BYOLOptions
from sslbench_methods.two_views import VIEWS, encode_each, fuse_views, pooled, view_groups


class BYOL(BaseMethod):
    """The method as an ``nn.Module``; the online backbone is what is evaluated.

    With a fusion, EHR features join the online network's features and never the target's.
    """

    def __init__(self, options: BYOLOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        width = fusion.out_dim if fusion else backbone.dim
        # Hidden layers with a bias, last layers without one [2]; lightly's heads have it the other way round.
        self.projector = projection_head((width, options.hidden_dim, options.output_dim), hidden_bias=True)
        sizes = (options.output_dim, options.hidden_dim, options.output_dim)
        self.predictor = projection_head(sizes, hidden_bias=True)
        # What is added to every row in front of a BatchNorm cancels out.
        self.null_parameters = ("projector.0.bias", "predictor.0.bias", *cancelled_offsets(backbone, fusion))
        self.target_backbone = frozen_copy(backbone)
        self.target_projector = frozen_copy(self.projector)
        self.views = view_groups(options, backbone.image_size)

    @property
    def encoder(self) -> Backbone:
        """The online backbone."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Distance of each crop's prediction from the target's projection of the other crop."""
        encodings = encode_each(self.backbone, batch, self.fusion)
        features, fusion_losses = fuse_views(self.fusion, encodings, batch)
        predictions = [self.predictor(self.projector(feature)) for feature in features]
        with torch.no_grad():
            seen = [self.target_backbone(batch.views[name], tokens=False).pooled for name in VIEWS]
            targets = [self.target_projector(feature) for feature in seen]
        distance = byol_loss(*predictions, *targets)
        total, parts = joined_losses(distance, fusion_losses)
        return Loss(total, parts | {"distance": distance}, features=pooled(encodings))

    def after_step(self, progress: float) -> Mapping[str, float]:
        """Move the target towards the online network."""
        momentum = cosine(progress, self.options.momentum, 1.0)
        ema_update(self.target_backbone, self.backbone, momentum)
        ema_update(self.target_projector, self.projector, momentum)
        return {"momentum": momentum}


def byol_loss(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """``2 - 2 cos`` of each prediction and the other crop's target, summed over both [1, eq. 2].

    Args:
        p1: ``(N, D)`` predictions from the first crops.
        p2: ``(N, D)`` predictions from the second crops.
        z1: ``(N, D)`` target projections of the first crops; no gradient flows into them.
        z2: ``(N, D)`` target projections of the second crops; no gradient flows into them.
    """
    with full_precision(p1, p2, z1, z2) as (p1, p2, z1, z2):
        similarity = F.cosine_similarity(p1, z2.detach()) + F.cosine_similarity(p2, z1.detach())
        return 4 - 2 * similarity.mean()
