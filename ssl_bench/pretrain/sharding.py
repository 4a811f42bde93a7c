"""Weights, gradients and optimiser state shared by processes: torch's ``fully_shard`` (FSDP2), of N each holds 1/N.

An encoder and its blocks are put together from all processes when they compute, and taken apart again. What a
checkpoint or an export holds is whole, so that it does not depend on how a training was shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from ssl_bench.build.activations import backbones
from ssl_bench.build.backbones import TimmViT
from ssl_bench.config.config import PretrainConfig
from ssl_bench.distributed import world_size
from ssl_bench.plugin.contracts import Encoding

LARGE = 1_000_000_000
"""Parameters, teachers included, from which ``auto`` shares them: 16 GB with gradients and the state of AdamW."""


def shares(config: PretrainConfig, method: nn.Module, optimizer: str) -> bool:
    """Whether the processes of a training share the weights of a method.

    Args:
        config: checked (:func:`ssl_bench.config.checks.check_parallel`).
        method: with its teachers.
        optimizer: by name. LARS asks for norms of whole weights, which no process has.
    """
    if world_size() == 1 or config.parallel != "auto":
        return world_size() > 1 and config.parallel == "fsdp"
    size = sum(parameter.numel() for parameter in method.parameters())
    return size >= LARGE and optimizer == "adamw" and not config.compile


def share_out(forward_pass: nn.Module, device: torch.device) -> None:
    """Keep of each weight this process's part: encoders block by block, and the rest together."""
    mesh = init_device_mesh(device.type, (world_size(),))
    for backbone in backbones(forward_pass):
        inner = list(backbone.model.blocks)[:-1] if isinstance(backbone, TimmViT) else []
        for block in inner:  # the last one is looked into, for the class token alone
            fully_shard(block, mesh=mesh)
        backbone.register_forward_hook(_own_tensors)
        fully_shard(backbone, mesh=mesh)
    fully_shard(forward_pass, mesh=mesh)


def _own_tensors(module: nn.Module, given: Any, found: Encoding) -> Encoding:
    """An encoding without views: writing into one would lose the hook that puts the encoder together again."""
    return Encoding(*(tensor.clone() if tensor._is_view() else tensor for tensor in found))


def whole(tensor: Tensor) -> Tensor:
    """A tensor put together from all processes, each of which must ask; a plain one as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def wholes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All of a table."""
    return {name: whole(tensor) for name, tensor in tensors.items()}


def as_shared(value: Tensor, target: Tensor) -> Tensor:
    """A whole tensor as a target of the same shape has it: this process's part, or all of it."""
    if not isinstance(target, DTensor) or value.shape != target.shape:
        return value
    return distribute_tensor(value.to(target.device), target.device_mesh, target.placements, src_data_rank=None)
