"""Baselines that say what pretraining bought."""

from __future__ import annotations

from ssl_bench.contracts import Backbone, Fusion
from ssl_bench.methods import BaseMethod


class Untrained(BaseMethod):
    """The encoder as it was initialised; it is never trained."""

    views = ()

    def __init__(self, options: object, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.backbone = backbone

    @property
    def encoder(self) -> Backbone:
        """The initial encoder."""
        return self.backbone
