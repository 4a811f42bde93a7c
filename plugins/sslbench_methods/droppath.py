"""Stochastic depth, as DINO and DINOv2 have it, with draws that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from timm.layers.drop import DropPath
from torch import Tensor

from ssl_bench.distributed import drawn_rows
from ssl_bench.plugin.contracts import Backbone

VIEWS: ContextVar[int] = ContextVar("views", default=1)
"""Views of an image among the rows of an encoder, for which several processes draw what one would."""


class OwnDropPath(DropPath):
    """Stochastic depth whose rows are drawn for all processes, of which each keeps its own.

    The processes share one random stream, so that masks are those of one process; without this each of them would drop
    the same rows.
    """

    by_rows = True

    def forward(self, x: Tensor) -> Tensor:
        """Drop whole rows of ``(B, ...)`` and scale the others."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        (joined, own), kept = drawn_rows(len(x)), 1 - self.drop_prob
        mask = x.new_empty(joined, *[1] * (x.ndim - 1)).bernoulli_(kept).div_(kept)
        return x * (mask if len(own) == joined else mask[own.to(x.device)])


class SubsetDropPath(DropPath):
    """Stochastic depth that keeps a fixed number of rows, drawn anew each time, and scales them by their share.

    So it is in github.com/facebookresearch/dinov2 (``layers/block.py``), which computes the kept rows alone.
    """

    by_rows = True

    def forward(self, x: Tensor) -> Tensor:
        """Drop whole rows of ``(B, ...)`` and scale the others."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        joined, rows = drawn_rows(len(x), VIEWS.get())
        kept = max(int(joined * (1 - self.drop_prob)), 1)
        factors = torch.zeros(joined, dtype=x.dtype)
        factors[torch.randperm(joined)[:kept]] = joined / kept
        own = factors[rows].to(x.device)
        return x * own.view(-1, *[1] * (x.ndim - 1))


def add_drop_path(backbone: Backbone, rate: float) -> None:
    """Stochastic depth in a ViT's blocks, rising linearly from 0 to ``rate``; CNNs stay as they are (DINO)."""
    last = max(len(_blocks(backbone)) - 1, 1)
    _give(backbone, lambda number: OwnDropPath(rate * number / last))


def add_subset_drop_path(backbone: Backbone, rate: float) -> None:
    """The same rate in all of a ViT's blocks (DINOv2)."""
    _give(backbone, lambda number: SubsetDropPath(rate))


@contextmanager
def of_views(views: int) -> Iterator[None]:
    """Tell the layers of :class:`SubsetDropPath` how many views of each image they get."""
    before = VIEWS.set(views)
    try:
        yield
    finally:
        VIEWS.reset(before)


def _blocks(backbone: Backbone) -> list[Any]:
    return [module for module in backbone.modules() if hasattr(module, "drop_path1")]  # type: ignore[attr-defined]


def _give(backbone: Backbone, made: Callable[[int], DropPath]) -> None:
    for number, block in enumerate(_blocks(backbone)):
        block.drop_path1, block.drop_path2 = made(number), made(number)
