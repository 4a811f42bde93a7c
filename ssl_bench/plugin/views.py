"""Which random crops of an image a method trains on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Photometric:
    """Random changes of a grey image in [0, 1]; all off by default except the share of images they apply to.

    Args:
        brightness: the factor is drawn from [1 - brightness, 1 + brightness].
        contrast: the factor about the image's mean is drawn from [1 - contrast, 1 + contrast].
        jitter_probability: share of the views whose brightness and contrast change.
        blur_probability: share of the views that are blurred.
        blur_sigma: range of the Gaussian's sigma in px for a 224 px view; it shrinks with the view.
        solarize_probability: share of the views whose bright half is inverted.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    jitter_probability: float = 0.8
    blur_probability: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarize_probability: float = 0.0


@dataclass(frozen=True)
class ViewGroup:
    """Random crops of one kind.

    Args:
        name: the key under which the method finds them in the batch.
        count: views per image.
        size: side of the square view in px.
        scale: range of the crop's share of the image area.
        photometric: changes of the grey values.
        ratio: range of the crop's width by its height.
        flip: probability of a horizontal flip.
    """

    name: str
    count: int
    size: int
    scale: tuple[float, float]
    photometric: Photometric = Photometric()
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0
