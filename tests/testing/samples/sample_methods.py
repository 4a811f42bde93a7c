"""A method that keeps the contract, and what becomes of it when one thing is wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import torch
from sample_options import Plain
from torch import Tensor, nn

from ssl_bench.distributed import BatchNorm
from ssl_bench.plugin.contracts import Backbone, Batch, Fused, Fusion, Loss, ParameterGroup, ViewGroup
from ssl_bench.plugin.methods import (
    BaseMethod,
    apply_fusion,
    cancelled_offsets,
    ema_update,
    frozen_copy,
    full_precision,
    joined_losses,
)


class Good(BaseMethod):
    """One crop predicts what a moving average of the network makes of another."""

    bias = False
    norm: type[nn.Module] = BatchNorm

    def __init__(self, options: Plain, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__()
        self.backbone, self.fusion = backbone, fusion
        sizes = fusion.out_dim if fusion else backbone.dim, options.width
        self.head = nn.Sequential(nn.Linear(*sizes, bias=self.bias), self.norm(sizes[1]), nn.Linear(sizes[1], 8))
        self.teacher_backbone, self.teacher_head = frozen_copy(backbone), frozen_copy(self.head)
        self.null_parameters = cancelled_offsets(backbone, fusion)
        self.views = [ViewGroup(name, 1, backbone.image_size, (0.2, 1.0)) for name in ("first", "second")]

    @property
    def encoder(self) -> Backbone:
        return self.teacher_backbone

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        fused = apply_fusion(self.fusion, self.backbone(batch.views["first"]), batch)
        with torch.no_grad():
            features = self.teacher_backbone(batch.views["second"]).pooled
            wanted = self.teacher_head(features)
        with full_precision(self.head(fused.features), wanted) as (found, wanted):
            return self.finish(found, wanted, fused, features)

    def finish(self, found: Tensor, wanted: Tensor, fused: Fused, features: Tensor) -> Loss:
        distance = (found - wanted - 1).square().mean()
        total, parts = joined_losses(distance, fused.losses)
        return Loss(total, parts | {"distance": distance}, features=features)

    def after_step(self, progress: float) -> Mapping[str, float]:
        ema_update(self.teacher_backbone, self.backbone, 0.9)
        ema_update(self.teacher_head, self.head, 0.9)
        return {"momentum": 0.9}


class Vector(Good):
    def finish(self, found, wanted, fused, features):
        return Loss((found - wanted).square().mean(0), features=features)


class Tuple(Good):
    def finish(self, found, wanted, fused, features):
        return (found - wanted).square().mean(), {}


class Infinite(Good):
    def finish(self, found, wanted, fused, features):
        return Loss(((found - found).sum() / 0.0), features=features)


class Detached(Good):
    def finish(self, found, wanted, fused, features):
        return Loss((found - wanted).detach().square().mean(), features=features)


class StrangePart(Good):
    def finish(self, found, wanted, fused, features):
        loss = super().finish(found, wanted, fused, features)
        return loss._replace(parts={"rows": found})


class Unwatched(Good):
    def finish(self, found, wanted, fused, features):
        return super().finish(found, wanted, fused, features)._replace(features=None)


class AttachedFeatures(Good):
    def finish(self, found, wanted, fused, features):
        return super().finish(found, wanted, fused, features)._replace(features=found)


class NoProbabilities(Good):
    def finish(self, found, wanted, fused, features):
        return super().finish(found, wanted, fused, features)._replace(probabilities=wanted.abs() + 1)


class Upwards(Good):
    def finish(self, found, wanted, fused, features):
        loss = super().finish(found, wanted, fused, features)
        return loss._replace(total=2 * loss.total.detach() - loss.total)


class Deaf(Good):
    def finish(self, found, wanted, fused, features):
        return super().finish(found, wanted, Fused(fused.features), features)


class Alone(Good):
    def training_loss(self, batch, progress):
        found = self.head(nn.functional.pad(self.backbone(batch.views["first"]).pooled, (0, self.missing())))
        return self.finish(found, torch.zeros_like(found), Fused(found), found.detach())

    def missing(self) -> int:
        return self.head[0].in_features - self.backbone.dim


class Valued(Good):
    def finish(self, found, wanted, fused, features):
        loss = super().finish(found, wanted, fused, features)
        return loss if loss.total.item() > 0 else loss._replace(total=loss.total * 2)


class Half(Good):
    def training_loss(self, batch, progress):
        fused = apply_fusion(self.fusion, self.backbone(batch.views["first"]), batch)
        found = self.head(fused.features)
        return self.finish(found, torch.zeros_like(found), fused, fused.features.detach())


class Unseeded(Good):
    def finish(self, found, wanted, fused, features):
        return super().finish(found + random.random(), wanted, fused, features)


class Unused(Good):
    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.prototypes = nn.Parameter(torch.ones(3, 8))

    def finish(self, found, wanted, fused, features):
        return super().finish(found + self.prototypes.data.mean(0), wanted, fused, features)


class Biased(Good):
    bias = True


class BiasedHonestly(Good):
    bias = True

    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.null_parameters = ("head.0.bias", *self.null_parameters)


class Modest(Good):
    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.null_parameters = ("head.0.weight", *self.null_parameters)


class Misspelt(Good):
    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.null_parameters = ("heads.0.bias", *self.null_parameters)


class Thawing(Good):
    """The head rests during the first half: frozen, but not for ever."""

    def before_step(self, progress):
        self.frozen = tuple(self.head.parameters()) if progress < 0.5 else ()


class Frozen(Good):
    def before_step(self, progress):
        self.frozen = tuple(self.head.parameters())


class StartsAtZero(Good):
    """The last layer begins at zero and hides what is before it in the first step."""

    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        nn.init.zeros_(self.head[2].weight)
        self.teacher_head = frozen_copy(self.head)


class Still(Good):
    def after_step(self, progress):
        return {"momentum": 0.9}


class Silent(Good):
    def after_step(self, progress):
        super().after_step(progress)
        return {}


class Stranger(Good):
    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        for value in (*self.teacher_backbone.parameters(), *self.teacher_head.parameters()):
            value.data.add_(1.0)


class Stopped(Good):
    def after_step(self, progress):
        return {"momentum": 1.0}


class Ungrouped(Good):
    def parameter_groups(self):
        return [ParameterGroup(list(self.backbone.parameters()))]


class Twice(Good):
    def parameter_groups(self):
        return [*super().parameter_groups(), ParameterGroup(list(self.head.parameters()))]


class OthersEncoder(Good):
    @property
    def encoder(self):
        return frozen_copy(self.backbone)


class BareEncoder(Good):
    @property
    def encoder(self):
        return self.backbone.model


class Untrained(Good):
    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.first = frozen_copy(backbone)

    @property
    def encoder(self):
        return self.first


class Remembers(Good):
    steps = 0

    def finish(self, found, wanted, fused, features):
        return super().finish(found + self.steps, wanted, fused, features)

    def after_step(self, progress):
        self.steps += 1
        return super().after_step(progress)


class Noise(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return rows * torch.rand(len(rows), 1, 1, dtype=rows.dtype) if rows.ndim == 3 else rows


class DrawsAlone(Good):
    """A layer of the encoder draws for the rows that it sees."""

    def __init__(self, options: Plain, backbone: Backbone, fusion: Fusion | None) -> None:
        super().__init__(options, backbone, fusion)
        backbone.model.pos_drop = Noise()


class LocalNorm(Good):
    norm = nn.BatchNorm1d


class LocalRows(Good):
    def finish(self, found, wanted, fused, features):
        loss = super().finish(found, wanted, fused, features)
        return loss._replace(total=loss.total + torch.logsumexp(found @ found.T, 1).mean())


class FailsOnTwo(Good):
    def finish(self, found, wanted, fused, features):
        if len(found) == 16 // 2:
            raise ValueError("eight rows are not enough")
        return super().finish(found, wanted, fused, features)


class Viewless(Good):
    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.views = ()


class OddViews(Good):
    size, scale, names = 20, (0.2, 1.0), ("first", "second")

    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.views = [ViewGroup(name, 1, self.size, self.scale) for name in self.names]


class WideViews(OddViews):
    size, scale = 16, (0.5, 1.5)


class SameViews(OddViews):
    size, names = 16, ("first", "first")


class DictViews(Good):
    def __init__(self, options, backbone, fusion):
        super().__init__(options, backbone, fusion)
        self.views = [{"name": "first"}]


class OneCrop(Good):
    """The same crop on both sides, mirrored for the teacher, which begins as a copy."""

    def training_loss(self, batch, progress):
        views = dict(batch.views)
        views["second"] = views["first"].flip(-1)
        return super().training_loss(replace(batch, views=views), progress)


class LiveTeacher(Good):
    """What the teacher gives is no constant to autograd."""

    def training_loss(self, batch, progress):
        fused = apply_fusion(self.fusion, self.backbone(batch.views["first"]), batch)
        features = self.teacher_backbone(batch.views["second"]).pooled
        with full_precision(self.head(fused.features), self.teacher_head(features)) as (found, wanted):
            return self.finish(found, wanted, fused, features.detach())


class OwnTarget(Good):
    """The trained backbone in the teacher's place."""

    def training_loss(self, batch, progress):
        fused = apply_fusion(self.fusion, self.backbone(batch.views["first"]), batch)
        features = self.backbone(batch.views["second"]).pooled
        with full_precision(self.head(fused.features), self.teacher_head(features)) as (found, wanted):
            return self.finish(found, wanted, fused, features.detach())


class Siamese(BaseMethod):
    """Each crop predicts the other one's projection, which is held fixed."""

    detaches = True

    def __init__(self, options, backbone, fusion):
        super().__init__()
        self.backbone, self.fusion = backbone, fusion
        self.head = nn.Sequential(nn.Linear(backbone.dim, 8, bias=False), BatchNorm(8, affine=False))
        self.null_parameters = cancelled_offsets(backbone, fusion)
        self.views = [ViewGroup("pair", 2, backbone.image_size, (0.2, 1.0))]

    @property
    def encoder(self):
        return self.backbone

    def target(self, rows):
        return rows.detach()

    def training_loss(self, batch, progress):
        fused = apply_fusion(self.fusion, self.backbone(batch.views["pair"]), batch)
        with full_precision(self.head(fused.features)) as (rows,):
            first, second = rows.chunk(2)
            total = (first - self.target(second) - 1).square().mean() + (second - self.target(first) - 1).abs().mean()
        return Loss(*joined_losses(total, fused.losses), features=fused.features.detach())


class LiveSiamese(Siamese):
    def target(self, rows):
        return rows


class QuietSiamese(Siamese):
    detaches = False


class Rescaled(Good):
    """Changes parameters in place before every step, as a weight normalisation does."""

    def before_step(self, progress):
        with torch.no_grad():
            self.head[2].weight.div_(self.head[2].weight.norm() / 3)
