"""Masked Siamese Networks, with or without EHR features in the anchors.

[1] Assran et al., Masked Siamese Networks for Label-Efficient Learning, arXiv 2204.07141.
[2] Shurrab, Guerra-Manzanares and Shamout, Multimodal masked siamese network improves chest X-ray representation
    learning, Scientific Reports 14:22516, arXiv 2407.04449.
[3] The code of [1], github.com/facebookresearch/msn (``src/deit.py``, ``src/msn_train.py``).

A masked anchor and small focal crops must be assigned to the same prototypes as an unmasked target crop, which a
moving average of the network encodes [1]. With a fusion, EHR features join the anchors and never the target [2].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ssl_bench.distributed import all_reduce_mean, all_reduce_sum, normalize
from ssl_bench.plugin.contracts import Backbone, Batch, Encoding, Fusion, Loss, ParameterGroup, Photometric, ViewGroup
from ssl_bench.plugin.methods import (
    BaseMethod,
    apply_fusion,
    cancelled_offsets,
    ema_update,
    frozen_copy,
    full_precision,
    joined_losses,
    projection_head,
    random_subset,
    reads_tokens,
    split_by_decay,
    truncated_normal,
    zero_padded,
)
from ssl_bench.pretrain.schedules import linear
from sslbench_methods.options import MSNOptions


class MSN(BaseMethod):
    """The method as an ``nn.Module``; the moving-average network is what is evaluated."""

    def __init__(self, options: MSNOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options = options
        self.schedule_stretch = options.schedule_stretch
        self.backbone = backbone
        self.fusion = fusion
        self.width = fusion.out_dim if fusion else backbone.dim
        hidden, output = options.hidden_dim or 4 * backbone.dim, options.output_dim or backbone.dim
        self.head = projection_head(
            (self.width, hidden, hidden, output), activation=nn.GELU, hidden_bias=True, last_bias=True
        )
        truncated_normal(self.head)
        # What is added to every row in front of a BatchNorm cancels out.
        self.null_parameters = ("head.0.bias", "head.3.bias", *cancelled_offsets(backbone, fusion))
        self.prototypes = nn.Parameter(torch.empty(options.prototypes, output), options.train_prototypes)
        self.detaches = options.train_prototypes  # the targets' side of the cosine to them gets no gradient
        nn.init.uniform_(self.prototypes, -(output**-0.5), output**-0.5)
        self.target_backbone = frozen_copy(backbone)
        self.target_head = frozen_copy(self.head)
        self.views = view_groups(options, backbone.image_size, backbone.patch_size)

    @property
    def encoder(self) -> Backbone:
        """The target network: the moving average of the trained one."""
        return self.target_backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Cross-entropy of anchors and focal crops against the target, plus mean-entropy maximisation."""
        options = self.options
        anchors, fusion_losses = self._project_anchors(batch)
        with torch.no_grad():
            pooled = self.target_backbone(batch.views["target"], tokens=False).pooled
            target = self.target_head(zero_padded(pooled, self.width))
        cross_entropy, me_max = msn_loss(
            anchors,
            target,
            self.prototypes,
            temperature=options.temperature,
            sharpen=options.sharpen,
            sinkhorn_iterations=options.sinkhorn_iterations,
        )
        assigned = assignments(target, self.prototypes, options.temperature * options.sharpen)
        total, parts = joined_losses(cross_entropy + options.me_max_weight * me_max, fusion_losses)
        parts |= {"cross_entropy": cross_entropy, "me_max": me_max}
        return Loss(total, parts, features=target, probabilities=assigned)

    def _project_anchors(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Projections of the masked anchor and the focal crops, view-major, and the fusion's own losses."""
        options = self.options
        encodings = [self._encode(batch.views["anchor"], masked=True)]
        if options.focal_views:
            encodings.append(self._encode(batch.views["focal"], masked=options.mask_focal, views=options.focal_views))
        fused = [apply_fusion(self.fusion, encoding, batch) for encoding in encodings]
        losses = {name: torch.stack([part.losses[name] for part in fused]).mean() for name in fused[0].losses}
        features = [part.features for part in fused]
        # One call for each resolution, so that masked anchors and small crops share no batch statistics [3].
        projected = [self.head(part) for part in ([torch.cat(features)] if options.joined_head else features)]
        return torch.cat(projected), losses

    def _encode(self, crops: Tensor, *, masked: bool, views: int = 1) -> Encoding:
        keep = self._keep(crops, views) if masked and self.options.mask_ratio else None
        return self.backbone(crops, keep, tokens=reads_tokens(self.fusion))

    def _keep(self, crops: Tensor, views: int) -> Tensor:
        """Numbers (V * B, K) of the patches that a mask leaves in the crops (V * B, 1, H, W), view-major."""
        options, patches = self.options, self.backbone.patches(crops.shape[-1])
        kept = int(patches * (1 - options.mask_ratio))
        if not options.mask_last_patch:
            # The released code counts the class token as one of the patches, so the last of them has no number.
            patches, kept = patches - 1, kept - 1
        if options.mask_shared:
            return shared_subset(len(crops), patches, kept, crops.device)
        return random_subset(len(crops), patches, kept, crops.device, views)

    def after_step(self, progress: float) -> Mapping[str, float]:
        """Move the target network towards the trained one."""
        options = self.options
        # The official schedule is linear over 1.25 x the training, so it never reaches its end.
        momentum = linear(progress / options.schedule_stretch, options.momentum, options.momentum_end)
        ema_update(self.target_backbone, self.backbone, momentum)
        ema_update(self.target_head, self.head, momentum)
        return {"momentum": momentum}

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Backbone, head and fusion, clipped; prototypes without weight decay and clipping."""
        options = self.options
        network = [(name, value) for name, value in self.named_parameters() if name != "prototypes"]
        groups = split_by_decay(iter(network), clip=options.clip)
        if options.decay_all:
            groups = [replace(group, weight_decay=1.0) for group in groups]
        return [*groups, ParameterGroup([self.prototypes], weight_decay=0.0)] if options.train_prototypes else groups


def shared_subset(rows: int, patches: int, kept: int, device: torch.device) -> Tensor:
    """Numbers ``(rows, kept)`` of the patches that stay, the same ones in every row [3]."""
    return torch.randperm(patches)[:kept].sort().values.expand(rows, -1).to(device)


def view_groups(options: MSNOptions, image_size: int, patch_size: int) -> list[ViewGroup]:
    """Target, anchor and focal crops; focal ones are 96 px at 224, rounded to whole patches."""
    change = Photometric(brightness=options.brightness, contrast=options.contrast, blur_probability=options.blur)
    focal = options.focal_size or max(1, round(image_size * 96 / 224 / patch_size)) * patch_size
    groups = [
        ViewGroup("target", 1, image_size, options.anchor_scale, change, flip=options.flip),
        ViewGroup("anchor", 1, image_size, options.anchor_scale, change, flip=options.flip),
        ViewGroup("focal", options.focal_views, focal, options.focal_scale, change, flip=options.flip),
    ]
    return [group for group in groups if group.count]


def msn_loss(
    anchors: Tensor,
    targets: Tensor,
    prototypes: Tensor,
    *,
    temperature: float = 0.1,
    sharpen: float = 0.25,
    sinkhorn_iterations: int = 3,
) -> tuple[Tensor, Tensor]:
    """Loss of Masked Siamese Networks, in two parts.

    Written with ``log_softmax`` instead of the logarithm of a softmax: lightly's ``MSNLoss`` gives NaN there for a
    prototype that nothing is assigned to.

    Args:
        anchors: ``(V * B, D)`` projections, view-major.
        targets: ``(B, D)`` projections of the target crops; no gradient flows into them.
        prototypes: ``(K, D)``, learnt.
        temperature: of the anchors' and, before sharpening, the targets' softmax.
        sharpen: temperature that sharpens the targets.
        sinkhorn_iterations: Sinkhorn-Knopp steps on the targets over the batches of all ranks, 0 for none.

    Returns:
        The mean cross-entropy, and ``log K - H(mean anchor prediction)``, which is 0 for evenly used prototypes.
    """
    wanted = assignments(targets, prototypes, temperature * sharpen)
    if sinkhorn_iterations:
        wanted = sinkhorn(wanted, sinkhorn_iterations)
    wanted = wanted.repeat(len(anchors) // len(targets), 1)
    log_predictions = torch.log_softmax(similarity(anchors, prototypes) / temperature, dim=-1)  # (V * B, K)
    cross_entropy = -(wanted * log_predictions).sum(-1).mean()
    mean_prediction = all_reduce_mean(log_predictions.exp().mean(0))
    # Clamped, because the gradient of p log p is infinite at 0.
    entropy = -(mean_prediction * mean_prediction.clamp_min(torch.finfo(mean_prediction.dtype).tiny).log()).sum()
    return cross_entropy, math.log(len(prototypes)) - entropy


def similarity(rows: Tensor, prototypes: Tensor) -> Tensor:
    """Cosine of every row and prototype ``(B, K)``, never in less than float32."""
    with full_precision(rows, prototypes) as (rows, prototypes):
        return normalize(rows) @ normalize(prototypes).T


@torch.no_grad()
def assignments(targets: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """Softmax of the targets over prototypes ``(B, K)``.

    Sharpening p ** (1 / T), normalised, is a softmax at T times the temperature.
    """
    return torch.softmax(similarity(targets, prototypes) / temperature, dim=-1)


@torch.no_grad()
def sinkhorn(assigned: Tensor, iterations: int) -> Tensor:
    """Assignments ``(B, K)`` balanced so that every prototype gets the same mass over the batches of all ranks.

    Ranks may hold different numbers of rows.
    """
    # lightly's sinkhorn gives NaN for a prototype without mass, and counts every rank's rows as many as its own
    rows = all_reduce_sum(assigned.new_tensor(float(len(assigned))))
    balanced = assigned / all_reduce_sum(assigned.sum())
    for _ in range(iterations):
        mass = all_reduce_sum(balanced.sum(0, keepdim=True))
        # A prototype without mass stays without: 0 / 0 would spread NaN.
        balanced = balanced / mass.clamp_min(torch.finfo(mass.dtype).tiny) / balanced.shape[1]
        balanced = balanced / balanced.sum(1, keepdim=True).clamp_min(torch.finfo(mass.dtype).tiny) / rows
    return balanced * rows
