"""Weighted nearest neighbours: what distances between frozen features say, with nothing fitted."""

from __future__ import annotations

from collections.abc import Iterator

from ssl_bench.evaluate.neighbours import knn_scores

from ssl_bench.contracts import EvalContext, Predictions
from sslbench_evaluators.choose import HELD_OUT, best_by_validation
from sslbench_evaluators.options import KnnOptions


class Knn:
    """Weighted k nearest neighbours by cosine; validation macro AUROC chooses k."""

    def __init__(self, options: KnnOptions) -> None:
        self.options = options

    def evaluate(self, context: EvalContext) -> Iterator[Predictions]:
        """Score both held-out splits against the training split."""
        train = context.splits["train"]
        counts = [min(count, len(train.labels)) for count in self.options.neighbours]
        scores = {
            name: knn_scores(
                train.embeddings,
                train.labels,
                context.splits[name].embeddings,
                k=counts,
                temperature=self.options.temperature,
            )
            for name in HELD_OUT
        }
        chosen = best_by_validation(scores["validate"], context.splits["validate"].labels)
        for name, of_split in scores.items():
            yield Predictions(name, of_split[chosen], probabilities=True, settings={"k": counts[chosen]})
