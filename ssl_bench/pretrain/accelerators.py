"""The device of a training, asked for without torch where no GPU can be: a plan that is only printed needs none."""

from __future__ import annotations

import sys
from pathlib import Path

from ssl_bench.config.config import PretrainConfig

DRIVERS = ("nvidia*", "nvhost*", "nvgpu*", "nvmap*", "dxg", "kfd")
"""What a driver of a GPU that torch can use leaves in ``/dev`` of Linux: NVIDIA, Jetson, WSL, AMD."""


def chosen_accelerator(config: PretrainConfig) -> str:
    """``cuda`` or ``cpu``, as asked for or found."""
    if config.accelerator != "auto":
        return config.accelerator
    return "cuda" if _found() else "cpu"


def missing_device(config: PretrainConfig) -> str:
    """Which device a configuration asks for that this machine lacks, as a sentence; empty where it has it."""
    if chosen_accelerator(config) != "cuda":
        return ""
    if not (found := _found()):
        return "pretrain.accelerator is cuda, and torch finds no GPU; choose cpu or auto"
    return f"pretrain.devices is {config.devices}, and torch finds {found} GPUs here" if found < config.devices else ""


def _found() -> int:
    """The GPUs that torch finds."""
    if "torch" not in sys.modules and sys.platform == "linux" and not _driven():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _driven() -> bool:
    return any(next(Path("/dev").glob(name), None) for name in DRIVERS)
