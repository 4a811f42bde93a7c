"""The only place that knows of ranks: differentiable reductions that are the identity on one process.

With a loss that every rank computes from gathered tensors, and gradients that DDP averages, these reductions give the
gradient of one process that saw the joined batch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_bench.errors import Elsewhere


def world_size() -> int:
    """Number of processes, 1 where none was launched."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if world_size() > 1 else 0


T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long processes wait for the first one to prepare; the waiting for a step keeps torch's own limit."""


@dataclass(frozen=True)
class Share:
    """Which rows of a joined batch are this process's: part ``rank`` of ``world`` equal parts."""

    rank: int = 0
    world: int = 1

    def rows(self, count: int, views: int = 1) -> Tensor:
        """Numbers of the own rows among ``count`` view-major rows of all processes."""
        return torch.arange(count).view(views, self.world, -1)[:, self.rank].flatten()

    def part(self, count: int) -> list[int]:
        """Numbers of the own rows among ``count``, as many on each process: the last ones repeat the last row."""
        each = -(-count // self.world)
        return [min(number, count - 1) for number in range(self.rank * each, (self.rank + 1) * each)]


def own_share() -> Share:
    """The share of this process."""
    return Share(rank(), world_size())


@dataclass(frozen=True)
class Part:
    """Rows from ``start`` on of all the ``rows`` that an encoder of this process was given, and gets part by part."""

    start: int
    rows: int


PART: ContextVar[Part | None] = ContextVar("part", default=None)
"""Which rows an encoder sees now; None: all that it was given."""


def drawn_rows(count: int, views: int = 1) -> tuple[int, Tensor]:
    """For how many rows a layer draws, so that one process draws as several do, and which of them are its own.

    Args:
        count: rows that it sees now.
        views: of an image among all rows that the encoder was given, view-major.
    """
    share, part = own_share(), PART.get()
    joined = (part.rows if part else count) * share.world
    own = share.rows(joined, views)
    return joined, own[part.start : part.start + count] if part else own


def is_first() -> bool:
    """Whether this process is the one that locks, prepares and writes."""
    return rank() == 0


def rank_zero_first(work: Callable[[], T]) -> T:
    """Let the first process work while the others wait, and then do the same; a failure of the first ends all.

    Raises:
        Elsewhere: on the others, where the first failed; it tells why.
    """
    if world_size() == 1:
        return work()
    group: Any = dist.new_group(backend="gloo", timeout=PATIENCE)
    if is_first():
        worked = [False]
        try:
            result = work()
            worked = [True]
            return result
        finally:
            dist.broadcast_object_list(worked, src=0, group=group)
    told = [False]
    dist.broadcast_object_list(told, src=0, group=group)
    if not told[0]:
        raise Elsewhere("the first process failed")
    return work()


def largest(number: int, device: torch.device) -> int:
    """The largest of the numbers that the processes hold."""
    if world_size() == 1:
        return number
    held = torch.tensor(number, device=device)
    dist.all_reduce(held, op=dist.ReduceOp.MAX)
    return int(held)


@torch.no_grad()
def all_reduce_max(tensor: Tensor) -> Tensor:
    """Largest values of a tensor over ranks, without gradients."""
    if world_size() == 1:
        return tensor
    most = tensor.clone()
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return most


@torch.no_grad()
def gather_rows(tensor: Tensor) -> Tensor:
    """``(B, ...)`` of every rank as ``(world * B, ...)`` in rank order, without gradients."""
    if world_size() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def shutdown() -> None:
    """Part from the other processes: from here on each is alone."""
    if world_size() > 1:
        dist.barrier()
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """Sum over ranks; the gradient is summed too, since every rank's loss depends on every rank's input."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Sum of a tensor over ranks, with gradients."""
    return tensor if world_size() == 1 else _Sum.apply(tensor)


def all_reduce_mean(tensor: Tensor) -> Tensor:
    """Mean of a tensor over ranks (of equal batches), with gradients."""
    return all_reduce_sum(tensor) / world_size()


def gather(tensor: Tensor) -> Tensor:
    """``(B, ...)`` of every rank as ``(world * B, ...)`` in rank order, with gradients.

    A detached gather would lose the part of the gradient that flows through the other ranks' losses.
    """
    if world_size() == 1:
        return tensor
    padded = tensor.new_zeros(world_size(), *tensor.shape)
    padded = padded.index_put((torch.tensor(rank(), device=tensor.device),), tensor)
    return all_reduce_sum(padded).flatten(0, 1)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of ``(B, C)`` or ``(B, C, H, W)`` over the batches of all ranks.

    On one process it is torch's own. ``torch.nn.SyncBatchNorm`` does the same on GPUs and refuses CPU tensors.
    """

    computed_again = False
    """Whether activations are computed again in the backward pass."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (B, C, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise; running statistics follow the joined batch."""
        if not self.training:
            return super().forward(input)
        # In a backward pass, where the statistics have followed this batch before.
        again = self.computed_again and torch._C._current_graph_task_id() != -1
        if world_size() == 1:
            return self._still(input) if again else super().forward(input)
        mean, variance, count = self._joined(input)
        if not again:
            self._follow(mean.detach(), variance.detach() * count / (count - 1))
        shape = (1, -1, *([1] * (input.dim() - 2)))
        out = (input - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        scale = 1.0 if self.weight is None else self.weight.view(shape)
        return out * scale + (0.0 if self.bias is None else self.bias.view(shape))

    def _still(self, input: Tensor) -> Tensor:
        """Normalise by the batch; the running statistics stay."""
        kept = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(input, *kept, training=True, momentum=0.0, eps=self.eps)

    def _joined(self, input: Tensor) -> tuple[Tensor, Tensor, float]:
        """Mean, biased variance and count over all ranks (equal batches), in at least float32."""
        axes = [0, *range(2, input.dim())]
        wide = input if input.dtype == torch.float64 else input.float()
        mean = all_reduce_mean(wide.mean(axes))
        shape = (1, -1, *([1] * (input.dim() - 2)))
        variance = all_reduce_mean((wide - mean.view(shape)).square().mean(axes))
        return mean, variance, input.numel() / input.shape[1] * world_size()

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1


class NormAct(BatchNorm):
    """:class:`BatchNorm` with dropout and activation behind it, as timm's ``BatchNormAct2d``."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise, drop and activate."""
        normalised = super().forward(input)
        for child in self.children():
            normalised = child(normalised)
        return normalised


def across_ranks(module: nn.Module) -> nn.Module:
    """Replace every torch BatchNorm inside a module by :class:`BatchNorm`, weights and statistics kept."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) and not isinstance(child, BatchNorm):
            setattr(module, name, _converted(child))
        else:
            across_ranks(child)
    return module


def _converted(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> BatchNorm:
    kind = NormAct if hasattr(norm, "act") else BatchNorm
    new = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for name, child in norm.named_children():
        setattr(new, name, child)
    new.load_state_dict(norm.state_dict())
    return new


def normalize(tensor: Tensor) -> Tensor:
    """Rows of unit length, in float32 at least."""
    wide = tensor if tensor.dtype == torch.float64 else tensor.float()
    return F.normalize(wide, dim=-1)
