"""Checkpoints: safetensors for tensors, JSON for the rest, a hash over both, the previous one kept.

``checkpoints/step-00000120.safetensors`` holds every tensor, ``step-00000120.json`` step, configuration, hash and the
conditions of bit-identity. The JSON is written last, so a checkpoint exists once it is there and its hash, over the
tensors' file and the JSON's other values, holds.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ssl_bench.distributed import world_size
from ssl_bench.errors import DataError
from ssl_bench.files import sha256, write_json, write_tensors
from ssl_bench.pretrain.sharding import as_shared, whole

KEPT = 2
"""Checkpoints that stay: the last and the one before it."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and whose hash holds."""

    step: int
    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]


def conditions() -> dict[str, Any]:
    """What bit-identity needs: machine type, package versions, thread and process count."""
    return {
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "processes": world_size(),
    }


def state_tensors(method: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that moves, whole, as one flat table: ``method.*`` and ``optimizer.<parameter>.<slot>``."""
    tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
    for number, slots in optimizer.state_dict()["state"].items():
        for slot, value in slots.items():
            tensors[f"optimizer.{number}.{slot}"] = torch.as_tensor(value)
    return {name: whole(tensor).detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def restore(checkpoint: Checkpoint, method: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a checkpoint's tensors back."""
    here = method.state_dict()
    given = _below("method.", checkpoint.tensors)
    method.load_state_dict({name: as_shared(value, here.get(name, value)) for name, value in given.items()})
    weights = [weight for table in optimizer.param_groups for weight in table["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below("optimizer.", checkpoint.tensors).items():
        number, slot = name.split(".", 1)
        state.setdefault(int(number), {})[slot] = as_shared(tensor, weights[int(number)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all, and remove all but the last :data:`KEPT`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"step-{step:08d}.safetensors"
    write_tensors(weights, tensors)
    body = {"step": step, **meta}
    write_json(weights.with_suffix(".json"), {**body, "sha256": _digest(weights, body)})
    _tidy(folder, weights.stem)


def _digest(weights: Path, body: Mapping[str, Any]) -> str:
    """Hash of the tensors' file and of the values that describe it."""
    read_back = json.loads(json.dumps(body))  # numbers as keys are text in JSON, and sort as such
    return hashlib.sha256(f"{sha256(weights)} {json.dumps(read_back, sort_keys=True)}".encode()).hexdigest()


def _tidy(folder: Path, last: str) -> None:
    """Remove old checkpoints, damaged ones beyond the last, and what kills have left behind."""
    kept = [path.stem for path in sorted(folder.glob("step-*.json")) if path.stem <= last][-KEPT:]
    for path in [*folder.glob("step-*.*"), *folder.glob(".step-*.tmp")]:
        if path.stem not in kept:
            path.unlink()


def candidates(folder: Path) -> Iterator[Path]:
    """Descriptions of checkpoints, the newest first."""
    yield from sorted(folder.glob("step-*.json"), reverse=True)


def load_latest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint whose hash holds, and why newer ones were refused.

    Raises:
        DataError: there are checkpoints, and every one of them is damaged.
    """
    refused: list[str] = []
    for description in candidates(folder):
        try:
            return _load(description), refused
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            refused.append(f"{description.stem}: {error}")
    if refused:
        raise DataError(f"no checkpoint in {folder} is intact: {'; '.join(refused)}; start again without --resume")
    return None, []


def _load(description: Path) -> Checkpoint:
    meta = json.loads(description.read_text())
    weights = description.with_suffix(".safetensors")
    found = _digest(weights, {key: value for key, value in meta.items() if key != "sha256"})
    if found != meta["sha256"]:
        raise ValueError(f"its hash is {found[:12]}..., {meta['sha256'][:12]}... was written")
    return Checkpoint(int(meta["step"]), load_file(weights), meta)
