"""One radiograph: a virtual patient's chest, the findings in it, and the film it was taken on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from sslbench_synthetic.cohort.anatomy import Chest, Plane, draw_chest, draw_patient, draw_pose, step
from sslbench_synthetic.cohort.findings import SHAPES, SIGNS
from sslbench_synthetic.cohort.population import FINDINGS, ICU

NOISE = 0.10
"""Standard deviation of the anatomical noise, in attenuation of the chest wall."""

Pixels = npt.NDArray[np.uint8]


def draw_radiograph(row: Mapping[str, Any], seed: int, size: int) -> Pixels:
    """The radiograph of one row of :func:`~sslbench_synthetic.cohort.population.draw_population`.

    Args:
        row: patient, study, age, male, setting, and severity and side of each finding.
        seed: of the population; a patient looks the same in all studies.
        size: side in px.

    Returns:
        ``(size, size)`` grey values, bone white.
    """
    patient = draw_patient(row["age"], bool(row["male"]), np.random.default_rng([seed, 2, row["patient"]]))
    rng = np.random.default_rng([seed, 3, row["patient"], row["study"]])
    ill = np.random.default_rng(
        [seed, 7, row["patient"], row["study"]]
    )  # so that a finding leaves the rest of the film
    chest = Chest(patient, draw_pose(row["setting"], rng), size)
    present = [finding for finding in FINDINGS if row[finding] > 0]
    for finding in present:
        if finding in SHAPES:
            SHAPES[finding](chest, row[finding], row[f"{finding}:side"], ill)
    draw_chest(chest, rng)
    for finding in present:
        if finding in SIGNS:
            SIGNS[finding](chest, row[finding], row[f"{finding}:side"], ill)
    return expose(chest, rng)


def expose(chest: Chest, rng: np.random.Generator) -> Pixels:
    """Turn attenuation into grey values: overlying tissue, devices, scatter, exposure, tones, noise, frame, marker."""
    portable, size = chest.pose.portable, len(chest.u)
    plane = chest.attenuation + NOISE * anatomical_noise(size, rng)
    if chest.pose.setting == ICU:
        plane = plane + _lines(chest, rng)
    plane = gaussian_filter(plane, size / 96 * rng.uniform(0.3, 0.7 if portable else 0.5))
    plane = plane + rng.normal(0, 0.06) * chest.u + rng.normal(0, 0.06) * chest.v
    latitude = rng.uniform(2.5, 3.7) if portable else rng.uniform(3.0, 4.6)
    grey = step(plane - rng.normal(0.86, 0.13), 1 / latitude)
    grain = rng.uniform(0.008, 0.03 if portable else 0.02)
    grey = grey ** rng.uniform(0.9, 1.15) + rng.standard_normal(grey.shape, dtype=np.float32) * grain
    return _frame(np.clip(grey * 255, 0, 255).astype(np.uint8), portable, rng)


def anatomical_noise(size: int, rng: np.random.Generator) -> Plane:
    """Overlying tissue: isotropic noise of zero mean and unit variance whose power falls with the cube of frequency.

    Power laws with exponents near 3 describe the background of radiographs (Burgess et al., Medical Physics 2001;
    28:419).
    """
    across, down = np.fft.rfftfreq(size), np.fft.fftfreq(size)[:, None]
    frequency = np.sqrt(across**2 + down**2)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * frequency**-1.5
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _lines(chest: Chest, rng: np.random.Generator) -> Plane:
    """Lines and electrodes of intensive care."""
    size = len(chest.u)
    canvas = Image.new("L", (size, size))
    pen, width = ImageDraw.Draw(canvas), max(1, size // 96)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(0.1, 0.9, 2) * size
        points = [(x + rng.normal(0, 0.05) * size * k, y + 0.14 * size * k) for k in range(5)]
        pen.line(points, fill=int(rng.integers(90, 200)), width=width, joint="curve")
    for _ in range(rng.integers(0, 4)):
        x, y = rng.uniform(0.15, 0.85, 2) * size
        pen.ellipse((x - 1.5 * width, y - 1.5 * width, x + 1.5 * width, y + 1.5 * width), fill=255)
    return np.asarray(canvas, dtype=np.float32) / 255 * 0.5


def _frame(pixels: Pixels, portable: bool, rng: np.random.Generator) -> Pixels:
    """Collimation and the letters that a technician puts on the film."""
    size = len(pixels)
    edges = (rng.uniform(0, 0.05, 4) * (rng.random(4) < (0.5 if portable else 0.2)) * size).astype(int)
    pixels[: edges[0]] = 0
    pixels[size - edges[1] :] = 0
    pixels[:, : edges[2]] = 0
    pixels[:, size - edges[3] :] = 0
    if rng.random() < 0.7:
        text = "AP" if portable and rng.random() < 0.6 else "R" if rng.random() < 0.5 else "L"
        letters = _letters(text, size)
        top, left = int(rng.uniform(0.03, 0.12) * size), int((0.04 if text == "R" else 0.84) * size)
        place = pixels[top : top + letters.shape[0], left : left + letters.shape[1]]
        np.maximum(place, letters[: place.shape[0], : place.shape[1]], out=place)
    return pixels


@lru_cache
def _letters(text: str, size: int) -> Pixels:
    """A marker's grey values, a tenth of the image high."""
    image = Image.new("L", (max(1, size // 6), max(1, size // 9)))
    ImageDraw.Draw(image).text((0, 0), text, fill=230, font_size=0.09 * size)
    return np.asarray(image)
