"""Evaluation protocols on every encoder of a run: embed, score, keep, measure, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ssl_bench.contracts import Backbone, EvalContext, Metric, Predictions, Split
from ssl_bench.data.cohort import SPLITS
from ssl_bench.data.material import Material
from ssl_bench.evaluate.embed import embed
from ssl_bench.parts import Chosen
from ssl_bench.plan import Plan
from ssl_bench.results.rows import (
    Origin,
    Scored,
    check_scores,
    difference_rows,
    metric_rows,
    plain_row,
    prediction_table,
)
from ssl_bench.results.rundir import RunDirectory

TRAINED, RANDOM = "trained", "random"
"""The encoders of a run's table: as pretrained, and as initialised."""


def evaluate(
    plan: Plan, run: RunDirectory, encoders: Mapping[str, Backbone], material: Material, stage: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metric rows of every encoder and protocol, and the differences of the trained encoder to the random one."""
    labels, replicates = material.cohort.labels, plan.config.evaluate.replicates
    rows: list[dict[str, Any]] = []
    scored: dict[tuple[str, str, str], Scored] = {}
    for encoder, network in encoders.items():
        stage(f"evaluating the {encoder} encoder: {', '.join(plan.config.evaluate.protocols)}")
        context = embedded(plan, run, encoder, network, material)
        for chosen in plan.parts.evaluators:
            origin = Origin(encoder, material.cohort.name, material.cohort.name, chosen.name, plan.config.seed)
            for item in _results(chosen, origin, context):
                if isinstance(item, Scored):
                    keep_predictions(run, item, labels)
                    rows += metric_rows(item, labels, replicates)
                    scored[encoder, chosen.name, item.predictions.split] = item
                else:
                    rows.append(item)
    comparisons: list[dict[str, Any]] = []
    for (encoder, protocol, split), first in scored.items():
        second = scored.get((RANDOM, protocol, split))
        if encoder == TRAINED and second:
            comparisons += difference_rows(first, second, labels, replicates)
    return rows, comparisons


def embedded(plan: Plan, run: RunDirectory, name: str, network: Backbone, material: Material) -> EvalContext:
    """Embeddings of every split by one encoder, kept in the run directory, as protocols see them."""
    splits = {}
    for split in SPLITS:
        chosen = (material.cohort.frame["split"] == split).to_numpy()
        frame = material.cohort.frame[chosen]
        features = embed(
            network, material.source, material.rows[chosen], material.grey,
            batch_size=plan.config.evaluate.batch_size,
        )  # fmt: skip
        splits[split] = Split(
            split,
            frame["image_id"].to_numpy(dtype=str),
            frame["patient_id"].to_numpy(dtype=str),
            features,
            frame[list(material.cohort.labels)].to_numpy(dtype=np.float32),
            material.rows[chosen],
        )
        arrays = {"image_id": splits[split].image_ids, "patient_id": splits[split].patient_ids, "embeddings": features}
        run.write_embeddings(name, f"{material.cohort.name}-{split}", arrays)
    device = str(material.source.device)
    return EvalContext(splits, material.cohort.labels, network, device, plan.config.seed)


def _results(chosen: Chosen, origin: Origin, context: EvalContext) -> Iterator[Scored | dict[str, Any]]:
    """What one protocol yields, predictions checked and direct metrics as rows."""
    for item in chosen.build().evaluate(context):
        if isinstance(item, Predictions):
            scored = Scored(origin, context.splits[item.split], item)
            check_scores(scored, tuple(context.labels))
            yield scored
        elif isinstance(item, Metric):
            yield plain_row(origin, context.splits[item.split], item)


def keep_predictions(run: RunDirectory, scored: Scored, labels: tuple[str, ...]) -> None:
    """Keep per-image predictions with patients, so that no number has to be believed."""
    origin, predictions = scored.origin, scored.predictions
    rest = {"settings": dict(predictions.settings), "fraction": predictions.fraction, "draw": predictions.draw}
    name = f"{origin.dataset}-{predictions.split}-{origin.protocol}"
    run.write_predictions(origin.encoder, name, rest, prediction_table(scored, labels))
