"""A thumbnail of the image as its features, or its coordinates on the principal axes of the training images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssl_bench.plugin.contracts import Encoding


class Thumbnails(nn.Module):
    """An encoder without weights: means of the squares of a grid over the image.

    Args:
        size: side of the grid.
        image_size: px of the evaluated view.
        components: leading principal axes to project on; 0: the grey values themselves.
    """

    masks = False
    patch_size = 0
    mean: Tensor
    axes: Tensor

    def __init__(self, size: int, image_size: int, *, components: int = 0) -> None:
        super().__init__()
        self.size, self.image_size, self.components = size, image_size, components
        self.dim = components or size**2
        self.model = nn.Module()
        self.register_buffer("mean", torch.zeros(size**2))
        self.register_buffer("axes", torch.zeros(size**2, components))

    def forward(self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True) -> Encoding:
        """Features of ``images (B, 1, H, W)``; the one token, where tokens are asked for, is the same.

        Raises:
            ValueError: patches are to be dropped, and there are none.
        """
        if keep is not None:
            raise ValueError("a thumbnail has no patches to drop")
        values = self.shrunk(images)
        if self.components:
            values = (values - self.mean) @ self.axes
        return Encoding(values, values[:, None][:, : int(tokens)])

    def shrunk(self, images: Tensor) -> Tensor:
        """Grey values ``(B, size * size)`` of the thumbnails of ``images (B, 1, H, W)``."""
        return functional.adaptive_avg_pool2d(images, self.size).flatten(1)

    def project_on(self, mean: Tensor, axes: Tensor) -> None:
        """Features become coordinates on the leading axes.

        Args:
            mean: of the thumbnails, ``(D,)``.
            axes: ``(D, D)``, one a column, the axis of the largest variance first.
        """
        self.mean.copy_(mean)
        self.axes.copy_(axes[:, : self.components])

    def patches(self, size: int) -> int:
        """The thumbnail is one token."""
        return 1

    def export(self) -> tuple[dict[str, Any], Mapping[str, Tensor]] | None:
        """Nothing: timm has no such network."""
        return None


def principal_axes(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)`` and principal axes ``(D, D)`` of rows that come in parts ``(n, D)``, in float64.

    Args:
        parts: all rows; none of them is kept, so memory does not grow with their number.

    Raises:
        ValueError: there is no row.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        rows = part.detach().cpu().double()
        count, total, squares = count + len(rows), total + rows.sum(0), squares + rows.T @ rows
    if not count:
        raise ValueError("principal axes need rows")
    mean = total / count
    axes = torch.linalg.eigh(squares / count - torch.outer(mean, mean)).eigenvectors.flip(1)
    # The sign of an axis is free: the largest coefficient is positive, so that two machines agree.
    return mean, axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
