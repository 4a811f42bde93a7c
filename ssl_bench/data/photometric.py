"""Random changes of grey values, drawn per view on the CPU and applied to a batch on its device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssl_bench.plugin.contracts import Photometric

WHITE = 255.0
SIGMA_SIZE = 224
"""View side in px for which ``Photometric.blur_sigma`` is stated."""


@dataclass(frozen=True)
class Changes:
    """What happens to each of N views; all tensors ``(N,)`` on the CPU.

    Args:
        brightness: factor, 1 for none.
        contrast: factor about the view's mean, 1 for none.
        sigma: standard deviation of the blur in px of the view, 0 for none.
        solarize: true where the bright half is inverted.
    """

    brightness: Tensor
    contrast: Tensor
    sigma: Tensor
    solarize: Tensor

    def part(self, rows: slice | Tensor) -> Changes:
        """The changes of some of the views."""
        return Changes(self.brightness[rows], self.contrast[rows], self.sigma[rows], self.solarize[rows])


def draw_changes(spec: Photometric, count: int, size: int, generator: torch.Generator) -> Changes:
    """Draw the changes of ``count`` views of ``size`` px.

    Six numbers are drawn per view whatever the settings are, so that the crops that are drawn next stay the same when
    only the settings change.
    """
    chance = torch.rand((6, count), generator=generator)
    jittered, blurred = chance[0] < spec.jitter_probability, chance[1] < spec.blur_probability
    low, high = (sigma * size / SIGMA_SIZE for sigma in spec.blur_sigma)
    return Changes(
        brightness=torch.where(jittered, 1 + spec.brightness * (2 * chance[2] - 1), 1.0),
        contrast=torch.where(jittered, 1 + spec.contrast * (2 * chance[3] - 1), 1.0),
        sigma=torch.where(blurred, low + (high - low) * chance[4], 0.0),
        solarize=chance[5] < spec.solarize_probability,
    )


def apply_changes(views: Tensor, changes: Changes) -> Tensor:
    """Change ``views (N, size, size)`` with grey values in [0, 255], in place; the blur is the resampler's work.

    Brightness, then contrast about the mean of the brightened view, each cut off at black and white, then
    solarisation: torchvision's definitions for a grey image, in a fixed order where ``ColorJitter`` shuffles it.
    """
    brightness, contrast = changes.brightness, changes.contrast
    if bool((brightness != 1).any()):
        views.mul_(brightness.to(views.device)[:, None, None]).clamp_(0, WHITE)
    if bool((contrast != 1).any()):
        middle = views.mean((1, 2), keepdim=True)
        factor = contrast.to(views.device)[:, None, None]
        views.mul_(factor).add_(middle * (1 - factor)).clamp_(0, WHITE)
    chosen = changes.solarize.nonzero()[:, 0].to(views.device)
    if len(chosen):
        bright = views[chosen]
        views.index_copy_(0, chosen, torch.where(bright >= WHITE / 2, WHITE - bright, bright))
    return views
