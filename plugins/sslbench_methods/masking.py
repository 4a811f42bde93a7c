"""Which patches of which views are hidden, for DINOv2: rectangles until a drawn share is covered.

Drawn as in github.com/facebookresearch/dinov2 (``data/masking.py``, ``data/collate.py``).
"""

from __future__ import annotations

import math
from random import Random

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssl_bench.distributed import own_share

SMALLEST = 4
"""Patches of the smallest rectangle, where so many are left to be hidden."""

ASPECT = 0.3
"""Height by width of a rectangle is between this and its inverse, evenly in its logarithm."""

TRIES = 10
"""Rectangles that are tried before an image is left with fewer hidden patches."""

PatchGrid = npt.NDArray[np.bool_]


class MaskSampler:
    """Draws masks on a square grid of patches for all views of a step.

    Args:
        side: patches in a row of the grid.
        share: of the views that are masked at all.
        ratio: range of the share of patches that is hidden there; the views divide it among them evenly.
    """

    def __init__(self, side: int, *, share: float, ratio: tuple[float, float]) -> None:
        self.side, self.share, self.ratio = side, share, ratio

    def draw(self, rows: int, views: int) -> Tensor:
        """Hidden patches ``(rows, P)`` of this process's views, view-major.

        What happens to a view is drawn for those of all processes, as one process would draw; lightly's
        ``random_block_mask`` draws from Python's own generator, which no step seeds.
        """
        own = own_share()
        joined = rows * own.world
        masked = int(joined * self.share)
        order, seeds = torch.randperm(joined), torch.randint(2**62, (joined,))
        edges = torch.linspace(*self.ratio, masked + 1).tolist()
        hidden = np.zeros((rows, self.side, self.side), dtype=bool)
        for row, place in enumerate(own.rows(joined, views).tolist()):
            number = int(order[place])
            if number < masked:
                random = Random(int(seeds[place]))
                wanted = int(self.side**2 * random.uniform(edges[number], edges[number + 1]))
                cover(hidden[row], wanted, random)
        return torch.from_numpy(hidden).flatten(1)


def cover(mask: PatchGrid, wanted: int, random: Random) -> None:
    """Hide about ``wanted`` patches of an empty mask, in place, and never more."""
    largest, hidden = mask.size // 2, 0
    while hidden < wanted:
        added = _rectangle(mask, min(wanted - hidden, largest), random)
        if not added:
            return
        hidden += added


def _rectangle(mask: PatchGrid, most: int, random: Random) -> int:
    """Hide one more rectangle with at most ``most`` new patches; how many there were, 0 where none was found."""
    height, width = mask.shape
    for _ in range(TRIES):
        area = random.uniform(SMALLEST, most)
        aspect = math.exp(random.uniform(math.log(ASPECT), -math.log(ASPECT)))
        tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if tall >= height or wide >= width:
            continue
        top, left = random.randint(0, height - tall), random.randint(0, width - wide)
        block = mask[top : top + tall, left : left + wide]
        new = block.size - int(block.sum())
        if 0 < new <= most:
            block[:] = True
            return new
    return 0
