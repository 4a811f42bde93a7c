"""A fusion that keeps the contract, and what becomes of it when one thing is wrong."""

from __future__ import annotations

import random

import torch
from sample_options import Plain
from torch import nn

from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema


class Good(nn.Module):
    """The sum of the image feature and embedded EHR features, behind a gate that starts closed; one loss of its own."""

    def __init__(self, options: Plain, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.out_dim = dim
        self.embed = nn.Linear(len(schema), dim)
        self.gate = nn.Parameter(torch.zeros(dim))

    def fuse(self, encoding, ehr, present):
        embedded = self.embed(ehr * present)
        return Fused(encoding.pooled + self.gate * embedded, {"size": embedded.square().mean()})


class Attending(Good):
    """Reads the tokens, as it declares."""

    def fuse(self, encoding, ehr, present):
        weights = torch.softmax(encoding.tokens @ self.embed(ehr * present).unsqueeze(-1), dim=1)
        return Fused(encoding.pooled + (weights * encoding.tokens).sum(1) + self.gate)


class Wide(Good):
    def fuse(self, encoding, ehr, present):
        return Fused(torch.cat([encoding.pooled, self.gate * self.embed(ehr * present)], dim=1))


class HonestlyWide(Wide):
    def __init__(self, options, dim, schema):
        super().__init__(options, dim, schema)
        self.out_dim = 2 * dim


class Tensors(Good):
    def fuse(self, encoding, ehr, present):
        return super().fuse(encoding, ehr, present).features


class VectorLoss(Good):
    def fuse(self, encoding, ehr, present):
        return Fused(super().fuse(encoding, ehr, present).features, {"rows": encoding.pooled.mean(1)})


class ReadsMissing(Good):
    def fuse(self, encoding, ehr, present):
        return super().fuse(encoding, ehr, torch.ones_like(present))


class ImageOnly(Good):
    def fuse(self, encoding, ehr, present):
        return super().fuse(encoding, ehr * 0, present)


class EhrOnly(Good):
    def fuse(self, encoding, ehr, present):
        return super().fuse(Encoding(encoding.pooled * 0, encoding.tokens), ehr, present)


class Neighbours(Good):
    def fuse(self, encoding, ehr, present):
        return super().fuse(encoding._replace(pooled=encoding.pooled - encoding.pooled.mean(0)), ehr, present)


class Valued(Good):
    def fuse(self, encoding, ehr, present):
        known = ehr[present.bool()]
        return super().fuse(encoding, ehr + 0 * known.sum(), present)


class Unseeded(Good):
    def fuse(self, encoding, ehr, present):
        return super().fuse(encoding._replace(pooled=encoding.pooled + random.random()), ehr, present)


class Unused(Good):
    def __init__(self, options, dim, schema):
        super().__init__(options, dim, schema)
        self.absence = nn.Parameter(torch.zeros(len(schema)))


class Null(Good):
    """The bias of the keys shifts all scores of a softmax alike."""

    def __init__(self, options, dim, schema):
        super().__init__(options, dim, schema)
        self.keys = nn.Linear(dim, 1)

    def fuse(self, encoding, ehr, present):
        weights = torch.softmax(self.keys(encoding.tokens), dim=1)
        return super().fuse(encoding._replace(pooled=(weights * encoding.tokens).sum(1)), ehr, present)


class HonestlyNull(Null):
    null_parameters = ("keys.bias",)


class Remembers(Good):
    steps = 0

    def fuse(self, encoding, ehr, present):
        self.steps += self.training
        return super().fuse(encoding._replace(pooled=encoding.pooled + self.steps), ehr, present)


class Overflows(Good):
    def fuse(self, encoding, ehr, present):
        return Fused(
            super().fuse(encoding, ehr, present).features + (self.embed(ehr * present) * 0 + 60).exp().exp() * 0
        )
