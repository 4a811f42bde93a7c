"""Pretraining of a plan: stream of batches, resume, training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from ssl_bench.build.prepared import PreparedData, pretraining_positions
from ssl_bench.config.changeable import refused_changes
from ssl_bench.data.controls import controlled
from ssl_bench.data.exposure import Exposure
from ssl_bench.data.source import BatchStream
from ssl_bench.data.views import whole_view
from ssl_bench.errors import UsageError, shortened
from ssl_bench.numbers import counted
from ssl_bench.plan.plan import Plan
from ssl_bench.plugin.contracts import Method
from ssl_bench.plugin.features import encode
from ssl_bench.plugin.notes import Note, note_of, parts_of
from ssl_bench.pretrain import checkpoint as checkpoints
from ssl_bench.pretrain.checkpoint import Checkpoint
from ssl_bench.pretrain.loop import Probe, Reporter, Trainer
from ssl_bench.pretrain.watch import IMAGES as WATCHED
from ssl_bench.pretrain.watch import Watch
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.training import Summary


def pretrain(
    plan: Plan,
    run: RunDirectory,
    method: Method,
    prepared: PreparedData,
    fabric: Fabric,
    reporter: Reporter,
    *,
    start: Checkpoint | None = None,
    content: Mapping[str, str] | None = None,
    probe: Probe | None = None,
) -> Summary:
    """Train the method, from a checkpoint where the run is resumed.

    Args:
        plan: of the run.
        run: its folder.
        method: untrained.
        prepared: prepared images and cohort.
        fabric: device and precision.
        reporter: told about steps.
        start: what :func:`last_checkpoint` found.
        content: hashes of the data, which a resumed run must find again.
        probe: gives numbers of the evaluated encoder while it is trained.
    """
    changes = [*map(note_of, start.meta["identity"].get("changes", [])), *changed(plan, start)] if start else []
    trainer = Trainer(
        method,
        batch_stream(plan, method, prepared),
        plan.config.pretrain,
        fabric,
        run.checkpoints,
        reporter,
        seed=plan.config.seed,
        identity={**plan.identity(), "content": dict(content or {}), "changes": parts_of(changes)},
        watch=watch(method, prepared),
        probe=probe,
    )
    summary = trainer.run(start)
    return replace(summary, changes=(*changes, *chosen(summary)))


def chosen(summary: Summary) -> list[Note]:
    """A note on the encoder that is evaluated, where it is not the last."""
    if not summary.chosen.get("step"):
        return []
    text = (f"evaluated is the encoder of step {summary.chosen['step']} of {summary.steps}, whose epoch has the lowest "
            f"mean training loss, {summary.chosen['loss']:.4g}")  # fmt: skip
    return [Note("lowest-loss", text, numbers=dict(summary.chosen))]


def watch(method: Method, prepared: PreparedData) -> Watch | None:
    """The evaluated encoder's monitors, on the same validation images for every method; None without such images."""
    rows = np.flatnonzero((prepared.cohort.frame["split"] == "validate").to_numpy())
    if len(rows) < 2:
        return None
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), WATCHED)).astype(np.int64))]
    grey = prepared.grey
    images = prepared.source.read(prepared.rows[chosen])
    return Watch(whole_view(images, method.encoder.image_size, mean=grey.mean, std=grey.std))


def changed(plan: Plan, start: Checkpoint) -> list[Note]:
    """Notes, for the record, on what makes a resumed run another one than a run that was left alone."""
    before, now = start.meta["identity"]["config"]["pretrain"]["epochs"], plan.config.pretrain.epochs
    notes = []
    if before != now:
        text = (f"resumed at step {start.step} for {now} epochs instead of {before}: the schedules before that step "
                f"were those of {before} epochs")  # fmt: skip
        notes.append(Note("resumed-epochs", text, numbers={"step": start.step, "epochs": now, "before": before}))
    if other := _other_conditions(start):
        text = f"resumed at step {start.step} under other conditions, so results are not identical bit for bit"
        notes.append(Note("resumed-elsewhere", text, numbers={"step": start.step}, details=other))
    return notes


def batch_stream(plan: Plan, method: Method, prepared: PreparedData) -> BatchStream:
    """Training batches of a plan."""
    positions = pretraining_positions(plan, prepared.cohort)
    frame = prepared.cohort.frame.iloc[positions]
    ehr, pretrain = plan.config.ehr, plan.config.pretrain
    patients, splits = (frame[name].to_numpy(dtype=str) for name in ("patient_id", "split"))
    real = encode(frame, plan.schema)
    encoded = controlled(real, patients, plan.schema, ehr.control, plan.config.seed, splits=splits)
    steps = pretrain.epochs * (len(positions) // pretrain.batch_size)
    exposure = Exposure(
        plan.schema, plan.config.seed, steps, ehr.dropout, ehr.start, ehr.until, noise=ehr.control == "noise"
    )
    labels = frame[list(prepared.cohort.labels)].to_numpy(dtype=np.float32)
    return BatchStream(
        prepared.source,
        prepared.rows[positions],
        (encoded.values, encoded.present, labels),
        method.views,
        prepared.grey,
        batch_size=pretrain.batch_size,
        seed=plan.config.seed,
        image_ids=frame["image_id"].tolist(),
        exposure=exposure if plan.schema.features else None,
    )


def last_checkpoint(plan: Plan, run: RunDirectory, reporter: Reporter, *, allow_inexact: bool) -> Checkpoint | None:
    """The newest whole checkpoint of a run, checked against the plan.

    Args:
        plan: of the resumed run.
        run: its folder, in which nothing is written where it is refused.
        reporter: told of damaged checkpoints and of what makes the result another one.
        allow_inexact: resume under conditions that give other bits (another thread count, other packages).

    Raises:
        UsageError: it belongs to another run, or to other conditions.
        DataError: every checkpoint is damaged.
    """
    found, refused = checkpoints.load_latest(run.checkpoints)
    for reason in refused:
        reporter.warn(f"checkpoint refused, using the one before it: {reason}")
    if found is None:
        return None
    _check_same_run(plan, run, found)
    if (other := _other_conditions(found)) and not allow_inexact:
        raise UsageError(
            f"resuming here would not be identical bit for bit ({shortened(other)}); restore these conditions or add "
            "--allow-inexact-resume"
        )
    for change in changed(plan, found):
        reporter.warn(change)
    return found


def _check_same_run(plan: Plan, run: RunDirectory, found: Checkpoint) -> None:
    """The checkpoint is of this configuration, these splits and plugins, and not beyond the end."""
    if other := list(refused_changes(found.meta["identity"]["config"], plan.config.model_dump(mode="json"))):
        raise UsageError(
            f"{run.path} was started with another configuration ({shortened(other)}) than its {run.config.name} says "
            "now; restore that file, or start a new run"
        )
    if _unchangeable(plan.identity()) != _unchangeable(found.meta["identity"]):
        raise UsageError(
            f"{run.path} was started with other data splits or plugin versions; install those it names in "
            f"{run.checkpoints}, or start a new run"
        )
    if found.step > plan.steps:
        raise UsageError(
            f"{run.path} has done {counted(found.step, 'step')}, and "
            f"{counted(plan.config.pretrain.epochs, 'epoch is', 'epochs are')} {plan.steps}; give "
            "it more epochs"
        )


def _other_conditions(found: Checkpoint) -> list[str]:
    """What differs here from where the checkpoint was written, among all that decides the last bits."""
    kept, here = found.meta["conditions"], checkpoints.conditions()
    return [f"{key} {kept.get(key)} -> {value}" for key, value in here.items() if kept.get(key) != value]


def _unchangeable(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Splits and the versions of what is trained."""
    trained = [part for part in identity["components"] if part["kind"] not in ("evaluator", "logger")]
    return {"splits": identity["splits"], "components": trained}
