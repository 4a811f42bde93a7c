"""Evaluation protocols on every encoder of a run: embed, score, keep, measure, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from ssl_bench.contracts import Backbone, EvalContext, Metric, Predictions, Split
from ssl_bench.data.cohort import SPLITS
from ssl_bench.data.features import encode
from ssl_bench.data.material import Material
from ssl_bench.data.views import whole_view
from ssl_bench.evaluate.embed import embed
from ssl_bench.evaluate.subsets import Subset, subsets
from ssl_bench.parts import Chosen
from ssl_bench.plan import Plan
from ssl_bench.results.rows import (
    Origin,
    Scored,
    as_table,
    check_scores,
    difference_rows,
    metric_rows,
    plain_row,
    prediction_frame,
)
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.subgroups import calibration_rows, subgroup_rows

TRAINED, RANDOM = "trained", "random"
"""The encoders of a run's table: as pretrained, and as initialised."""


def evaluate(
    plan: Plan,
    run: RunDirectory,
    encoders: Mapping[str, Backbone],
    material: Material,
    stage: Callable[[str], None],
    *,
    reuse: bool = False,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metric rows of every encoder and protocol, and the differences of the trained encoder to the random one.

    Args:
        plan: names protocols and label fractions.
        run: where embeddings and predictions are kept.
        encoders: by their name in the table.
        material: prepared images and cohort.
        stage: told which encoder is evaluated.
        reuse: take the embeddings that the run directory holds.
    """
    labels, settings = material.cohort.labels, plan.config.evaluate
    rows: list[dict[str, Any]] = []
    scored: dict[tuple[Any, ...], Scored] = {}
    for encoder, network in encoders.items():
        stage(f"evaluating the {encoder} encoder: {', '.join(settings.protocols)}")
        whole = embedded(plan, run, encoder, network, material, reuse=reuse)
        for subset in subsets(whole, settings.label_fractions, settings.label_draws):
            for chosen in plan.parts.evaluators:
                origin = Origin(encoder, material.cohort.name, material.cohort.name, chosen.name, plan.config.seed)
                for item in _results(chosen, origin, subset):
                    if isinstance(item, Scored):
                        keep_predictions(run, item, labels)
                        rows += metric_rows(item, labels, settings.replicates)
                        if item.split.name == "test" and subset.fraction == 1.0:
                            rows += calibration_rows(item, labels)
                            rows += subgroup_rows(item, labels, settings.replicates)
                        scored[encoder, chosen.name, item.split.name, subset.fraction, subset.draw] = item
                    else:
                        rows.append(item)
    return rows, _differences(scored, labels, settings.replicates)


def _differences(
    scored: Mapping[tuple[Any, ...], Scored], labels: tuple[str, ...], replicates: int
) -> list[dict[str, Any]]:
    """Trained minus random, protocol by protocol on the same training patients."""
    rows: list[dict[str, Any]] = []
    for (encoder, *key), first in scored.items():
        second = scored.get((RANDOM, *key))
        if encoder == TRAINED and second:
            rows += difference_rows(first, second, labels, replicates)
    return rows


def embedded(
    plan: Plan, run: RunDirectory, name: str, network: Backbone, material: Material, *, reuse: bool = False
) -> EvalContext:
    """Embeddings of every split by one encoder, kept in the run directory, as protocols see them."""
    splits = {}
    for split in SPLITS:
        chosen = (material.cohort.frame["split"] == split).to_numpy()
        frame = material.cohort.frame[chosen]
        images = frame["image_id"].to_numpy(dtype=str)
        kept = run.read_embeddings(name, f"{material.cohort.name}-{split}", images) if reuse else None
        features = kept if kept is not None else embed(
            network, material.source, material.rows[chosen], material.grey,
            batch_size=plan.config.evaluate.batch_size, names=images,
        )  # fmt: skip
        splits[split] = Split(
            split,
            images,
            frame["patient_id"].to_numpy(dtype=str),
            features,
            frame[list(material.cohort.labels)].to_numpy(dtype=np.float32),
            material.rows[chosen],
            raw_ehr(frame[list(material.cohort.features)]),
            *(encode(frame, plan.schema) if plan.schema.features else ()),
        )
        if kept is not None:
            continue
        arrays = {"image_id": splits[split].image_ids, "patient_id": splits[split].patient_ids, "embeddings": features}
        run.write_embeddings(name, f"{material.cohort.name}-{split}", arrays)
    device = str(material.source.device)
    black = -material.grey.mean / material.grey.std
    views = partial(whole_images, material, network)
    joins = plan.parts.joins
    fusion = partial(joins.build, network.dim, plan.schema) if joins else None
    return EvalContext(splits, material.cohort.labels, network, device, plan.config.seed, views, black, fusion)


def whole_images(material: Material, network: Backbone, rows: npt.NDArray[Any]) -> Tensor:
    """The views ``(B, 1, H, W)`` of some store rows, as they are embedded."""
    grey = material.grey
    return whole_view(material.source.read(rows), network.image_size, mean=grey.mean, std=grey.std)


def raw_ehr(frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """EHR features as :class:`Split` holds them: the age as numbers with NaN, text with None."""
    return {
        str(name): column.to_numpy(dtype=np.float64, na_value=np.nan)
        if name == "age"
        else column.astype(object).where(column.notna(), None).to_numpy()
        for name, column in frame.items()
    }


def _results(chosen: Chosen, origin: Origin, subset: Subset) -> Iterator[Scored | dict[str, Any]]:
    """What one protocol yields, predictions checked and direct metrics as rows."""
    context = subset.context
    for item in chosen.build().evaluate(context):
        if isinstance(item, Predictions):
            predictions = replace(item, fraction=subset.fraction, draw=subset.draw)
            scored = Scored(origin, context.splits[item.split], predictions)
            check_scores(scored, tuple(context.labels))
            yield scored
        elif isinstance(item, Metric):
            row = plain_row(origin, context.splits[item.split], item)
            yield {**row, "fraction": subset.fraction, "draw": subset.draw}


def keep_predictions(run: RunDirectory, scored: Scored, labels: tuple[str, ...]) -> None:
    """Keep per-image predictions with patients, so that no number has to be believed."""
    origin, predictions = scored.origin, scored.predictions
    rest = {"settings": dict(predictions.settings), "fraction": predictions.fraction, "draw": predictions.draw}
    name = f"{origin.dataset}-{predictions.split}-{origin.protocol}"
    run.write_predictions(origin.encoder, name, rest, prediction_frame(as_table(scored, labels)))
