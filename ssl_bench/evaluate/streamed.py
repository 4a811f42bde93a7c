"""Features that stay where they are, mapped from the disk for example, and come to the device block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

WHOLE = 2**26
"""Numbers of a table that is taken to the device as a whole; a larger one comes in blocks."""

BLOCK = 2**16
"""Rows of a block."""

Table = Tensor | npt.NDArray[np.floating[Any]]


def blocks(table: Table, device: torch.device | str) -> Iterator[tuple[slice, Tensor]]:
    """Which rows a block has, and the block ``(b, D)`` on the device, in float32 at least."""
    for start in range(0, max(len(table), 1), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, taken(table[rows], device)


def taken(table: Table, device: torch.device | str) -> Tensor:
    """A table ``(N, D)`` on the device, in float32 at least."""
    rows = table if isinstance(table, Tensor) else torch.tensor(np.asarray(table))
    return rows.to(device, torch.promote_types(rows.dtype, torch.float32))


def is_large(table: Table) -> bool:
    """Whether a table ``(N, D)`` comes in blocks."""
    return table.shape[0] * table.shape[1] > WHOLE


def mean_of(table: Table, device: torch.device | str) -> Tensor:
    """Mean ``(D,)`` of the rows ``(N, D)``."""
    if not is_large(table):
        return taken(table, device).mean(dim=0)
    total = sum(block.double().sum(dim=0) for _, block in blocks(table, device))
    return torch.as_tensor(total / len(table)).to(taken(table[:1], device))


class Standardised:
    """Rows ``(N, D)`` less their mean, by their standard deviation (1 for a constant feature), in blocks.

    Args:
        table: the rows.
        device: of the blocks.
        mean: of the rows the others are measured by; None: of these ones, as is the deviation.
        deviation: of the same.
    """

    def __init__(
        self, table: Table, device: torch.device | str, mean: Tensor | None = None, deviation: Tensor | None = None
    ) -> None:
        self.table, self.device = table, device
        self.shape = (table.shape[0], table.shape[1])
        self.mean = mean_of(table, device) if mean is None else mean
        self.deviation = self._deviation() if deviation is None else deviation

    def _deviation(self) -> Tensor:
        if not is_large(self.table):
            deviation = taken(self.table, self.device).std(dim=0, correction=0)
            return torch.where(deviation > 0, deviation, 1.0)
        squares = sum((block - self.mean).double().square().sum(dim=0) for _, block in blocks(self.table, self.device))
        deviation = torch.as_tensor(squares / len(self.table)).sqrt().to(self.mean)
        return torch.where(deviation > 0, deviation, 1.0)

    def __len__(self) -> int:
        return self.shape[0]

    def whole(self) -> Tensor:
        """All of them as one matrix."""
        return (taken(self.table, self.device) - self.mean) / self.deviation

    def like(self, table: Table) -> Standardised:
        """Other rows, measured by the mean and deviation of these."""
        return Standardised(table, self.device, self.mean, self.deviation)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Which rows a block has, and the block ``(b, D)``."""
        for rows, block in blocks(self.table, self.device):
            yield rows, (block - self.mean) / self.deviation
