"""A protocol that keeps the contract, and what becomes of it when one thing is wrong."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import numpy as np
import torch
from sample_options import Plain

from ssl_bench.plugin.contracts import EvalContext, MetricValue, Predictions


class Good:
    """Correlation of every embedding column with every label, as weights."""

    def __init__(self, options: Plain) -> None:
        self.options = options

    def evaluate(self, context: EvalContext):
        train = context.splits["train"]
        weights = np.stack([self.weight(train.embeddings, column) for column in train.labels.T])
        for name in ("validate", "test"):
            yield self.finish(Predictions(name, context.splits[name].embeddings @ weights.T), context)
        yield MetricValue("test", "macro", "rows", len(context.splits["test"].labels))

    def weight(self, rows, labels):
        if not (labels == 1).any() or not (labels == 0).any():
            return np.full(rows.shape[1], np.nan)
        return rows[labels == 1].mean(0) - rows[labels == 0].mean(0)

    def finish(self, predictions, context):
        return predictions


class Nothing(Good):
    def evaluate(self, context):
        return []


class Rows(Good):
    def evaluate(self, context):
        yield {"auroc": 1.0}


class StrangeSplit(Good):
    def finish(self, predictions, context):
        return MetricValue("dev", "macro", "auroc", 1.0)


class StrangeLabel(Good):
    def finish(self, predictions, context):
        return MetricValue("test", "", "auroc", 1.0)


class TextMetric(Good):
    def finish(self, predictions, context):
        return MetricValue("test", "macro", "auroc", "high")


class Column(Good):
    def finish(self, predictions, context):
        return replace(predictions, scores=predictions.scores[:, 0])


class Holes(Good):
    def finish(self, predictions, context):
        predictions.scores[3, 1] = np.nan
        return predictions


class Certain(Good):
    def finish(self, predictions, context):
        return replace(predictions, probabilities=True)


class OneSplit(Good):
    def evaluate(self, context):
        yield from [item for item in super().evaluate(context) if item.split == "test"]


class Repeated(Good):
    def evaluate(self, context):
        for _ in range(2):
            yield from super().evaluate(context)


class Shares(Good):
    def finish(self, predictions, context):
        return replace(predictions, fraction=0.5)


class Backwards(Good):
    def finish(self, predictions, context):
        return replace(predictions, scores=-predictions.scores)


class Talks(Good):
    def finish(self, predictions, context):
        sys.stdout.write("half done")
        return predictions


class Unseeded(Good):
    def finish(self, predictions, context):
        return replace(predictions, scores=predictions.scores + random.random())


class Rescales(Good):
    def evaluate(self, context):
        for split in context.splits.values():
            split.embeddings[:] /= 2
        return super().evaluate(context)


class Trains(Good):
    def finish(self, predictions, context):
        for value in context.encoder.parameters():
            value.data.mul_(2)
        return predictions


class Wakes(Good):
    def finish(self, predictions, context):
        context.encoder.train()
        return predictions


class Pictures(Good):
    """Looks at images, as it declares or not."""

    def finish(self, predictions, context):
        views = context.images(context.splits[predictions.split].rows)
        halves = torch.stack([views[:, 0, :16].mean((1, 2)), views[:, 0, 16:].mean((1, 2))], dim=1)
        return replace(predictions, scores=predictions.scores + np.pad(halves.numpy(), ((0, 0), (0, 1))))


class Peeks(Good):
    def finish(self, predictions, context):
        scores = predictions.scores + np.nan_to_num(context.splits[predictions.split].labels)
        return replace(predictions, scores=scores)


class Guesses(Good):
    def weight(self, rows, labels):
        return np.nan_to_num(super().weight(rows, labels))


class GivesUp(Good):
    def finish(self, predictions, context):
        return replace(predictions, scores=predictions.scores + 0 * predictions.scores[:, :1])


class Standardises(Good):
    """Takes mean and deviation of the split it predicts."""

    def evaluate(self, context):
        for item in super().evaluate(context):
            if isinstance(item, Predictions):
                rows = context.splits[item.split].embeddings
                item = replace(item, scores=item.scores - item.scores.mean(0) * np.sign(rows.std()))
            yield item


class TunesScores(Good):
    """A threshold that is best on the test split."""

    def finish(self, predictions, context):
        test = context.splits["test"]
        best = [np.nanmean(scores[labels == 1]) if (labels == 1).any() else 0.0
                for scores, labels in zip((test.embeddings[:, :3]).T, test.labels.T, strict=True)]  # fmt: skip
        return replace(predictions, scores=predictions.scores - np.array(best))


class TunesSettings(TunesScores):
    def finish(self, predictions, context):
        tuned = super().finish(predictions, context)
        return replace(predictions, settings={"threshold": float(predictions.scores[0, 0] - tuned.scores[0, 0])})


class TunesMetrics(Good):
    """Sensitivity at a threshold that is best on the test split."""

    def evaluate(self, context):
        yield from super().evaluate(context)
        test, validate = context.splits["test"], context.splits["validate"]
        threshold = np.nanmean(test.embeddings[test.labels[:, 0] == 1, 0]) if (test.labels[:, 0] == 1).any() else 0.0
        found = validate.embeddings[validate.labels[:, 0] == 1, 0] > threshold
        yield MetricValue("validate", "Effusion", "sensitivity", float(found.mean()))


class TellsThreshold(TunesMetrics):
    def evaluate(self, context):
        *others, _last = super().evaluate(context)
        yield from others
        positive = context.splits["test"].labels[:, 0] == 1
        yield MetricValue("test", "Effusion", "threshold", float(positive.sum()))


class ReadsUnknownAsAbsent(Good):
    def weight(self, rows, labels):
        if not (labels == 1).any() or not (labels == 0).any():
            return np.full(rows.shape[1], np.nan)
        return super().weight(rows, np.nan_to_num(labels))
