"""SimCLR: two crops of an image must find each other among all crops of the batch.

[1] Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, arXiv 2002.05709.
[2] Its code, github.com/google-research/simclr (``tf2/objective.py``, ``tf2/model.py``).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.distributed import gather, normalize, rank
from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss
from ssl_bench.plugin.methods import BaseMethod, cancelled_offsets, full_precision, joined_losses, projection_head
from sslbench_methods.options import SimCLROptions
from sslbench_methods.two_views import encode_joined, fuse_views, pooled, view_groups


class SimCLR(BaseMethod):
    """The method as an ``nn.Module``; the trained backbone is what is evaluated.

    With a fusion, EHR features join the first crop's features (``fuse_branches: one``) or both crops' (``both``).
    """

    def __init__(self, options: SimCLROptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        width = fusion.out_dim if fusion else backbone.dim
        # Three layers with BatchNorm on each, the last one without a shift [2]. lightly's head has a shift there.
        self.head = projection_head((width, width, width, options.output_dim), last_norm=True, last_scale=True)
        # What is added to every row in front of a BatchNorm cancels out.
        if fusion is None or options.fuse_branches == "both":
            self.null_parameters = cancelled_offsets(backbone, fusion)
        self.views = view_groups(options, backbone.image_size)

    @property
    def encoder(self) -> Backbone:
        """The trained backbone."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """NT-Xent of the projections of both crops; BatchNorm sees both together, as in the official code."""
        encodings = encode_joined(self.backbone, batch, self.fusion)
        features, fusion_losses = fuse_views(self.fusion, encodings, batch, branches=self.options.fuse_branches)
        first, second = self.head(torch.cat(features)).chunk(2)
        contrast = nt_xent(first, second, temperature=self.options.temperature)
        total, parts = joined_losses(contrast, fusion_losses)
        return Loss(total, parts | {"nt_xent": contrast}, features=pooled(encodings))


def nt_xent(a: Tensor, b: Tensor, *, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy, in the official scale: the sum of both directions [2].

    lightly's ``NTXentLoss`` is half of this, which is another learning rate; it also picks candidates by boolean
    masks, which cannot run on shapes alone.

    Args:
        a: ``(N, D)`` projections of the first crops.
        b: ``(N, D)`` projections of the second crops of the same images.
        temperature: of the softmax over the 2N - 1 candidates, those of all ranks included.
    """
    with full_precision(a, b) as (a, b):
        queries = torch.cat([normalize(a), normalize(b)])  # (2N, D)
        keys = torch.cat([gather(half) for half in queries.chunk(2)])  # (2 * world * N, D)
        here, everywhere = len(a), len(keys) // 2
        place = torch.arange(here, device=a.device) + rank() * here
        itself, other = torch.cat([place, place + everywhere]), torch.cat([place + everywhere, place])
        logits = queries @ keys.T / temperature  # (2N, 2 * world * N)
        positive = logits.gather(1, other.unsqueeze(1)).squeeze(1)
        negative = logits.scatter(1, torch.stack([itself, other], dim=1), -torch.inf).logsumexp(1)
        # The cross-entropy, without the difference of 1 and a probability near 1 in its gradient.
        return 2 * F.softplus(negative - positive).mean()
