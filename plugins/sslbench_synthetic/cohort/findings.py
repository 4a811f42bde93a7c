"""The visual sign of each planted finding.

A finding can change the shape of the chest before it is drawn (:data:`SHAPES`), or its attenuation afterwards
(:data:`SIGNS`). Severity is in (0, 1]; sides are those of :mod:`sslbench_synthetic.cohort.population`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sslbench_synthetic.cohort.anatomy import Chest, Plane, bump, distance, step
from sslbench_synthetic.cohort.population import BOTH, LEFT, RIGHT

Sign = Callable[[Chest, float, int, np.random.Generator], None]


def sides(side: int) -> tuple[int, ...]:
    """The sides that a finding is seen on."""
    return (RIGHT, LEFT) if side == BOTH else (side,)


def texture(size: int, cells: int, rng: np.random.Generator) -> Plane:
    """Smooth noise of zero mean and about unit variance with ``cells`` grains along a side."""
    grains = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    smooth: npt.NDArray[Any] = np.asarray(grains.resize((size, size), Image.Resampling.BICUBIC))
    return smooth / 0.7


def cardiomegaly(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """A heart wider than half the thorax."""
    chest.heart_scale *= 1.14 + 0.30 * severity


def emphysema(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Overinflated dark lungs, low flat diaphragm, few vessels, narrow heart."""
    chest.hyperinflation = 0.35 + 0.65 * severity
    chest.markings *= 1 - 0.4 * severity


def volume_loss(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Atelectasis raises the diaphragm and pulls the mediastinum to its side."""
    for one in sides(side):
        chest.lift[one] += 0.05 + 0.10 * severity
        chest.midline += one * 0.04 * severity


def congestion(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Edema fills the pulmonary vessels."""
    chest.markings *= 1.3 + 0.7 * severity


def bands(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Plate-like opacities above the diaphragm."""
    for one in sides(side):
        height = chest.diaphragm(one) - rng.uniform(0.06, 0.16)
        slope = rng.uniform(-0.35, 0.15)
        line = chest.v - height - slope * (chest.u * one - 0.35)
        haze = bump(chest.v - height, 0.10) * 0.5
        chest.attenuation += chest.lungs[one] * (0.20 + 0.22 * severity) * np.maximum(bump(line, 0.028), haze)


def effusion(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Fluid: a meniscus that hides the costophrenic angle in the erect, a veil over the whole lung in the supine."""
    for one in sides(side):
        x = np.clip(chest.u * one / chest.patient.width, 0, 1.1)
        level = float(chest.diaphragm(one).min()) + 0.06 - 0.36 * severity
        surface = level - 0.16 * np.square(x - 0.45) * np.sign(x - 0.45)
        fluid = 0.50 * step(chest.v - surface, 0.03 + 0.02 * chest.pose.portable)
        veil = (0.10 + 0.10 * severity) * step(chest.v + 0.4, 0.3) if chest.pose.portable else 0.0
        chest.attenuation += chest.lungs[one] * np.maximum(fluid, veil)


def edema(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Bat-wing haze around the hila, with fluffy and fine reticular texture, clear periphery."""
    size = len(chest.u)
    fluffy = 1 + 0.22 * texture(size, 12, rng) + 0.25 * texture(size, 40, rng)
    wings = bump(np.abs(chest.u) - 0.24, 0.20) * bump(chest.v - 0.02, 0.32)
    chest.attenuation += chest.both_lungs() * (0.10 + 0.24 * severity) * wings * fluffy


def consolidation(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """A dense lobe with a sharp lower or upper fissure."""
    for one in sides(side):
        fissure = rng.uniform(-0.22, 0.08) + 0.2 * (chest.u * one - 0.3)
        upper = rng.random() < 0.4
        lobe = step((fissure - chest.v) if upper else (chest.v - fissure), 0.015)
        reach = bump(chest.v - fissure, 0.22 + 0.12 * severity)
        streaks = 1 + 0.18 * texture(len(chest.u), 24, rng)
        chest.attenuation += chest.lungs[one] * (0.24 + 0.20 * severity) * lobe * reach * streaks


def pneumonia(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Several ill-defined patches."""
    for one in sides(side):
        patches = np.zeros_like(chest.u)
        for _ in range(3 + round(3 * severity)):
            u, v = one * rng.uniform(0.2, 0.55), rng.uniform(-0.35, 0.30)
            patches = np.maximum(patches, bump(distance(chest.u - u, chest.v - v), rng.uniform(0.07, 0.15)))
        fluffy = 1 + 0.35 * texture(len(chest.u), 20, rng)
        chest.attenuation += chest.lungs[one] * (0.18 + 0.20 * severity) * patches * fluffy


def pneumothorax(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Black, vessel-free air outside a thin pleural line; the lung falls back from apex and wall."""
    for one in sides(side):
        depth = chest.lateral() - chest.u * one
        edge = 0.06 + 0.16 * severity * (1 - 0.5 * step(chest.v - 0.1, 0.2))
        free = chest.lungs[one] * step(edge - depth, 0.012)
        collapsed = chest.lungs[one] * (1 - free) * 0.10 * severity
        chest.attenuation += 0.16 * chest.lungs[one] * bump(depth - edge, 0.012) - 0.24 * free + collapsed


SHAPES: dict[str, Sign] = {
    "Atelectasis": volume_loss,
    "Cardiomegaly": cardiomegaly,
    "Edema": congestion,
    "Emphysema": emphysema,
}
"""What changes the shape of organs, applied first."""

SIGNS: dict[str, Sign] = {
    "Atelectasis": bands,
    "Consolidation": consolidation,
    "Edema": edema,
    "Effusion": effusion,
    "Pneumonia": pneumonia,
    "Pneumothorax": pneumothorax,
}
"""What changes attenuation, applied to the drawn chest."""
