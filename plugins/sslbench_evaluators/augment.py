"""Random rotations, shifts, zooms and flips of whole images, drawn on the CPU and applied on the images' device."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from sslbench_evaluators.options import HeadOptions


def draw_affine(options: HeadOptions, count: int, generator: torch.Generator) -> Tensor:
    """Maps (B, 2, 3) from a view's coordinates to the image's, as ``affine_grid`` takes them; all ranges uniform."""
    angle, zoom, across, down = torch.rand((4, count), generator=generator).mul(2).sub(1)  # in [-1, 1)
    angle = angle * math.radians(options.degrees)
    zoom = 1 + zoom * options.zoom
    mirror = 1 - 2 * (torch.rand(count, generator=generator) < options.flip).float()
    sine, cosine = angle.sin() / zoom, angle.cos() / zoom
    shift = 2 * options.shift  # the image is 2 wide in these coordinates
    rows = (mirror * cosine, -sine, across * shift, mirror * sine, cosine, down * shift)
    return torch.stack(rows, dim=1).reshape(count, 2, 3)


def augmented(images: Tensor, maps: Tensor, black: float | Tensor) -> Tensor:
    """Views (B, C, H, W) of images (B, C, H, W) by their maps (B, 2, 3); what lies outside of the image is black."""
    grid = functional.affine_grid(maps.to(images), list(images.shape), align_corners=False)
    black = black.to(images) if isinstance(black, Tensor) else black
    return functional.grid_sample(images - black, grid, align_corners=False) + black
