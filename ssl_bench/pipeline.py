"""The flow of a run on one screen: prepare, pretrain, export, evaluate, record."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import pandas as pd

from ssl_bench.build.estimate import estimate
from ssl_bench.build.modules import build_method
from ssl_bench.build.prepared import PreparedData, PreparedExternal, prepare_data, prepare_external
from ssl_bench.build.size import Estimate
from ssl_bench.data.imagecontent import content_hashes
from ssl_bench.data.joined import DATASET
from ssl_bench.distributed import is_first, largest, rank_zero_first, shutdown, world_size
from ssl_bench.evaluate.baselines import baselines
from ssl_bench.evaluate.constant import constant_encoders, frozen, meaningful, without_claim
from ssl_bench.evaluate.edges import edge_notes
from ssl_bench.evaluate.online import online_probe
from ssl_bench.evaluate.protocols import TRAINED, embed_together, evaluate
from ssl_bench.files import write_json
from ssl_bench.numbers import counted
from ssl_bench.plan.plan import Plan
from ssl_bench.plugin.cohort import IDENTIFIERS, Cohort
from ssl_bench.pretrain.device import build_fabric, peak_bytes
from ssl_bench.pretrain.health import health_notes
from ssl_bench.pretrain.loop import ProgressReporter
from ssl_bench.pretrain.run import last_checkpoint, pretrain
from ssl_bench.results.describe import describe, image_notes
from ssl_bench.results.encoder_card import footprint
from ssl_bench.results.environment import environment
from ssl_bench.results.export import export_encoder
from ssl_bench.results.identity import identities
from ssl_bench.results.ledger import planned, write_patients
from ssl_bench.results.record import Cost, Environment, Footprint, Pretraining, Record
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.sameness import check_resumed, content_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

    from ssl_bench.plugin.contracts import Backbone


def execute(
    plan: Plan,
    run: RunDirectory,
    reporter: ProgressReporter,
    *,
    resume: bool = False,
    allow_inexact: bool = False,
    fabric: Fabric | None = None,
    size: Estimate | None = None,
) -> Record | None:
    """Run a plan to its record.

    Several processes train and embed together; then the first one goes on alone.

    Args:
        plan: checked.
        run: its folder, claimed by the caller.
        reporter: told what happens.
        resume: go on from the last checkpoint.
        allow_inexact: resume even where the bits will differ.
        fabric: of several processes, launched.
        size: of the plan, where it has been counted before.

    Returns:
        The record, as written to ``record.json``; None on all processes but the first.
    """
    began = time.monotonic()
    fabric = fabric or build_fabric(plan.config.pretrain)
    start = (
        rank_zero_first(lambda: last_checkpoint(plan, run, reporter, allow_inexact=allow_inexact)) if resume else None
    )
    method = build_method(plan)
    reporter.stage(f"preparing {len(plan.cohort):,} images")
    prepared = rank_zero_first(lambda: prepare_data(plan, fabric.device, reporter.prepared))
    externals = rank_zero_first(lambda: prepare_external(plan, prepared, reporter.prepared, reporter.stage))
    for note in image_notes(plan, prepared, externals):
        reporter.warn(note)
    seconds = {"prepare": time.monotonic() - began}
    began_on = start.meta["identity"] if start else None
    content = rank_zero_first(lambda: check_resumed(run, prepared, began_on) if resume else content_of(prepared))
    if is_first():
        if resume:
            run.forget_log_after(start.step if start else 0)
        write_preamble(plan, run, prepared.cohort)
        write_contents(run, content, externals)
    summary, peak, encoders = None, None, baselines(plan, prepared)
    if plan.parts.method.component.trains:
        reporter.stage(f"pretraining {plan.parts.method.name} for {counted(plan.steps, 'step')} on {fabric.device}")
        probed = plan.config.pretrain.probe_every and prepared.cohort.labels
        probe, known = online_probe(prepared) if probed else None, content_hashes(content)
        summary = pretrain(plan, run, method, prepared, fabric, reporter, start=start, content=known, probe=probe)
        peak = largest(peak_bytes(fabric.device), fabric.device)
    if summary or plan.config.backbone.init or plan.parts.encoder:
        encoders = {TRAINED: method.encoder, **encoders}
    evaluating = time.monotonic()
    if together := world_size() > 1:
        speaks = is_first()
        embed_together(plan, run, encoders, prepared, reporter.stage, externals)
        shutdown()
        if not speaks:
            return None
    for path in export_encoder(next(iter(encoders.values())), prepared.grey, run.encoder):
        run.remember(path)
    rows, comparisons = evaluate(plan, run, encoders, prepared, reporter.stage, reuse=together, externals=externals)
    where = embedded(prepared, externals)
    collapsed = constant_encoders(run, encoders, where)
    on_features = frozen(plan.parts.evaluators)
    rows, comparisons = without_claim(rows, collapsed, on_features), meaningful(comparisons, collapsed, on_features)
    unhealthy = health_notes(run.log, rows) if summary else []
    for note in (*collapsed, *unhealthy):
        reporter.warn(note)
    seconds |= {"evaluate": time.monotonic() - evaluating, "total": time.monotonic() - began}
    about = describe(plan, prepared, summary, externals)
    edges = edge_notes(rows, about.options_of("evaluator"))
    record = about.but(
        notes=(*about.notes, *edges, *collapsed, *unhealthy), environment=Environment(**environment()),
        cost=cost(plan, size, peak), pretraining=Pretraining(**asdict(summary)) if summary else None, seconds=seconds,
        footprints=footprints(encoders, about.trained_on.images if about.trained_on else None),
        encoders=identities(encoders, run, where), metrics=tuple(rows), comparisons=tuple(comparisons),
    )  # fmt: skip
    run.write_record(record)
    return record


def embedded(prepared: PreparedData, externals: Sequence[PreparedExternal]) -> str:
    """The dataset whose embeddings tell of an encoder: the run's own, or the first other where that has no labels."""
    if prepared.cohort.labels:
        return prepared.cohort.name
    return next(other.external.name for other in externals if other.external.mode == "refit")


def footprints(encoders: Mapping[str, Backbone], images: int | None) -> dict[str, Footprint]:
    """Size and cost of each encoder of a table; the baselines were given no image."""
    return {name: footprint(cast("nn.Module", encoder), images if name == TRAINED else 0)
            for name, encoder in encoders.items()}  # fmt: skip


def cost(plan: Plan, size: Estimate | None = None, peak: int | None = None) -> Cost:
    """Crops of an image, operations and memory of the training, so that rows of a table can be weighed."""
    size = size or estimate(plan)
    crops = sum(group.count for group in size.views) if plan.steps else 0
    return Cost(
        crops_per_image=crops,
        step_flops=size.step_flops,
        flops=size.step_flops * plan.steps,
        encoder_parameters=size.encoder_parameters,
        trainable_parameters=size.trainable_parameters,
        peak_bytes=peak,
    )


def write_contents(run: RunDirectory, content: pd.DataFrame, externals: Sequence[PreparedExternal]) -> None:
    """What every image of the run and of the datasets to test on is, so that a difference can be named later."""
    run.write_content(content)
    for other in externals:
        run.write_content(content_of(other.prepared), f"{other.external.name}-{other.external.mode}")


def write_preamble(plan: Plan, run: RunDirectory, cohort: Cohort) -> None:
    """What a reader needs even of a run that never finished."""
    run.write_config(plan.config.model_dump(mode="json"))
    run.write_split_manifest(plan.manifest)
    write_patients(run, planned(plan))
    write_json(run.path / "environment.json", environment())
    joined = [DATASET] if len(plan.sources) > 1 else []
    identifiers = [*joined, *(column for column in IDENTIFIERS if column != "image_path")]
    run.write_cohort(cohort.frame[[*identifiers, *cohort.features, *cohort.labels]])
