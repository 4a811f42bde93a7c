"""Views of a batch of images: drawn per sample on the CPU, made for the whole batch on the images' device.

All random numbers come from one CPU generator, a fixed number per view, so that the crops depend neither on the device
nor on the photometric settings: methods with the same groups see the same crops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ssl_bench.data.photometric import WHITE, Changes, apply_changes, draw_changes
from ssl_bench.data.resize import PAD, as_table, resized_crops
from ssl_bench.distributed import Share
from ssl_bench.errors import HandledError
from ssl_bench.plugin.contracts import Photometric, ViewGroup

TRIES = 10
"""Crops tried per view before the centre is taken, as in torchvision."""

ALONE = Share()
"""One process has all images of a batch."""

CPU_PIXELS, DEVICE_PIXELS = 2**20, 2**26
"""Intermediate px handled at once: 4 MB stay in a core's cache, 256 MB keep an accelerator busy."""


@dataclass(frozen=True)
class Draws:
    """Where N views come from and how they change; all tensors on the CPU.

    Args:
        owner: ``(N,)`` integers, the image of each view, view-major.
        boxes: ``(N, 4)`` left, top, width and height in px, whole numbers.
        flip: ``(N,)`` true where the view is mirrored, left to right.
        changes: of the grey values.
    """

    owner: Tensor
    boxes: Tensor
    flip: Tensor
    changes: Changes


@torch.no_grad()
def draw_views(
    images: Tensor,
    groups: Sequence[ViewGroup],
    generator: torch.Generator,
    *,
    mean: float,
    std: float,
    dtype: torch.dtype = torch.float32,
    share: Share = ALONE,
) -> dict[str, Tensor]:
    """Draw every group's views of every image; groups are drawn in the order given.

    Memory beyond the result is a float32 copy of ``images`` and a bounded working set.

    Args:
        images: ``(B, 1, S, S)`` uint8, on any device.
        groups: what to draw.
        generator: on the CPU.
        mean: mean grey value in [0, 1] that is subtracted.
        std: what is divided by then.
        dtype: of the result; grey values are computed in float32.
        share: which part of a joined batch the images are; what is drawn for the others is left aside, so that every
            image has the views that it would have on one process.

    Returns:
        For each group's name ``(count * B, 1, size, size)``, view-major: view 0 of all images comes first.

    Raises:
        HandledError: the images are not square uint8 images of one channel, or a group cannot be drawn.
    """
    _check_images(images)
    _check_groups(groups, generator)
    table = as_table(images)
    views = {}
    for group in groups:
        draws = draw_group(group, len(images), images.shape[-1], generator, share)
        views[group.name] = images.new_empty((len(draws.owner), 1, group.size, group.size), dtype=dtype)
        for rows in _chunks(table, group.size, len(draws.owner)):
            changes = draws.changes.part(rows)
            part = (draws.owner[rows], draws.boxes[rows], group.size, draws.flip[rows], changes.sigma)
            crops = apply_changes(resized_crops(table, *part), changes)
            views[group.name][rows, 0] = _normalised(crops, mean, std).to(dtype)
    return views


@torch.no_grad()
def whole_view(images: Tensor, size: int, *, mean: float, std: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """The view that encoders are evaluated on: all of each image, resized with antialiasing.

    Args:
        images: ``(B, 1, S, S)`` uint8, on any device.
        size: side of the view in px.
        mean: mean grey value in [0, 1] that is subtracted.
        std: what is divided by then.
        dtype: of the result.

    Returns:
        ``(B, 1, size, size)``, within a grey level of Pillow's bilinear ``resize``.

    Raises:
        HandledError: the images are not square uint8 images of one channel.
    """
    _check_images(images)
    side = images.shape[-1]
    view = images.new_empty((len(images), 1, size, size), dtype=dtype)
    for rows in _chunks(images, max(size, side), len(images)):
        table = as_table(images[rows])
        boxes = torch.tensor([[0.0, 0.0, side, side]]).expand(len(table), 4)
        crops = resized_crops(table, torch.arange(len(table)), boxes, size)
        view[rows, 0] = _normalised(crops, mean, std).to(dtype)
    return view


def draw_group(group: ViewGroup, images: int, side: int, generator: torch.Generator, share: Share = ALONE) -> Draws:
    """Draw the crops, flips and changes of one group for ``images`` images of ``side`` px, a share of the batch."""
    count = group.count * images * share.world
    boxes = draw_boxes(group.scale, group.ratio, count, side, generator)
    flip = torch.rand(count, generator=generator) < group.flip
    changes = draw_changes(group.photometric, count, group.size, generator)
    owner = torch.arange(images).repeat(group.count)
    if share.world == 1:
        return Draws(owner, boxes, flip, changes)
    own = share.rows(count, group.count)
    return Draws(owner, boxes[own], flip[own], changes.part(own))


def draw_boxes(
    scale: tuple[float, float], ratio: tuple[float, float], count: int, side: int, generator: torch.Generator
) -> Tensor:
    """Draw crops as torchvision's ``RandomResizedCrop``: the first of ten that fits, else the largest in the centre.

    Args:
        scale: range of the crop's share of the area, uniform.
        ratio: range of width by height, uniform in the logarithm.
        count: number of crops N.
        side: of the square image in px.
        generator: on the CPU.

    Returns:
        ``(N, 4)`` left, top, width and height, whole px.
    """
    chance = torch.rand((count, 2 * TRIES + 2), dtype=torch.float64, generator=generator)
    area = side**2 * (scale[0] + (scale[1] - scale[0]) * chance[:, :TRIES])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = (low + (high - low) * chance[:, TRIES:-2]).exp()
    extent = torch.stack([area * aspect, area / aspect], dim=2).sqrt().round()  # (N, tries, 2)
    fits = ((extent > 0) & (extent <= side)).all(2)
    first = fits.int().argmax(1)
    drawn = extent[torch.arange(count), first]
    corner = torch.minimum((chance[:, -2:] * (side - drawn + 1)).floor(), side - drawn)
    central = torch.tensor([min(1.0, ratio[1]), min(1.0, 1 / ratio[0])], dtype=torch.float64).mul(side).round()
    boxes = torch.cat([corner, drawn], dim=1)
    centred = torch.cat([((side - central) / 2).floor(), central])
    return torch.where(fits.any(1, keepdim=True), boxes, centred).float()


def _chunks(source: Tensor, size: int, count: int) -> Iterator[slice]:
    """Cut ``count`` views of ``size`` px into slices that fit the working set of the source's device."""
    pixels = CPU_PIXELS if source.device.type == "cpu" else DEVICE_PIXELS
    step = max(1, pixels // (size * (source.shape[-2] + PAD)))
    return (slice(begin, begin + step) for begin in range(0, count, step))


def _normalised(crops: Tensor, mean: float, std: float) -> Tensor:
    """Turn grey values in [0, 255] into (value / 255 - mean) / std, in place."""
    return crops.mul_(1 / (WHITE * std)).sub_(mean / std)


def _check_images(images: Tensor) -> None:
    square = images.ndim == 4 and images.shape[1] == 1 and images.shape[2] == images.shape[3]
    if images.dtype != torch.uint8 or not square or not images.numel():
        raise HandledError(
            f"views need square uint8 images of shape (B, 1, S, S), found {images.dtype} {tuple(images.shape)}; "
            "prepare the images first"
        )


def _check_groups(groups: Sequence[ViewGroup], generator: torch.Generator) -> None:
    if generator.device.type != "cpu":
        raise HandledError(f"views are drawn on a CPU generator, found one on {generator.device}; create it on the CPU")
    names = [group.name for group in groups]
    if len(set(names)) < len(names):
        raise HandledError(f"view groups need distinct names, found {', '.join(names)}; rename one")
    for group in groups:
        if group.count < 1 or group.size < 1:
            found = f"{group.count} of {group.size} px"
            raise HandledError(f"view group '{group.name}' needs at least one view of at least 1 px, found {found}")
        _check_ranges(group)


def _check_ranges(group: ViewGroup) -> None:
    change: Photometric = group.photometric
    ranges = {
        "scale": (group.scale, 1.0),
        "ratio": (group.ratio, math.inf),
        "blur_sigma": (change.blur_sigma, math.inf),
    }
    shares = ("brightness", "contrast", "jitter_probability", "blur_probability", "solarize_probability")
    for name, ((low, high), most) in ranges.items():
        if not 0 < low <= high <= most:
            raise HandledError(
                f"view group '{group.name}' needs 0 < low <= high <= {most} for {name}, found ({low}, {high})"
            )
    for name, share in {"flip": group.flip, **{name: getattr(change, name) for name in shares}}.items():
        if not 0 <= share <= 1:
            raise HandledError(f"view group '{group.name}' needs {name} in [0, 1], found {share}")
