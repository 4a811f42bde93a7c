"""Leakage: how well age, sex and view can be read from frozen features in a straight line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score

from ssl_bench.data.subsets import restricted
from ssl_bench.evaluate.probe import fit_logistic, predict_logits, standardiser
from ssl_bench.plugin.contracts import HELD_OUT, EvalContext, MetricValue, Split
from ssl_bench.stats.groups import known
from ssl_bench.stats.intervals import Interval, measure
from sslbench_evaluators.choose import best_by_validation
from sslbench_evaluators.options import LeakageOptions

Array = npt.NDArray[Any]

AGE_METRICS = ("r2", "mae_years")


class Leakage:
    """Ridge regression of the age, logistic regression of sex and view; validation chooses each one's strength."""

    def __init__(self, options: LeakageOptions) -> None:
        self.options = options

    def evaluate(self, context: EvalContext) -> Iterator[MetricValue]:
        """R2 and mean absolute error of the age, AUROC of every sex and view, all on the test split."""
        yield from age_metrics(with_known(context, "age"), self.options.strengths)
        for name in ("sex", "view"):
            splits = with_known(context, name)
            yield from category_metrics(name, splits, context.device, context.seed, self.options)


def with_known(context: EvalContext, name: str) -> dict[str, Split]:
    """Every split without the images whose attribute is unknown; empty where the data do not have it."""
    result = {}
    for part, split in context.splits.items():
        values = split.ehr.get(name, np.full(len(split.embeddings), None))
        numeric = np.issubdtype(values.dtype, np.floating)
        result[part] = restricted(split, ~np.isnan(values) if numeric else known(values))
    return result


def age_metrics(splits: Mapping[str, Split], strengths: Sequence[float]) -> Iterator[MetricValue]:
    """R2 and mean absolute error in years; validation R2 chooses the strength."""
    lacking = [name for name, split in splits.items() if len(set(split.ehr.get("age", ()))) < 2]
    if lacking:
        note = f"fewer than 2 ages in {', '.join(lacking)}"
        yield from (MetricValue("test", "age", name, None, note) for name in AGE_METRICS)
        return
    train = splits["train"]
    mean, deviation = (part.numpy() for part in standardiser(torch.tensor(train.embeddings)))
    # double precision: weak penalties leave nearly collinear features ill-conditioned in single
    features = {name: (split.embeddings.astype(np.float64) - mean) / deviation for name, split in splits.items()}
    fits = [Ridge(1 / strength).fit(features["train"], train.ehr["age"]) for strength in strengths]
    fit = max(fits, key=lambda fit: float(r2_score(splits["validate"].ehr["age"], fit.predict(features["validate"]))))
    truth, predicted = splits["test"].ehr["age"], fit.predict(features["test"])
    numbers = r2_score(truth, predicted), mean_absolute_error(truth, predicted)
    for name, number in zip(AGE_METRICS, numbers, strict=True):
        yield MetricValue("test", "age", name, float(number), f"{len(truth)} images, strength {1 / fit.alpha:g}")


def category_metrics(
    name: str, splits: Mapping[str, Split], device: str, seed: int, options: LeakageOptions
) -> Iterator[MetricValue]:
    """AUROC of each value of a text attribute against the rest, with the interval over patients.

    Of two values the first alone is told: the other's AUROC is the same.
    """
    values = sorted(set(splits["train"].ehr.get(name, ())))
    if len(values) < 2 or not all(len(splits[part].rows) for part in HELD_OUT):
        note = f"{len(values)} values of {name} in train, expected at least 2, and images in validate and test"
        yield MetricValue("test", name, "auroc", None, note)
        return
    values = values[: 1 if len(values) == 2 else None]
    truth = {part: indicators(split.ehr[name], values) for part, split in splits.items()}
    scores = probe_scores(splits, truth["train"], options.strengths, device)
    chosen = best_by_validation(scores["validate"], truth["validate"])
    patients = splits["test"].patient_ids
    measured = measure(
        truth["test"], scores["test"][chosen], patients=patients, replicates=options.replicates, seed=seed
    )
    note = f"{len(patients)} images, strength {options.strengths[chosen]:g}"
    for value, interval in zip(values, measured["auroc"].labels, strict=True):
        yield as_metric(f"{name}={value}", interval, note)


def indicators(found: Array, values: Sequence[str]) -> Array:
    """1 where the attribute (N,) has a value, else 0, for each of L values: (N, L)."""
    return np.stack([found == value for value in values], axis=1).astype(np.float32)


def probe_scores(
    splits: Mapping[str, Split], labels: Array, strengths: Sequence[float], device: str
) -> dict[str, Array]:
    """Logits (S, N, L) of both held-out splits at every strength."""
    features = torch.tensor(splits["train"].embeddings, device=device)
    mean, deviation = standardiser(features)
    weights, bias = fit_logistic((features - mean) / deviation, torch.tensor(labels, device=device), strengths)
    scores = {}
    for part in HELD_OUT:
        held_out = torch.tensor(splits[part].embeddings, device=device)
        scores[part] = predict_logits((held_out - mean) / deviation, weights, bias).cpu().numpy()
    return scores


def as_metric(label: str, interval: Interval, note: str) -> MetricValue:
    """An AUROC with its interval."""
    ends = interval.low, interval.high, interval.percentile_low, interval.percentile_high
    told = "; ".join(part for part in (interval.note, note) if part)
    return MetricValue("test", label, "auroc", interval.value, told, *ends)
