"""Baselines that say what pretraining bought."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import Backbone, Fusion
from ssl_bench.plugin.methods import BaseMethod
from sslbench_methods.options import PixelsOptions, RandomOptions
from sslbench_methods.thumbnails import Thumbnails, principal_axes


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


class Random(Untrained):
    """An untrained encoder in its best form: a ViT knows where its patches are, as it would after any training.

    Positions as they are drawn, normal with 0.02, are next to nothing, and an untrained encoder without positions falls
    behind one with fixed sines and cosines by several points of AUROC (docs/results.md).
    """

    def __init__(self, options: RandomOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__(options, backbone, fusion)
        if options.positions == "sincos" and hasattr(backbone, "fix_positions"):
            backbone.fix_positions()


class Pixels(BaseMethod):
    """The image itself, shrunk to a thumbnail: an encoder that is no better has learnt nothing worth its training.

    Raises:
        UsageError: the thumbnail is larger than the image that encoders see, or holds fewer values than its axes.
    """

    views = ()

    def __init__(self, options: PixelsOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        if options.size > backbone.image_size:
            raise UsageError(
                f"a thumbnail is smaller than the image, found {options.size} px of {backbone.image_size} px; choose a "
                "smaller size"
            )
        if options.components > options.size**2:
            raise UsageError(
                f"a thumbnail of {options.size} px has {options.size**2} principal axes, found {options.components}; "
                "choose fewer components"
            )
        self.thumbnails = Thumbnails(options.size, backbone.image_size, components=options.components)

    @property
    def encoder(self) -> Backbone:
        """Thumbnails as features."""
        return self.thumbnails

    def fit(self, images: Iterable[Tensor]) -> None:
        """Principal axes of the training images' thumbnails, where these are asked for."""
        if self.thumbnails.components:
            self.thumbnails.project_on(*principal_axes(map(self.thumbnails.shrunk, images)))
