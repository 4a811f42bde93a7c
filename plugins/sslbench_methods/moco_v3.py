"""MoCo v3: a query of one crop must find the momentum encoder's key of the other crop among the batch's keys.

[1] Chen et al., An Empirical Study of Training Self-Supervised Vision Transformers, arXiv 2104.02057.
[2] Its code, github.com/facebookresearch/moco-v3 (``moco/builder.py``, ``main_moco.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.distributed import gather, normalize, rank
from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss, ParameterGroup
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
from sslbench_methods.options import MoCoV3Options
from sslbench_methods.two_views import VIEWS, encode_each, fuse_views, pooled, view_groups


class MoCoV3(BaseMethod):
    """The method as an ``nn.Module``; the query encoder's backbone is what is evaluated.

    With a fusion, EHR features join the queries' features and never the keys'.
    """

    def __init__(self, options: MoCoV3Options, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        width, hidden, out = fusion.out_dim if fusion else backbone.dim, options.hidden_dim, options.output_dim
        vit = backbone.patch_size > 0
        # One hidden layer more for ViTs, and a BatchNorm without scale and shift at the end, but for the predictor of
        # a CNN [2]; the last BatchNorm of lightly's head has both.
        self.projector = projection_head((width, hidden, hidden, out) if vit else (width, hidden, out), last_norm=True)
        self.predictor = projection_head((out, hidden, out), last_norm=vit)
        self.null_parameters = cancelled_offsets(backbone, fusion)
        self.key_backbone = frozen_copy(backbone)
        self.key_projector = frozen_copy(self.projector)
        if options.freeze_patches:
            freeze_patches(backbone)
        self.views = view_groups(options, backbone.image_size)

    @property
    def encoder(self) -> Backbone:
        """The query encoder's backbone."""
        return self.backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """InfoNCE of the queries of each crop among the keys of the other crop, summed over both directions."""
        encodings = encode_each(self.backbone, batch, self.fusion)
        features, fusion_losses = fuse_views(self.fusion, encodings, batch)
        queries = [self.predictor(self.projector(feature)) for feature in features]
        with torch.no_grad():
            keys = [self.key_projector(self.key_backbone(batch.views[name], tokens=False).pooled) for name in VIEWS]
        temperature = self.options.temperature
        first = info_nce(queries[0], keys[1], temperature=temperature)
        second = info_nce(queries[1], keys[0], temperature=temperature)
        total, parts = joined_losses(first + second, fusion_losses)
        return Loss(total, parts | {"info_nce": first + second}, features=pooled(encodings))

    def before_step(self, progress: float) -> None:
        """Move the key encoder towards the query encoder, in front of the step and not behind it [2]."""
        momentum = self._momentum(progress)
        ema_update(self.key_backbone, self.backbone, momentum)
        ema_update(self.key_projector, self.projector, momentum)

    def after_step(self, progress: float) -> Mapping[str, float]:
        """The momentum in use."""
        return {"momentum": self._momentum(progress)}

    def _momentum(self, progress: float) -> float:
        return cosine(progress, self.options.momentum, 1.0)

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """With AdamW, so on ViTs, everything decays; with LARS, on CNNs, 1-D parameters do not [2]."""
        groups = super().parameter_groups()
        return [replace(group, weight_decay=1.0) for group in groups] if self.backbone.patch_size else groups


def info_nce(queries: Tensor, keys: Tensor, *, temperature: float) -> Tensor:
    """Cross-entropy of each query's own key among the keys of all ranks, times twice the temperature [2].

    Args:
        queries: ``(N, D)``.
        keys: ``(N, D)`` of the same images; no gradient flows into them.
        temperature: of the softmax over keys.
    """
    with full_precision(queries, keys.detach()) as (queries, keys):
        logits = normalize(queries) @ gather(normalize(keys)).T / temperature  # (N, world * N)
        own = torch.arange(len(queries), device=queries.device) + rank() * len(queries)
        return 2 * temperature * F.cross_entropy(logits, own)


def freeze_patches(backbone: Backbone) -> None:
    """A ViT's patch embedding takes no gradient, which keeps its training stable [1, sec. 4.2]."""
    for module in backbone.modules():  # type: ignore[attr-defined]
        if hasattr(module, "patch_embed"):
            module.patch_embed.requires_grad_(False)
