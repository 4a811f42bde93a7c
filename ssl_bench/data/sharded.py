"""Images of which each of several processes holds its share: every N-th of them, exchanged among them batch by batch.

What a process holds shrinks with their number; what a batch holds stays a function of seed and step.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ssl_bench.data.source import Rows, Source
from ssl_bench.distributed import gather_rows, own_share

SHARDED: Final = "sharded"
"""The residency of this name."""

AT_ONCE = 1024
"""Images that a process reads at once while it takes its share."""


def is_sharded(residency: str) -> bool:
    """Whether processes hold a share each. Only where they are told to: what each found free might not be the same."""
    return residency == SHARDED and own_share().world > 1


class ShardedSource:
    """Images by row number; all processes read at the same time, as many rows each.

    Once the others have left, the one that is still there reads from the source.

    Args:
        source: of all images, on the disk.
        images: their number.
    """

    on_disk = False  # nothing is read ahead: processes would meet in a thread and in the step at once

    def __init__(self, source: Source, images: int) -> None:
        self.source, self.device, self.share = source, source.device, own_share()
        own = np.arange(self.share.rank, images, self.share.world)
        first = source.read(own[:1])[:, 0]
        self.held = torch.empty((len(own), *first.shape[1:]), dtype=torch.uint8, device=self.device)
        for start in range(0, len(own), AT_ONCE):
            self.held[start : start + AT_ONCE] = source.read(own[start : start + AT_ONCE])[:, 0]

    def read(self, rows: Rows) -> Tensor:
        """The images ``(B, 1, S, S)`` uint8 of some rows, in that order; other processes read B others."""
        if own_share().world == 1:
            return self.source.read(rows)
        world, here = self.share.world, self.share.rank
        wanted = torch.from_numpy(rows).to(self.device)
        asked = gather_rows(wanted).view(world, -1)  # (N, B)
        mine = asked % world == here
        sent = self.held[asked[mine] // world]  # by who asks, in the order of the asking
        order = torch.argsort(wanted % world, stable=True)  # by who holds
        came = torch.empty((len(rows), *sent.shape[1:]), dtype=torch.uint8, device=self.device)
        counts = torch.bincount(wanted % world, minlength=world).tolist()
        dist.all_to_all_single(came, sent, counts, mine.sum(dim=1).tolist())
        found = torch.empty_like(came)
        found[order] = came
        return found.unsqueeze(1)
