"""The linear probe: what a frozen encoder's features say in a straight line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ssl_bench.evaluate.probe import fit_rows, predict_logits
from ssl_bench.evaluate.streamed import Standardised
from ssl_bench.plugin.contracts import EvalContext, Predictions, Split
from ssl_bench.stats.logits import probabilities
from sslbench_evaluators.choose import best_by_validation, has_both_classes
from sslbench_evaluators.options import LinearOptions

Floats = npt.NDArray[np.floating[Any]]


class Linear:
    """Joint logistic regression of all labels at all strengths; validation macro AUROC chooses one strength."""

    def __init__(self, options: LinearOptions) -> None:
        self.options = options

    def features(self, split: Split) -> Floats:
        """What a straight line is laid through, ``(N, D)``."""
        return split.embeddings

    def evaluate(self, context: EvalContext) -> Iterator[Predictions]:
        """Fit on train, choose on validate, predict every held-out split once."""
        train = context.splits["train"]
        rows = Standardised(self.features(train), context.device)
        labels = torch.tensor(train.labels, device=context.device)
        weights, bias = fit_rows(rows, labels, self.options.strengths)
        scores = {}
        for name, split in context.held_out().items():
            parts = rows.like(self.features(split)).blocks()
            logits = torch.cat([predict_logits(block, weights, bias) for _, block in parts], dim=1)
            logits = torch.where(has_both_classes(labels), logits, torch.nan)
            scores[name] = probabilities(logits.cpu().numpy())
        chosen = best_by_validation(scores["validate"], context.splits["validate"].labels)
        settings = {"strength": self.options.strengths[chosen]}
        for name, of_split in scores.items():
            yield Predictions(name, of_split[chosen], probabilities=True, settings=settings)
