"""The visual sign of each planted finding.

Signs are lines, nets, spots and rings a few pixels wide, with little change of the mean grey value: a thumbnail shows
them badly, as it does those of real radiographs (docs/results.md compares the two).

A finding can change the shape of the chest before it is drawn (:data:`SHAPES`), or its attenuation afterwards
(:data:`SIGNS`). Severity is in (0, 1]; sides are those of :mod:`sslbench_synthetic.cohort.population`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from sslbench_synthetic.cohort.anatomy import Chest, Plane, bump, distance, step
from sslbench_synthetic.cohort.population import BOTH, LEFT, RIGHT

Sign = Callable[[Chest, float, int, np.random.Generator], None]


def sides(side: int) -> tuple[int, ...]:
    """The sides that a finding is seen on."""
    return (RIGHT, LEFT) if side == BOTH else (side,)


def strands(size: int, width: float, rng: np.random.Generator) -> Plane:
    """A net of thin strands about ``width`` wide (in lengths of the chest), zero mean and about unit variance."""
    scale = width * size / 2
    grains = rng.standard_normal((size, size), dtype=np.float32)
    net: Plane = gaussian_filter(grains, scale) - gaussian_filter(grains, 2 * scale)
    net = net / net.std()
    return np.asarray(np.abs(net) - 0.8)  # ridges on both sides of every zero crossing


def cardiomegaly(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """A heart wider than half the thorax."""
    chest.heart_scale *= 1.06 + 0.16 * severity


def emphysema(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Overinflated lungs with a lower, flatter diaphragm and few vessels."""
    chest.hyperinflation = 0.10 + 0.25 * severity
    chest.markings *= 1 - 0.8 * severity


def bullae(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Round dark spaces with thin walls."""
    for _ in range(3 + round(5 * severity)):
        one = RIGHT if rng.random() < 0.5 else LEFT
        radius = rng.uniform(0.05, 0.10)
        far = distance(chest.u - one * rng.uniform(0.2, 0.5), chest.v - rng.uniform(-0.55, 0.25))
        wall = 0.22 * bump(far - radius, 0.016) - 0.07 * step(radius - far, 0.012)
        chest.attenuation += chest.lungs[one] * wall


def volume_loss(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Atelectasis raises the diaphragm and pulls the mediastinum to its side."""
    for one in sides(side):
        chest.lift[one] += 0.04 * severity
        chest.midline += one * 0.015 * severity


def congestion(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Edema fills the pulmonary vessels."""
    chest.markings *= 1.2 + 0.5 * severity


def bands(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Plate-like opacities above the diaphragm."""
    for one in sides(side):
        for _ in range(2 + round(2 * severity)):
            height = chest.diaphragm(one) - rng.uniform(0.05, 0.45)
            line = chest.v - height - rng.uniform(-0.35, 0.15) * (chest.u * one - 0.35)
            reach = bump(chest.u * one - rng.uniform(0.25, 0.5), 0.12)
            chest.attenuation += chest.lungs[one] * (0.28 + 0.30 * severity) * bump(line, 0.018) * reach


def effusion(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Fluid: a meniscus that hides the costophrenic angle, a line in the fissure, a faint veil in the supine."""
    for one in sides(side):
        x = np.clip(chest.u * one / chest.patient.width, 0, 1.1)
        level = float(chest.diaphragm(one).min()) + 0.10 - 0.16 * severity
        surface = level - 0.16 * np.square(x - 0.45) * np.sign(x - 0.45)
        fluid = 0.50 * step(chest.v - surface, 0.02)
        fissure = chest.v - rng.uniform(-0.12, 0.12) - rng.uniform(-0.1, 0.2) * (chest.u * one - 0.3)
        line = (0.20 + 0.20 * severity) * bump(fissure, 0.016) * step(chest.u * one - 0.2, 0.02)
        veil = 0.05 * severity * step(chest.v + 0.4, 0.3) if chest.pose.portable else 0.0
        chest.attenuation += chest.lungs[one] * np.maximum(np.maximum(fluid, line), veil)


def edema(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Thickened septa: a fine net around the hila and below, with little haze."""
    net = strands(len(chest.u), 0.03, rng)
    wings = bump(np.abs(chest.u) - 0.28, 0.22) * bump(chest.v - 0.08, 0.34)
    chest.attenuation += chest.both_lungs() * wings * ((0.02 + 0.04 * severity) + (0.08 + 0.12 * severity) * net)


def consolidation(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """A lobe with a sharp fissure, in which the bronchi stay dark."""
    for one in sides(side):
        fissure = rng.uniform(-0.35, 0.12) + rng.uniform(-0.1, 0.3) * (chest.u * one - 0.3)
        upper = rng.random() < 0.5
        lobe = step((fissure - chest.v) if upper else (chest.v - fissure), 0.012)
        reach = bump(chest.v - fissure, 0.12 + 0.10 * severity)
        bronchi = np.clip(strands(len(chest.u), 0.04, rng), 0, 2)
        chest.attenuation += chest.lungs[one] * lobe * reach * (0.18 + 0.18 * severity) * (1.0 - 1.0 * bronchi)


def pneumonia(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Clusters of small ill-defined nodules."""
    for one in sides(side):
        for _ in range(2 + round(2 * severity)):
            u, v = one * rng.uniform(0.2, 0.5), rng.uniform(-0.45, 0.30)
            spots = np.zeros_like(chest.u)
            for du, dv in rng.normal(0, 0.07, (7, 2)):
                spots = np.maximum(spots, bump(distance(chest.u - u - du, chest.v - v - dv), 0.022))
            chest.attenuation += chest.lungs[one] * (0.26 + 0.24 * severity) * spots


def pneumothorax(chest: Chest, severity: float, side: int, rng: np.random.Generator) -> None:
    """Black, vessel-free air outside a thin pleural line; the lung falls back from apex and wall."""
    for one in sides(side):
        depth = chest.lateral() - chest.u * one
        edge = 0.06 + 0.14 * severity * (1 - 0.5 * step(chest.v - 0.1, 0.2))
        free = chest.lungs[one] * step(edge - depth, 0.012)
        chest.attenuation += 0.30 * chest.lungs[one] * bump(depth - edge, 0.016) - 0.12 * free


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
    "Emphysema": bullae,
    "Pneumonia": pneumonia,
    "Pneumothorax": pneumothorax,
}
"""What changes attenuation, applied to the drawn chest."""
