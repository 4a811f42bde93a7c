"""EHR downstream: beside frozen features, fused while fine-tuning, and alone, which says what it explains by itself."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import Backbone, EvalContext, Fusion, Split
from ssl_bench.plugin.methods import reads_tokens
from ssl_bench.seeds import derive
from sslbench_evaluators.finetune import Finetune
from sslbench_evaluators.heads import Classifier
from sslbench_evaluators.linear import Linear

Array = npt.NDArray[Any]


class LinearEhr(Linear):
    """The linear probe on the embedding with the EHR vector beside it."""

    def features(self, split: Split) -> Array:
        """``(N, D + 2 F)``: embedding, EHR values, and which are missing."""
        return np.concatenate([split.embeddings, ehr_columns(split)], axis=1)


class EhrOnly(Linear):
    """The linear probe on the EHR vector alone, the same for every encoder."""

    def features(self, split: Split) -> Array:
        """``(N, 2 F)``: EHR values, and which are missing."""
        return ehr_columns(split)


class FinetuneEhr(Finetune):
    """Fine-tuning with a fresh fusion, of the kind of the run's, between the encoder and the head."""

    def network(self, encoder: Backbone, context: EvalContext) -> Classifier:
        """The encoder with a fusion and a head on it.

        Raises:
            UsageError: the run has no fusion that joins EHR features.
        """
        if context.fusion is None:
            raise UsageError("fine-tuning with EHR needs a fusion that joins features; add --features and --fusion")
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(derive(context.seed, "finetune-ehr", "fusion"))
            fusion = context.fusion()
        return FusedClassifier(encoder, fusion, len(context.labels), seed=context.seed)


class FusedClassifier(Classifier):
    """A linear layer on fused features; encoder and fusion are trained with it.

    Args:
        encoder: trained.
        fusion: of its features with EHR rows.
        labels: number of findings L.
        seed: of the head's first weights.
    """

    def __init__(self, encoder: Backbone, fusion: Fusion, labels: int, *, seed: int) -> None:
        super().__init__(encoder, labels, frozen=False, seed=seed, width=fusion.out_dim)
        self.fusion = cast("nn.Module", fusion)

    def beside(self, split: Split, chosen: Array) -> tuple[Tensor, ...]:
        """EHR values and what of them is present, ``(B, F)`` each."""
        tables = ehr_tables(split)
        return tuple(torch.tensor(table[chosen], device=self.head.weight.device) for table in tables)

    def forward(self, images: Tensor, *ehr: Tensor) -> Tensor:
        """Logits (B, L) of images (B, 1, H, W) with their EHR values and mask (B, F)."""
        fusion = cast("Fusion", self.fusion)
        fused = fusion.fuse(self.encoder(images, tokens=reads_tokens(fusion)), *ehr)
        return cast("Tensor", self.head(fused.features))


def ehr_tables(split: Split) -> tuple[Array, Array]:
    """EHR values and what of them is present, ``(N, F)`` float32 each.

    Raises:
        UsageError: the run has no EHR features.
    """
    if split.ehr_values is None or split.ehr_present is None:
        raise UsageError("this protocol reads EHR features, and the run has none; add --features, for example age,sex")
    return split.ehr_values.astype(np.float32), split.ehr_present.astype(np.float32)


def ehr_columns(split: Split) -> Array:
    """``(N, 2 F)``: EHR values, and 1 where one is missing."""
    values, present = ehr_tables(split)
    return np.concatenate([values, 1 - present], axis=1)
