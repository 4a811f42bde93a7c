"""The encoder of the epoch with the lowest mean training loss, kept beside the checkpoints.

github.com/nyuad-cai/CXR-EHR-MSN evaluates that one (a ``ModelCheckpoint`` on ``train_loss``); everything else here the
last. Losses of different epochs are no measure of quality where targets and schedules move with the training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from ssl_bench.files import write_tensors
from ssl_bench.pretrain.sharding import wholes


class LowestLoss:
    """Follows the mean loss of every epoch, and keeps the evaluated encoder of the lowest.

    A checkpoint holds :meth:`state`, so that a resumed training chooses as one that was left alone. A file is removed
    only after a checkpoint no longer names it.

    Args:
        folder: of the checkpoints.
        steps: in an epoch.
    """

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps = folder, steps
        self.total, self.seen = 0.0, 0
        self.loss, self.step = math.inf, 0

    def add(self, loss: float) -> None:
        """Count the loss of one more step."""
        self.total += loss
        self.seen += 1

    def close_epoch(self, step: int, encoder: Callable[[], nn.Module], *, writes: bool) -> None:
        """Compare the epoch that ends after a step with the lowest before it.

        Args:
            step: steps that are done.
            encoder: the evaluated one.
            writes: this process keeps it; the others are asked, too, for they may hold a part of its weights.
        """
        mean = self.total / self.seen
        self.total, self.seen = 0.0, 0
        if mean >= self.loss:
            return
        self.loss, self.step = mean, step
        state = wholes(encoder().state_dict())
        if writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_tensors(self._file(), {name: value.detach().cpu().contiguous() for name, value in state.items()})

    def _file(self) -> Path:
        return self.folder / f"lowest-{self.step:08d}.safetensors"

    def tidy(self) -> None:
        """Remove all but the lowest, now that a checkpoint names it."""
        for path in self.folder.glob("lowest-*.safetensors"):
            if path != self._file():
                path.unlink()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; sums are exact in JSON."""
        return {"total": self.total, "seen": self.seen, "loss": self.loss if self.step else None, "step": self.step}

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Go on from a checkpoint.

        Returns:
            Whether the lowest epoch so far is still there; without it the choice is among those to come.
        """
        self.total, self.seen = float(state["total"]), int(state["seen"])
        self.step = int(state["step"])
        there = not self.step or self._file().is_file()
        self.loss = float(state["loss"]) if self.step and there else math.inf
        self.step = self.step if there else 0
        return there

    def load(self, encoder: nn.Module) -> None:
        """Put the encoder of the lowest epoch in its place, at the end; nothing where no epoch ended."""
        if self.step:
            encoder.load_state_dict(load_file(self._file()))
