"""VICReg: two crops agree, every output varies, and no two outputs say the same.

[1] Bardes et al., VICReg: Variance-Invariance-Covariance Regularization, arXiv 2105.04906.
[2] Its code, github.com/facebookresearch/vicreg (``main_vicreg.py``).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.distributed import gather
from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss
from ssl_bench.plugin.methods import BaseMethod, cancelled_offsets, full_precision, joined_losses, projection_head
from sslbench_methods.options import VICRegOptions
from sslbench_methods.two_views import encode_each, fuse_views, pooled, view_groups


class VICReg(BaseMethod):
    """The method as an ``nn.Module``; the trained backbone is what is evaluated.

    With a fusion, EHR features join the first crop's features (``fuse_branches: one``) or both crops' (``both``).
    """

    def __init__(self, options: VICRegOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        width = fusion.out_dim if fusion else backbone.dim
        # The last layer has no bias [2]; in lightly's head it has one, and the hidden layers have none.
        sizes = (width, options.hidden_dim, options.hidden_dim, options.output_dim)
        self.head = projection_head(sizes, hidden_bias=True)
        # What is added to every row in front of a BatchNorm cancels out.
        self.null_parameters = ("head.0.bias", "head.3.bias", *cancelled_offsets(backbone, fusion))
        self.views = view_groups(options, backbone.image_size)

    @property
    def encoder(self) -> Backbone:
        """The trained backbone."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Weighted sum of the three terms on the projections of both crops."""
        options = self.options
        encodings = encode_each(self.backbone, batch, self.fusion)
        features, fusion_losses = fuse_views(self.fusion, encodings, batch, branches=options.fuse_branches)
        invariance, variance, covariance = vicreg_loss(*(self.head(feature) for feature in features))
        weighted = options.invariance * invariance + options.variance * variance + options.covariance * covariance
        total, parts = joined_losses(weighted, fusion_losses)
        parts |= {"invariance": invariance, "variance": variance, "covariance": covariance}
        return Loss(total, parts, features=pooled(encodings))


def vicreg_loss(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three terms of VICReg, unweighted.

    lightly's ``VICRegLoss`` gives their weighted sum alone, and picks covariances by a boolean mask of D x D, which
    cannot run on shapes alone.

    Args:
        a: ``(N, D)`` projections of the first crops.
        b: ``(N, D)`` projections of the second crops of the same images.

    Returns:
        Invariance: the mean squared difference. Variance: the hinge on standard deviations below 1, averaged over
        outputs and both crops. Covariance: the squared covariances between outputs by D, summed over both crops. The
        latter two are of the batches of all ranks.
    """
    with full_precision(a, b) as (a, b):
        invariance = F.mse_loss(a, b)
        a, b = gather(a), gather(b)
        return invariance, (_hinge(a) + _hinge(b)) / 2, _covariances(a) + _covariances(b)


def _hinge(z: Tensor) -> Tensor:
    return F.relu(1 - torch.sqrt(z.var(0) + 1e-4)).mean()


def _covariances(z: Tensor) -> Tensor:
    centred = z - z.mean(0)
    covariance = centred.T @ centred / (len(z) - 1)  # (D, D)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
