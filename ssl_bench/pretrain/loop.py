"""The training loop: short, ours, on Lightning Fabric for device and precision."""

from __future__ import annotations

import copy
import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from lightning_fabric import Fabric
from torch import nn

from ssl_bench.build.activations import sparing
from ssl_bench.config.config import PretrainConfig
from ssl_bench.data.prefetch import Batches, prefetching
from ssl_bench.data.source import BatchStream
from ssl_bench.distributed import all_reduce_mean, gather_rows, is_first, largest, world_size
from ssl_bench.errors import HandledError, Interrupted, TrainingStopped
from ssl_bench.files import write_json
from ssl_bench.plugin.contracts import Backbone, Batch, Loss, Method
from ssl_bench.pretrain import checkpoint as checkpoints
from ssl_bench.pretrain.compiled import compiled
from ssl_bench.pretrain.device import explained_memory
from ssl_bench.pretrain.lowest import LowestLoss
from ssl_bench.pretrain.monitors import CollapseGuard, observe
from ssl_bench.pretrain.optimizer import build_optimizer, clip_gradients, rates, set_rates
from ssl_bench.pretrain.products import as_products, products_are_faster
from ssl_bench.pretrain.sharding import share_out, shares, wholes
from ssl_bench.pretrain.signals import StopFlag
from ssl_bench.pretrain.watch import Watch
from ssl_bench.results.training import Summary
from ssl_bench.seeds import seed_torch

Probe = Callable[[Backbone], Mapping[str, float]]


class Reporter(Protocol):
    """Where the loop tells what happens: the terminal and the log."""

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        """A logged step with loss, parts, rates and monitors."""

    def warn(self, sentence: str) -> None:
        """Something a person should see that does not stop the run."""


class ProgressReporter(Reporter, Protocol):
    """What the pipeline tells while it works."""

    def stage(self, sentence: str) -> None:
        """A new part of the flow begins."""

    def prepared(self, done: int, total: int) -> None:
        """Images in the store so far."""


class ForwardPass(nn.Module):
    """A method whose ``forward`` is its training loss: what DDP and Fabric's precision wrap.

    The batch is handed over as an attribute, because Fabric would take a frozen dataclass apart to cast its tensors.

    Args:
        method: the method.
        products: attention and patch embeddings as products of matrices.
    """

    def __init__(self, method: Method, *, products: bool = False) -> None:
        super().__init__()
        self.method = method
        self.products = products
        self.batch: Batch | None = None

    def forward(self, progress: float) -> Loss:
        """The loss of the batch."""
        assert self.batch is not None
        with self.kernels():
            return self.method.training_loss(self.batch, progress)

    def kernels(self) -> AbstractContextManager[None]:
        """Layers as they were asked for, also where a backward pass computes activations again."""
        return as_products(self) if self.products else nullcontext()


def joined(loss: Loss) -> Loss:
    """The loss that one process would have had, from those of all: means of the scalars, rows side by side."""
    if world_size() == 1:
        return loss
    scalars = {name: all_reduce_mean(part.detach()) for name, part in loss.parts.items()}
    rows = [None if part is None else gather_rows(part.detach()) for part in (loss.features, loss.probabilities)]
    return Loss(all_reduce_mean(loss.total.detach()), scalars, *rows)


def _worst(seen: Mapping[str, float], watched: Mapping[str, float]) -> dict[str, float]:
    """Of what the method shows and what its evaluated encoder gives, the smaller spread; ranks of the latter alone."""
    spreads = [values["embedding_std"] for values in (seen, watched) if "embedding_std" in values]
    return {**watched, **({"embedding_std": min(spreads)} if spreads else {})}


class Trainer:
    """Trains one method on one stream of batches and keeps checkpoints.

    Args:
        method: on the CPU.
        stream: training batches, on the fabric's device.
        config: optimisation.
        fabric: device and precision.
        folder: of the checkpoints.
        reporter: told about steps.
        seed: of the run.
        identity: what a checkpoint must agree on to be resumed.
        watch: looks at the evaluated encoder whenever a step is logged; None: only what the method shows is watched.
        probe: gives numbers of the evaluated encoder every ``probe_every`` epochs.
    """

    def __init__(
        self,
        method: Method,
        stream: BatchStream,
        config: PretrainConfig,
        fabric: Fabric,
        folder: Path,
        reporter: Reporter,
        *,
        seed: int,
        identity: Mapping[str, Any],
        watch: Watch | None = None,
        probe: Probe | None = None,
    ) -> None:
        self.config, self.stream, self.fabric = config, stream, fabric
        self.batches: Batches = stream
        self.folder, self.reporter, self.seed, self.identity = folder, reporter, seed, identity
        self.given = cast("nn.Module", method)
        kind = config.optimizer_for(method.encoder.patch_size)
        self.shared = shares(config, self.given, kind)
        self.method = copy.deepcopy(method) if self.shared else method  # the given one stays whole
        self.module = cast("nn.Module", self.method)
        self.module.to(fabric.device).train()
        self.forward_pass = ForwardPass(self.method, products=products_are_faster(fabric))
        if self.shared:
            share_out(self.forward_pass, fabric.device)
        self.groups = self.method.parameter_groups()
        self.optimizer = build_optimizer(self.groups, config, kind)
        wrapped, self.wrapped_optimizer = fabric.setup(self.forward_pass, self.optimizer)
        self.training_loss = cast("Callable[[float], Loss]", wrapped)
        self.total = config.epochs * stream.steps_per_epoch
        self.guard = CollapseGuard()
        self.watch, self.probe = watch, probe
        self.probed_every = round(config.probe_every * stream.steps_per_epoch) if probe else 0
        self.recent: list[tuple[int, torch.Tensor]] = []
        self.lowest = LowestLoss(folder, stream.steps_per_epoch) if config.evaluated == "lowest-loss" else None
        self.began, self.first = time.monotonic(), 0

    def run(self, start: checkpoints.Checkpoint | None = None) -> Summary:
        """Train to the end, from a checkpoint or from the beginning.

        Raises:
            Interrupted: a signal came; the state was saved first.
            TrainingStopped: NaN, collapse or lack of memory; the last good checkpoint stays.
        """
        first = start.step if start else 0
        if start:
            checkpoints.restore(start, self.module, self.optimizer)
            if self.lowest and not self.lowest.restore(start.meta["lowest"]):
                self.reporter.warn(
                    "the encoder of the lowest epoch so far is missing; the choice is among the next epochs"
                )
        self.began, self.first = time.monotonic(), first
        entry: dict[str, Any] = {}
        stop, compiling = StopFlag(), compiled(self.module) if self.config.compile else nullcontext()
        less = sparing(self.module, parts=self.config.accumulate, blocks=self.config.checkpoint_activations)
        with stop.listening(), compiling, less, prefetching(self.stream, self.total) as self.batches:
            for step in range(first, self.total):
                with explained_memory(self.fabric.device, self.config.batch_size):
                    loss, values = self._step(step)
                try:
                    if self._due(step + 1, self.config.log_every) or self._due(step + 1, self.probed_every):
                        entry = self._log(step, loss, values)
                    self._keep(step + 1, stop)
                except HandledError as error:  # processes look at the same numbers, so all of them end here
                    error.everywhere = True
                    raise
        summary = self._summary(first, time.monotonic() - self.began, entry)
        self._give_back()
        if not self.lowest:
            return summary
        self.lowest.load(cast("nn.Module", cast("Method", self.given).encoder))
        return replace(summary, chosen={"step": self.lowest.step, "loss": self.lowest.loss})

    def _give_back(self) -> None:
        """What was shared, whole, in the method that was given."""
        if self.shared:
            self.given.load_state_dict(wholes(self.module.state_dict()))
            self.given.to(self.fabric.device).train()

    def _step(self, step: int) -> tuple[Loss, dict[str, Any]]:
        """Forward, backward, clip, optimise, and what the method does after it; nothing here waits for the device."""
        progress = step / self.total
        now = rates(self.config, progress, self.method.schedule_stretch)
        set_rates(self.optimizer, self.groups, now)
        self.forward_pass.batch = self.batches.batch(step)
        seed_torch(self.seed, "step", step)
        self.method.before_step(progress)
        loss = self.training_loss(progress)
        with self.forward_pass.kernels():
            self.fabric.backward(loss.total)
        for parameter in self.method.frozen:
            parameter.grad = None
        norm = clip_gradients(self.groups)
        self.wrapped_optimizer.step()
        self.wrapped_optimizer.zero_grad(set_to_none=True)
        self.recent.append((step, torch.stack([loss.total.detach().float(), norm.float()])))
        values = {"grad_norm": norm, "lr": now.lr, "weight_decay": now.weight_decay}
        return loss, {**values, **self.method.after_step(progress)}

    def _due(self, done: int, every: int) -> bool:
        """Whether something happens after a step that happens every so many steps, and at the end; 0: never."""
        return every > 0 and (done == self.total or done % every == 0)

    def _log(self, step: int, loss: Loss, values: Mapping[str, Any]) -> dict[str, Any]:
        """Check, write and return the entry of a step."""
        self._check_recent()
        loss = joined(loss)
        seen = observe(loss)
        watched = self.watch.look(self.method.encoder) if self.watch else {}
        numbers = {"loss": loss.total, **loss.parts, **values, **seen, **watched}
        if watched and "embedding_std" in seen:  # the guard looks at both, so both are logged
            numbers["method_std"] = seen["embedding_std"]
        entry: dict[str, Any] = {"step": step + 1, "epoch": (step + 1) / self.stream.steps_per_epoch}
        entry |= {name: float(value.detach() if hasattr(value, "detach") else value) for name, value in numbers.items()}
        if self.probe and self._due(step + 1, self.probed_every):
            entry |= self.probe(self.method.encoder)
        images = (step + 1 - self.first) * self.config.batch_size
        entry["images_per_second"] = images / (time.monotonic() - self.began)
        self.reporter.step(step + 1, self.total, entry)
        try:
            # Only where it looks in any case, so that a probe does not change what stops a training.
            regular = self._due(step + 1, self.config.log_every)
            warning = self.guard.check(_worst(seen, watched), step + 1) if regular else None
        except TrainingStopped:
            self._keep_batch(step)
            raise
        if warning:
            self.reporter.warn(warning)
        return entry

    def _check_recent(self) -> None:
        """Stop at the first step since the last look whose loss or gradient is not finite."""
        if not self.recent:
            return
        steps, values = zip(*self.recent, strict=True)
        self.recent.clear()
        for step, (loss, norm) in zip(steps, all_reduce_mean(torch.stack(values)).tolist(), strict=True):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise TrainingStopped(
                    f"the loss is {loss} and its gradient's norm {norm} at step {step + 1}; lower pretrain.lr or "
                    f"inspect the images of the batch, listed in {self._keep_batch(step)}; the last good "
                    "checkpoint is kept"
                )
            if self.lowest:
                self.lowest.add(loss)

    def _keep_batch(self, step: int) -> Path:
        """Write down which images a fatal step saw."""
        path = self.folder.parent / "stopped.json"
        if is_first():
            rows = self.stream.store_rows(step).tolist()
            write_json(path, {"step": step + 1, "image_ids": self.stream.names(step), "store_rows": rows})
        return path

    def _keep(self, done: int, stop: StopFlag) -> None:
        """Save where it is due, and leave where a signal asked for it."""
        every = max(1, round(self.config.checkpoint_every * self.stream.steps_per_epoch))
        due = done % every == 0 and not self.guard.strikes  # features that look collapsed replace no good checkpoint
        if self.lowest and done % self.stream.steps_per_epoch == 0:
            self._check_recent()
            self.lowest.close_epoch(done, lambda: cast("nn.Module", self.method.encoder), writes=is_first())
        caught = self._caught(stop, meeting=due or done == self.total or done % self.config.log_every == 0)
        if caught or due or done == self.total:
            self._check_recent()
            self.save(done)
        if caught:
            name = signal.Signals(caught).name
            raise Interrupted(
                f"{name}: saved at step {done} of {self.total}; continue with --resume {self.folder.parent}"
            )

    def _caught(self, stop: StopFlag, *, meeting: bool) -> int:
        """The signal that a process caught, 0 for none; several ask each other only where they meet anyway."""
        if world_size() > 1 and not meeting:
            return 0
        return largest(stop.caught or 0, self.fabric.device)

    def save(self, step: int) -> None:
        """Write a checkpoint of the current state.

        Raises:
            TrainingStopped: a weight is not finite: the last step went too far, which its own loss could not show.
        """
        tensors = checkpoints.state_tensors(self.module, self.optimizer)
        weights = [f"method.{name}" for name, _ in self.module.named_parameters()]
        if broken := [name for name in weights if not tensors[name].isfinite().all()]:
            raise TrainingStopped(
                f"{len(broken)} weights are not finite after step {step}, first {broken[0]}; lower pretrain.lr or "
                f"inspect the images of the batch, listed in {self._keep_batch(step - 1)}; the last good "
                "checkpoint is kept"
            )
        meta = {"identity": self.identity, "conditions": checkpoints.conditions()}
        if self.lowest:
            meta["lowest"] = self.lowest.state()
        if is_first():
            checkpoints.save(self.folder, step, tensors, meta)
            if self.lowest:
                self.lowest.tidy()

    def _summary(self, first: int, seconds: float, entry: Mapping[str, Any]) -> Summary:
        images = (self.total - first) * self.config.batch_size
        return Summary(
            steps=self.total,
            images_seen=self.total * self.config.batch_size,
            crops_seen=self.total * self.config.batch_size * sum(group.count for group in self.method.views),
            seconds=seconds,
            images_per_second=images / seconds if seconds else 0.0,
            precision=str(self.fabric._precision.precision),
            device=str(self.fabric.device),
            optimizer=type(self.optimizer).__name__,
            resumed_at=first,
            final=entry,
            processes=world_size(),
        )
