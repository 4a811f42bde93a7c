"""DINO: a student's small and large crops must give the output of a teacher that averages the student.

[1] Caron et al., Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
[2] Its code, github.com/facebookresearch/dino (``main_dino.py``, ``vision_transformer.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_bench.distributed import all_reduce_mean
from ssl_bench.plugin.contracts import Backbone, Batch, Fusion, Loss, ParameterGroup, Photometric, ViewGroup
from ssl_bench.plugin.methods import (
    BaseMethod,
    apply_fusion,
    ema_update,
    frozen_copy,
    full_precision,
    joined_losses,
    offset_positions,
    projection_head,
    reads_tokens,
    split_by_decay,
    truncated_normal,
)
from ssl_bench.pretrain.schedules import cosine, ramp
from sslbench_methods.droppath import add_drop_path
from sslbench_methods.options import DINOOptions, DINOv2Options, SmallCropOptions


class DINO(BaseMethod):
    """The method as an ``nn.Module``; the teacher is what is evaluated.

    With a fusion, EHR features join the student's features and never the teacher's.
    """

    def __init__(self, options: DINOOptions, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.options, self.backbone, self.fusion = options, backbone, fusion
        # Of local crops: against a rounding fault of torch that is long gone, but felt [2].
        offset_positions(backbone, 0.1)
        self.head = DinoHead(
            fusion.out_dim if fusion else backbone.dim,
            options.hidden_dim,
            options.bottleneck_dim,
            options.output_dim,
            norm_last_layer=options.norm_last_layer,
        )
        self.teacher_backbone = frozen_copy(backbone)
        self.teacher_head = frozen_copy(self.head)
        add_drop_path(self.backbone, options.drop_path)  # after the copy: the teacher has none [2]
        self.loss = DinoLoss(options.output_dim, options.student_temperature, options.center_momentum)
        self.views = view_groups(options, backbone.image_size, backbone.patch_size)

    @property
    def encoder(self) -> Backbone:
        """The teacher."""
        return self.teacher_backbone

    def before_step(self, progress: float) -> None:
        """The last layer rests at the start of the training."""
        resting = progress < self.options.freeze_last_layer
        trainable = [weight for weight in self.head.last_layer.parameters() if weight.requires_grad]
        self.frozen = tuple(trainable) if resting else ()

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """Cross-entropy of the student's view with the teacher's output on every other global view."""
        temperature = teacher_temperature(self.options, progress)
        large = torch.cat([batch.views["global_1"], batch.views["global_2"]])
        with torch.no_grad():
            teacher, bottleneck = self.teacher_head(self.teacher_backbone(large, tokens=False).pooled)
            assigned = self.loss.targets(teacher, temperature)
        crops = [views for views in (large, batch.views.get("local")) if views is not None]
        encodings = [self.backbone(views, tokens=reads_tokens(self.fusion)) for views in crops]
        fused = [apply_fusion(self.fusion, encoding, batch) for encoding in encodings]
        student, _ = self.head(torch.cat([part.features for part in fused]))
        losses = {name: torch.stack([part.losses[name] for part in fused]).mean() for name in fused[0].losses}
        cross_entropy = self.loss(student, teacher, temperature)
        total, parts = joined_losses(cross_entropy, losses)
        return Loss(total, parts | {"cross_entropy": cross_entropy}, features=bottleneck, probabilities=assigned)

    def after_step(self, progress: float) -> Mapping[str, float]:
        """Move the teacher towards the student."""
        momentum = cosine(progress, self.options.momentum, 1.0)
        ema_update(self.teacher_backbone, self.backbone, momentum)
        ema_update(self.teacher_head, self.head, momentum)
        return {"momentum": momentum, "teacher_temperature": teacher_temperature(self.options, progress)}

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Weights with decay, 1-D parameters without; every parameter clipped by itself [2]."""
        return split_by_decay(self.named_parameters(), clip=self.options.clip, clip_each=True)


def teacher_temperature(options: DINOOptions | DINOv2Options, progress: float) -> float:
    """Of the teacher's softmax. The official warm-up moves once an epoch, this one with every step between its ends."""
    start, end = options.teacher_temperature_start, options.teacher_temperature
    return ramp(progress, start, end, options.teacher_temperature_warmup)


class DinoHead(nn.Module):
    """The official head: three layers with GELU and without BatchNorm, unit length, weight-normed output [2].

    lightly's is the same on torch's old weight norm, which warns and cannot be copied for the teacher.
    """

    def __init__(
        self, width: int, hidden_dim: int, bottleneck_dim: int, output_dim: int, *, norm_last_layer: bool = False
    ) -> None:
        super().__init__()
        sizes = (width, hidden_dim, hidden_dim, bottleneck_dim)
        self.layers = projection_head(sizes, activation=nn.GELU, hidden_bias=True, last_bias=True, norm=False)
        truncated_normal(self.layers)
        last = nn.Linear(bottleneck_dim, output_dim, bias=False)
        self.last_layer: Any = nn.utils.parametrizations.weight_norm(last)
        length = self.last_layer.parametrizations.weight.original0
        length.data.fill_(1.0)
        length.requires_grad_(not norm_last_layer)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs ``(B, K)`` of features ``(B, D)``, and the rows of unit length before the last layer."""
        bottleneck = F.normalize(self.layers(features), dim=-1)
        return self.last_layer(bottleneck), bottleneck


class DinoLoss(nn.Module):
    """Cross-entropy of centred, sharpened teacher outputs and student outputs over pairs of different views.

    lightly's ``DINOLoss`` lets gradients into the teacher's outputs, and rounds its temperature to float32.

    Args:
        out_dim: width K of the outputs.
        student_temperature: of the student's softmax.
        center_momentum: of the centre, the moving average of the teacher's outputs.
        teacher_views: views the teacher sees; they come first among the student's.
    """

    center: Tensor

    def __init__(
        self, out_dim: int, student_temperature: float = 0.1, center_momentum: float = 0.9, teacher_views: int = 2
    ) -> None:
        super().__init__()
        self.student_temperature, self.center_momentum = student_temperature, center_momentum
        self.teacher_views = teacher_views
        self.register_buffer("center", torch.zeros(out_dim))

    def forward(self, student: Tensor, teacher: Tensor, teacher_temperature: float) -> Tensor:
        """The loss; the centre is updated after it.

        Args:
            student: ``(V * B, K)`` outputs, view-major.
            teacher: ``(2 * B, K)`` outputs, view-major; no gradient flows into them.
            teacher_temperature: of the teacher's softmax.
        """
        with full_precision(student, teacher.detach()) as (student, teacher):
            wanted = self.targets(teacher, teacher_temperature)
            loss = cross_entropies(student, wanted, self.student_temperature, rows=len(teacher) // self.teacher_views)
            self._follow(teacher)
            return loss

    @torch.no_grad()
    def targets(self, teacher: Tensor, temperature: float) -> Tensor:
        """The teacher's probabilities ``(2 * B, K)``, centred and sharpened, in float32 at least."""
        with full_precision(teacher) as (wide,):
            return torch.softmax((wide - self.center) / temperature, dim=-1)

    @torch.no_grad()
    def _follow(self, teacher: Tensor) -> None:
        mean = all_reduce_mean(teacher.mean(0))
        self.center = self.center.to(mean.dtype).lerp(mean, 1 - self.center_momentum)


def cross_entropies(student: Tensor, wanted: Tensor, temperature: float, *, rows: int) -> Tensor:
    """Mean cross-entropy over pairs of different views, those of the targets being the first of the student's.

    Args:
        student: ``(V * B, K)`` outputs, view-major.
        wanted: ``(T * B, K)`` probabilities, view-major.
        temperature: of the student's softmax.
        rows: images B.
    """
    targets = wanted.unflatten(0, (-1, rows))  # (T, B, K)
    predicted = F.log_softmax(student / temperature, -1).unflatten(0, (-1, rows))  # (V, B, K)
    losses = -torch.einsum("tbk,vbk->tv", targets, predicted) / rows
    return (losses.sum() - losses.diagonal().sum()) / (losses.numel() - len(losses))


def view_groups(options: SmallCropOptions, image_size: int, patch_size: int) -> list[ViewGroup]:
    """Two global crops and the local ones; local ones are 96 px at 224, rounded to whole patches."""
    patch = max(patch_size, 1)
    small = options.local_size or max(1, round(image_size * 96 / 224 / patch)) * patch
    kinds = [("global_1", 1, image_size, options.global_scale), ("global_2", 1, image_size, options.global_scale),
             ("local", options.local_views, small, options.local_scale)]  # fmt: skip
    changes = [
        Photometric(brightness=options.brightness, contrast=options.contrast, blur_probability=blur,
                    solarize_probability=solarize)
        for blur, solarize in zip(options.blur, (0.0, options.solarize, 0.0), strict=True)
    ]  # fmt: skip
    groups = [ViewGroup(*kind, change, flip=options.flip) for kind, change in zip(kinds, changes, strict=True)]
    return [group for group in groups if group.count]
