"""A method whose source reaches for everything."""

import os

import torch.distributed as dist
from torch import Tensor, device, nn


class Nosy(nn.Module):
    """Never built: its text is read."""

    def look(self, rows: Tensor) -> Tensor:
        print(os.environ)
        with open("notes.txt") as notes:
            notes.read()
        rows = rows.to("cuda:0").cuda()
        return rows + dist.get_rank() + rows.to(device("cpu"))
