"""A method in thirty lines: crops of one image agree, features of a batch keep their spread."""

import torch

from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss, ViewGroup
from ssl_bench.plugin.methods import BaseMethod, apply_fusion, full_precision
from sslbench_toy.options import ToyOptions


class Toy(BaseMethod):
    """Mean squared distance of two crops, and a hinge on the standard deviation of every feature."""

    def __init__(self, options: ToyOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        self.views = (ViewGroup("crops", 2, backbone.image_size, (0.3, 1.0)),)

    @property
    def encoder(self) -> Backbone:
        """The trained network."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Agreement plus spread."""
        fused = apply_fusion(self.fusion, self.backbone(batch.views["crops"]), batch)
        with full_precision(fused.features) as (features,):
            first, second = features.chunk(2)
            alike = (first - second).square().mean()
            spread = torch.relu(1 - features.std(0)).mean()
        return Loss(alike + self.options.spread * spread, {"alike": alike, "spread": spread}, features.detach())
