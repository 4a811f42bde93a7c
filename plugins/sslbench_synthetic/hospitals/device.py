"""A hospital's look: the same chest on another machine and from another archive."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from sslbench_synthetic.hospitals.profiles import Look

Pixels = npt.NDArray[np.uint8]

BRIGHT = 235
"""Grey level of what is burnt into a picture."""


def develop(pixels: Pixels, look: Look, height: int, width: int, rng: np.random.Generator) -> Pixels:
    """The picture that a hospital keeps of a drawn film.

    Args:
        pixels: ``(S, S)`` from the drawing, of any size.
        look: of the hospital.
        height: of the picture in px.
        width: of the picture in px.
        rng: of the film.

    Returns:
        ``(height, width)`` grey values: the middle of the film, with the hospital's tones, noise, frame and marker.
    """
    cut = _cut(pixels, height, width)
    noise = rng.standard_normal(cut.shape, dtype=np.float32) * look.grain
    picture: Pixels = np.clip(_curve(cut, look, rng)[cut] + noise, 0, 255).astype(np.uint8)
    _frame(picture, look.border, rng)
    if look.marker and rng.random() < look.marked:
        picture = _mark(picture, look.marker)
    return picture


def _cut(pixels: Pixels, height: int, width: int) -> Pixels:
    """The middle of the film in the picture's format, enlarged or reduced."""
    side = max(height, width)
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    left, top = (side - width) // 2, (side - height) // 2
    return np.asarray(image.crop((left, top, left + width, top + height)))


def _curve(pixels: Pixels, look: Look, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The tone curve: what each of the 256 grey values becomes, ``(256,)``."""
    tones = np.linspace(0, 1, 256) ** (look.gamma * rng.uniform(0.93, 1.07))
    tones = (tones - 0.5) * (look.latitude * rng.uniform(0.95, 1.05)) + 0.5
    if look.equalized:
        rank = np.bincount(pixels.ravel(), minlength=256).cumsum() / pixels.size
        tones = (1 - look.equalized) * tones + look.equalized * rank
    return (255 * tones).astype(np.float32)


def _frame(picture: Pixels, border: float, rng: np.random.Generator) -> None:
    """Black edges of random width, in place."""
    height, width = picture.shape
    top, bottom = (rng.uniform(0, border, 2) * height).astype(int)
    left, right = (rng.uniform(0, border, 2) * width).astype(int)
    picture[:top], picture[height - bottom :] = 0, 0
    picture[:, :left], picture[:, width - right :] = 0, 0


def _mark(picture: Pixels, text: str) -> Pixels:
    """The text in the lower left corner."""
    image = Image.fromarray(picture)
    size = 0.06 * min(image.size)
    ImageDraw.Draw(image).text((0.04 * image.width, 0.9 * image.height), text, fill=BRIGHT, font_size=size)
    return np.asarray(image)
