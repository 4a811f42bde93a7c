"""Weighted nearest neighbours: what distances between frozen features say, with nothing fitted."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ssl_bench.evaluate.neighbours import knn_scores
from ssl_bench.evaluate.streamed import mean_of
from ssl_bench.plugin.contracts import EvalContext, Predictions
from sslbench_evaluators.choose import best_by_validation, has_both_classes
from sslbench_evaluators.options import KnnOptions


class Knn:
    """Weighted k nearest neighbours by cosine; validation macro AUROC chooses k."""

    def __init__(self, options: KnnOptions) -> None:
        self.options = options

    def evaluate(self, context: EvalContext) -> Iterator[Predictions]:
        """Score every held-out split against the training split."""
        train = context.splits["train"]
        labels = torch.tensor(train.labels, device=context.device)
        centre = mean_of(train.embeddings, context.device) if self.options.centre else None
        counts = sorted({min(count, len(labels)) for count in self.options.neighbours})
        scores = {}
        for name, split in context.held_out().items():
            near = knn_scores(
                train.embeddings, labels, split.embeddings, counts, self.options.temperature, centre=centre
            )
            scores[name] = torch.where(has_both_classes(labels), near, torch.nan).cpu().numpy()
        chosen = best_by_validation(scores["validate"], context.splits["validate"].labels)
        for name, of_split in scores.items():
            yield Predictions(name, of_split[chosen], probabilities=True, settings={"k": counts[chosen]})
