"""Blocks of patches for I-JEPA: several target blocks, and one large context block without them.

Drawn as in github.com/facebookresearch/ijepa (``src/masks/multiblock.py``): the sizes once for the batch, the places
for each image; all blocks of a batch are cut to the length of its shortest one.
"""

from __future__ import annotations

import math
from itertools import count

import torch
from torch import Tensor

from ssl_bench.distributed import own_share
from ssl_bench.errors import UsageError

TRIES = 20
"""Places that are tried for a context before it may overlap one more of the targets."""

Range = tuple[float, float]


class BlockSampler:
    """Draws blocks on a square grid of patches, all images of a step at once.

    Args:
        side: patches in a row of the grid.
        targets: blocks to predict.
        target_scale: share of the grid that a target covers.
        target_ratio: its height by its width.
        context_scale: share of the grid that the context covers before targets are taken out; it is a square.
        min_keep: a block has more patches than this.

    Raises:
        UsageError: the grid is too small for such blocks.
    """

    def __init__(
        self, side: int, *, targets: int, target_scale: Range, target_ratio: Range, context_scale: Range, min_keep: int
    ) -> None:
        self.side, self.targets, self.min_keep = side, targets, min_keep
        self.target, self.context = (target_scale, target_ratio), (context_scale, (1.0, 1.0))
        smallest = min(
            math.prod(block_size(side, *kind, draw / 100))
            for kind in (self.target, self.context)
            for draw in range(101)
        )
        if smallest <= min_keep:
            raise UsageError(
                f"on a grid of {side} x {side} patches the blocks of method 'ijepa' can be as small as {smallest} "
                f"patches, and must be larger than method.min_keep ({min_keep}); lower it, or use smaller patches"
            )

    def draw(self, rows: int) -> tuple[Tensor, Tensor]:
        """Numbers of the patches of the context ``(rows, K)`` and of the targets ``(rows, T, N)``, in ascending order.

        The blocks of all processes are drawn everywhere and the own ones are kept, as one process would draw.
        """
        share = own_share()
        joined = rows * share.world
        target, context = (
            block_size(self.side, *kind, float(draw))
            for kind, draw in zip((self.target, self.context), torch.rand(2), strict=True)
        )
        hidden = self._placed(joined * self.targets, target).view(joined, self.targets, -1)
        seen = self._context(~hidden, context)
        own = share.rows(joined)
        return shortest(seen)[own], shortest(hidden.flatten(0, 1)).view(joined, self.targets, -1)[own]

    def _context(self, free: Tensor, size: tuple[int, int]) -> Tensor:
        """Patches ``(R, P)`` of the contexts; ``free (R, T, P)`` are those outside each target."""
        seen = torch.zeros(len(free), self.side**2, dtype=torch.bool)
        waiting = torch.arange(len(free))
        for attempt in count():
            respected = max(self.targets - attempt // TRIES, 0)
            block = self._placed(len(waiting), size) & free[waiting, :respected].all(1)
            fits = block.sum(1) > self.min_keep
            seen[waiting[fits]] = block[fits]
            waiting = waiting[~fits]
            if not len(waiting):
                break
        return seen

    def _placed(self, rows: int, size: tuple[int, int]) -> Tensor:
        """Rectangles at random places as masks ``(rows, P)``."""
        lines = [self._line(rows, length) for length in size]  # (rows, side) each
        return (lines[0].unsqueeze(2) & lines[1].unsqueeze(1)).flatten(1)

    def _line(self, rows: int, length: int) -> Tensor:
        """Intervals of a length at random places as masks ``(rows, side)``.

        The official code draws the first place below ``side - length`` and not up to it, so that the last row and the
        last column of patches are in no block.
        """
        first = (torch.rand(rows, 1) * (self.side - length)).long()
        places = torch.arange(self.side)
        return (places >= first) & (places < first + length)


def block_size(side: int, scale: Range, ratio: Range, draw: float) -> tuple[int, int]:
    """Height and width of a block in patches, both below the grid's.

    Args:
        side: patches in a row of the grid.
        scale: range of the share of the grid.
        ratio: range of height by width.
        draw: where in both ranges, in [0, 1).
    """
    area = int(side**2 * (scale[0] + draw * (scale[1] - scale[0])))
    shape = ratio[0] + draw * (ratio[1] - ratio[0])
    height, width = (round(math.sqrt(value)) for value in (area * shape, area / shape))
    return min(height, side - 1), min(width, side - 1)


def shortest(masks: Tensor) -> Tensor:
    """Numbers ``(R, K)`` of the first patches of each mask ``(R, P)``, as many as the smallest mask has."""
    kept = int(masks.sum(1).min())
    return masks.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :kept]
