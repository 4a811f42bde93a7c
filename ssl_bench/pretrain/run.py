"""Pretraining of a plan: stream of batches, resume, training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from ssl_bench.contracts import Method
from ssl_bench.data.features import encode
from ssl_bench.data.material import Material, pretraining_positions
from ssl_bench.data.source import BatchStream
from ssl_bench.errors import UsageError, shortened
from ssl_bench.plan import Plan
from ssl_bench.pretrain import checkpoint as checkpoints
from ssl_bench.pretrain.checkpoint import Checkpoint
from ssl_bench.pretrain.loop import Reporter, Summary, Trainer
from ssl_bench.results.rundir import RunDirectory


def pretrain(
    plan: Plan,
    run: RunDirectory,
    method: Method,
    material: Material,
    fabric: Fabric,
    reporter: Reporter,
    *,
    resume: bool = False,
    allow_inexact: bool = False,
) -> Summary:
    """Train the method, from the last whole checkpoint where the run is resumed.

    Args:
        plan: of the run.
        run: its folder.
        method: untrained.
        material: prepared images and cohort.
        fabric: device and precision.
        reporter: told about steps.
        resume: go on from a checkpoint.
        allow_inexact: resume under conditions that give other bits (another thread count, other packages).

    Raises:
        UsageError: the checkpoint belongs to another run, or to other conditions.
    """
    start = last_checkpoint(plan, run, reporter, allow_inexact=allow_inexact) if resume else None
    trainer = Trainer(
        method,
        batch_stream(plan, method, material),
        plan.config.pretrain,
        fabric,
        run.checkpoints,
        reporter,
        seed=plan.config.seed,
        identity=plan.identity(),
    )
    return trainer.run(start)


def batch_stream(plan: Plan, method: Method, material: Material) -> BatchStream:
    """Training batches of a plan."""
    positions = pretraining_positions(plan, material.cohort)
    frame = material.cohort.frame.iloc[positions]
    encoded = encode(frame, plan.schema)
    labels = frame[list(material.cohort.labels)].to_numpy(dtype=np.float32)
    return BatchStream(
        material.source,
        material.rows[positions],
        (encoded.values, encoded.present, labels),
        method.views,
        material.grey,
        batch_size=plan.config.pretrain.batch_size,
        seed=plan.config.seed,
        image_ids=frame["image_id"].tolist(),
    )


def last_checkpoint(plan: Plan, run: RunDirectory, reporter: Reporter, *, allow_inexact: bool) -> Checkpoint | None:
    """The newest whole checkpoint of a run, checked against the plan; the log is cut back to it.

    Raises:
        UsageError: it belongs to another run, or to other conditions.
        DataError: every checkpoint is damaged.
    """
    found, refused = checkpoints.load_latest(run.checkpoints)
    for reason in refused:
        reporter.warn(f"checkpoint refused, using the one before it: {reason}")
    run.forget_log_after(found.step if found else 0)
    if found is None:
        return None
    here = {"identity": _unchangeable(plan.identity()), "conditions": checkpoints.conditions()}
    kept = {"identity": _unchangeable(found.meta["identity"]), "conditions": found.meta["conditions"]}
    if here["identity"] != kept["identity"]:
        raise UsageError(
            f"{run.path} was started with other data splits or plugin versions; install those it names in "
            f"{run.checkpoints}, or start a new run"
        )
    other = [f"{key} {kept['conditions'].get(key)} -> {value}" for key, value in here["conditions"].items()
             if kept["conditions"].get(key) != value]  # fmt: skip
    if other and not allow_inexact:
        raise UsageError(
            f"resuming here would not give the same bits ({shortened(other)}); restore these conditions or add "
            "--allow-inexact-resume"
        )
    if other:
        reporter.warn(f"resumed under other conditions, results differ in the last bits: {shortened(other)}")
    return found


def _unchangeable(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Splits and component versions; the configuration is compared where the flags are read."""
    return {key: value for key, value in identity.items() if key != "config"}
