"""What a sweep costs: step times of finished cells, or measured here on random images."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ssl_bench.build.modules import build_method
from ssl_bench.data.source import BatchStream, ImageSource, PixelStatistics
from ssl_bench.plan.plan import Plan
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import Trainer
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.cells import network

MEASURED, WARM = 2, 1
"""Steps that are timed, after those that are not."""

SMALL = 8
"""Images of a measured step on a CPU; the time of a step grows in proportion to its batch."""


@dataclass(frozen=True)
class Cost:
    """What training a cell costs, its evaluation not counted.

    Args:
        steps: in all.
        step_seconds: of one step.
        source: where that comes from: ``recorded`` or ``measured here``.
    """

    steps: int
    step_seconds: float
    source: str

    @property
    def seconds(self) -> float:
        """Of the whole training."""
        return self.steps * self.step_seconds


def costs(plans: Mapping[str, Plan], folder: Path, private: Path) -> dict[str, Cost]:
    """The cost of every cell; cells that train the same network share one measurement.

    Args:
        plans: by the names of the cells.
        folder: of their runs; finished ones are asked first.
        private: for what the measurement writes.
    """
    known = {network(plan): recorded for name, plan in plans.items()
             if (recorded := recorded_step(RunDirectory(folder / name))) is not None}  # fmt: skip
    found, measured = {}, dict[str, float]()
    for name, plan in plans.items():
        key = network(plan)
        if not plan.steps:
            found[name] = Cost(0, 0.0, "nothing to train")
        elif key in known:
            found[name] = Cost(plan.steps, known[key], "recorded")
        else:
            if key not in measured:
                measured[key] = measure_step(plan, private)
            found[name] = Cost(plan.steps, measured[key], "measured here")
    return found


def recorded_step(run: RunDirectory) -> float | None:
    """Seconds of a step of a finished run."""
    if not run.record.is_file():
        return None
    found = run.read_record().pretraining
    return found.images_seen / found.steps / found.images_per_second if found else None


def measure_step(plan: Plan, private: Path) -> float:
    """Seconds of a training step on this machine, on random images and one process.

    On a CPU a small batch is timed and taken in proportion.
    """
    config = plan.config.pretrain.model_copy(update={"devices": 1, "nodes": 1})
    fabric = build_fabric(config)
    whole = config.batch_size // plan.config.pretrain.processes
    batch = whole if fabric.device.type == "cuda" else min(whole, SMALL)
    config = config.model_copy(update={"batch_size": batch, "epochs": 10 * (WARM + MEASURED)})
    method = build_method(plan)
    trainer = Trainer(method, random_stream(plan, method, fabric.device, batch), config, fabric, private, Silent(),
                      seed=plan.config.seed, identity={})  # fmt: skip
    for step in range(WARM):
        trainer._step(step)
    _wait(fabric.device)
    began = time.monotonic()
    for step in range(WARM, WARM + MEASURED):
        trainer._step(step)
    _wait(fabric.device)
    del trainer
    cast("nn.Module", method).to("cpu")
    return (time.monotonic() - began) / MEASURED * whole / batch


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def random_stream(plan: Plan, method: Any, device: torch.device, batch: int) -> BatchStream:
    """Batches of noise with the shapes of a plan."""
    rng = np.random.default_rng(0)
    size, columns, labels = plan.config.data.size, len(plan.schema), len(plan.cohort.labels)
    images = rng.integers(0, 256, (batch, size, size), dtype=np.uint8)
    tables = (rng.random((batch, columns)), np.ones((batch, columns)), rng.integers(0, 2, (batch, labels)))
    source, grey = ImageSource(images, device, "ram"), PixelStatistics(0.5, 0.25)
    return BatchStream(source, np.arange(batch), tables, method.views, grey, batch_size=batch, seed=plan.config.seed)


class Silent:
    """A reporter of nothing."""

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        """Nothing."""

    def warn(self, sentence: str) -> None:
        """Nothing."""
