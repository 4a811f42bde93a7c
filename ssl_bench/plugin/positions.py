"""Positions of a ViT's patches that are not learnt."""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_bench.errors import UsageError


def sincos_positions(rows: int, columns: int, dim: int) -> Tensor:
    """Fixed positions ``(rows * columns, dim)``: sines and cosines of the column, then of the row.

    As in the official code of MAE (``util/pos_embed.py``); that of MoCo v3 has the row first.

    Raises:
        UsageError: the width is no multiple of 4.
    """
    if dim % 4:
        raise UsageError(f"sin-cos positions need a width that is a multiple of 4, found {dim}; use learnt positions")
    # lightly's get_2d_sine_cosine_positional_embedding computes angles in float32, and square grids alone
    pace = 10000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [place.flatten().unsqueeze(1) * pace for place in (column, row)]
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
