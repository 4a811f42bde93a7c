"""DINOv2: self-distillation of images (DINO) and of hidden patches (iBOT), with features that keep their distance.

[1] Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
[2] Its code, github.com/facebookresearch/dinov2 (``train/ssl_meta_arch.py``, ``configs/train/vitl14.yaml``).
[3] Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer, arXiv 2111.07832.
[4] Sablayrolles et al., Spreading vectors for similarity search, arXiv 1806.03198.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_bench.distributed import all_reduce_max, gather
from ssl_bench.plugin.contracts import Backbone, Batch, Encoding, Fusion, Hidden, Loss, ParameterGroup
from ssl_bench.plugin.methods import (
    BaseMethod,
    apply_fusion,
    ema_update,
    frozen_copy,
    full_precision,
    joined_losses,
    offset_positions,
    reads_tokens,
    split_by_decay,
)
from ssl_bench.pretrain.schedules import cosine
from sslbench_methods.dino import DinoHead, cross_entropies, teacher_temperature, view_groups
from sslbench_methods.droppath import add_subset_drop_path, of_views
from sslbench_methods.masking import MaskSampler
from sslbench_methods.msn import sinkhorn
from sslbench_methods.options import DINOv2Options


class DINOv2(BaseMethod):
    """The method as an ``nn.Module``; the teacher is what is evaluated.

    With a fusion, EHR features join the student's class tokens, and neither the teacher nor the patches.
    """

    def __init__(self, options: DINOv2Options, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        offset_positions(backbone, 0.1)  # as in DINO
        self.mask_token = nn.Parameter(torch.zeros(1, backbone.dim))
        self.head = DinoHead(
            fusion.out_dim if fusion else backbone.dim, options.hidden_dim, options.bottleneck_dim, options.output_dim
        )
        self.patch_head = DinoHead(
            backbone.dim, options.hidden_dim, options.patch_bottleneck_dim, options.patch_output_dim
        )
        self.teacher_backbone = frozen_copy(backbone)
        self.teacher_head, self.teacher_patch_head = frozen_copy(self.head), frozen_copy(self.patch_head)
        add_subset_drop_path(self.backbone, options.drop_path)  # after the copy: the teacher has none
        side = backbone.image_size // backbone.patch_size
        self.sampler = MaskSampler(side, share=options.masked_share, ratio=options.mask_ratio)
        self.views = view_groups(options, backbone.image_size, backbone.patch_size)

    @property
    def encoder(self) -> Backbone:
        """The teacher."""
        return self.teacher_backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Cross-entropies of class tokens and of hidden patches, and the spread of the student's class tokens."""
        options, temperature = self.options, teacher_temperature(self.options, progress)
        large = torch.cat([batch.views["global_1"], batch.views["global_2"]])
        hidden = self._masks(len(large))  # (2 * B, P), on the CPU
        numbers = hidden.flatten().nonzero().squeeze(1).to(large.device)
        shown = self._student(large, 2, Hidden(hidden.to(large.device), self.mask_token))
        encodings = [shown]
        if "local" in batch.views:
            encodings.append(self._student(batch.views["local"], options.local_views))
        fused = [apply_fusion(self.fusion, encoding, batch) for encoding in encodings]
        with torch.no_grad():
            whole = self.teacher_backbone(large)
            teacher, bottleneck = self.teacher_head(whole.pooled)
            taught, _ = self.teacher_patch_head(whole.tokens.flatten(0, 1)[numbers])
        student, _ = self.head(torch.cat([part.features for part in fused]))
        guessed, _ = self.patch_head(shown.tokens.flatten(0, 1)[numbers])
        parts = {
            "dino": self._dino(student, teacher, temperature),
            "ibot": self._ibot(guessed, taught, temperature, hidden),
            "koleo": koleo_loss(shown.pooled.chunk(2)),
        }
        total = (
            options.dino_weight * parts["dino"]
            + options.ibot_weight * parts["ibot"]
            + options.koleo_weight * parts["koleo"]
        )
        own = {name: torch.stack([part.losses[name] for part in fused]).mean() for name in fused[0].losses}
        total, more = joined_losses(total, own)
        assigned = torch.softmax(teacher.float() / temperature, dim=-1)
        return Loss(total, {**parts, **more}, features=bottleneck, probabilities=assigned)

    def _masks(self, rows: int) -> Tensor:
        """Patches ``(rows, P)`` of two views of each image that a learnt token stands for."""
        return self.sampler.draw(rows, views=2)

    def _student(self, crops: Tensor, views: int, hidden: Hidden | None = None) -> Encoding:
        with of_views(views):
            return self.backbone(crops, tokens=hidden is not None or reads_tokens(self.fusion), hidden=hidden)

    def _dino(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Mean cross-entropy of class tokens over pairs of different views."""
        with full_precision(student, teacher) as (student, teacher):
            wanted = balanced(teacher, temperature, self.options.sinkhorn_iterations)
            return cross_entropies(student, wanted, self.options.student_temperature, rows=len(teacher) // 2)

    def _ibot(self, student: Tensor, teacher: Tensor, temperature: float, hidden: Tensor) -> Tensor:
        """Cross-entropy of hidden patches: their mean in each image, summed, by the number of all images."""
        with full_precision(student, teacher) as (student, teacher):
            wanted = balanced(teacher, temperature, self.options.sinkhorn_iterations)
            each = -(wanted * F.log_softmax(student / self.options.student_temperature, dim=-1)).sum(-1)
            counts = hidden.sum(1)
            weights = (1 / counts.clamp_min(1).to(each.dtype)).repeat_interleave(counts)
            return (each * weights.to(each.device)).sum() / len(hidden)

    def after_step(self, progress: float) -> Mapping[str, float]:
        """Move the teacher towards the student."""
        momentum = cosine(progress, self.options.momentum, 1.0)
        for name in ("backbone", "head", "patch_head"):
            ema_update(getattr(self, f"teacher_{name}"), getattr(self, name), momentum)
        return {"momentum": momentum, "teacher_temperature": teacher_temperature(self.options, progress)}

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Backbone and heads, each clipped by its norm; slow patch embedding, last layers at rest at first [2]."""
        options, sorts = self.options, dict[tuple[str, str], list[tuple[str, nn.Parameter]]]()
        for name, value in self.named_parameters():
            part = name.partition(".")[0] if name.startswith(("head.", "patch_head.")) else "backbone"
            kind = next((kind for kind in ("patch_embed.", "last_layer.") if kind in name), "")
            sorts.setdefault((part, kind), []).append((name, value))
        changes: dict[str, dict[str, Any]] = {
            "patch_embed.": {"lr_scale": options.patch_embed_lr},
            "last_layer.": {"rest": options.freeze_last_layer},
        }
        return [
            replace(group, clip_with=part, **changes.get(kind, {}))
            for (part, kind), named in sorts.items()
            for group in split_by_decay(iter(named), clip=options.clip)
        ]


@torch.no_grad()
def balanced(logits: Tensor, temperature: float, iterations: int) -> Tensor:
    """Targets ``(R, K)`` by Sinkhorn-Knopp over the rows of all ranks, which may have different numbers of them.

    lightly's ``IBOTPatchLoss`` and ``DINOLoss`` centre by a moving mean alone.

    Args:
        logits: ``(R, K)`` of the teacher.
        temperature: of the exponential.
        iterations: alternations; 0 is a softmax.
    """
    if not iterations:
        return torch.softmax(logits / temperature, dim=-1)
    scaled = logits / temperature
    # Less the largest of all, which cancels out: exp(x / 0.04) leaves float32 where a weight has grown to 3.6.
    top = all_reduce_max(scaled.max() if len(scaled) else scaled.new_tensor(-torch.inf))
    return sinkhorn((scaled - top).exp(), iterations)


def koleo_loss(views: Sequence[Tensor], eps: float = 1e-8) -> Tensor:
    """Minus the mean logarithm of the distance of each row to its nearest, summed over views [4].

    Rows of all ranks are neighbours; the official code, and lightly's ``KoLeoLoss``, look at those of one process.

    Args:
        views: ``(B, D)`` features of one view of each image.
        eps: added to distances, as there.
    """
    losses = []
    for view in views:
        with full_precision(view) as (wide,):
            rows = gather(F.normalize(wide, dim=-1, eps=eps))  # (world * B, D)
            with torch.no_grad():
                closeness = (rows @ rows.T).fill_diagonal_(-1.0)
                nearest = closeness.argmax(1)
            distances = F.pairwise_distance(rows, rows[nearest], eps=eps)
            losses.append(-(distances + eps).log().mean())
    return torch.stack(losses).sum()
