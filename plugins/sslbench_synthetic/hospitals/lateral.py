"""A lateral film of a virtual patient: simpler than the frontal one, with the signs that show from the side.

The patient looks to the left of the image; ``u`` runs from the breastbone to the spine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sslbench_synthetic.cohort.anatomy import Chest, Plane, bump, distance, draw_patient, draw_pose, step
from sslbench_synthetic.cohort.findings import SHAPES, strands
from sslbench_synthetic.cohort.population import FINDINGS, LEFT, RIGHT
from sslbench_synthetic.cohort.radiograph import Pixels, expose

FRONT, BACK = -0.52, 0.46
"""Breastbone and spine."""


def draw_lateral(row: Mapping[str, Any], seed: int, size: int) -> Pixels:
    """The lateral radiograph of one row; arguments and result as for ``draw_radiograph``."""
    patient = draw_patient(row["age"], bool(row["male"]), np.random.default_rng([seed, 2, row["patient"]]))
    rng = np.random.default_rng([seed, 5, row["patient"], row["study"]])
    chest = Chest(patient, draw_pose(row["setting"], rng), size)
    for finding in FINDINGS:
        if row[finding] > 0 and finding in SHAPES:
            SHAPES[finding](chest, row[finding], row[f"{finding}:side"], rng)
    lung = _lung(chest)
    chest.attenuation = _trunk(chest) - 0.6 * lung + _bones(chest) + _heart(chest)
    _add_findings(chest, lung, row, rng)
    return expose(chest, rng)


def _dome(chest: Chest, side: int) -> Plane:
    """Height of a diaphragm, which falls towards the back."""
    base = chest.patient.base + 0.16 * chest.hyperinflation - chest.pose.breath - chest.lift[side]
    return np.asarray(base + 0.03 * side + 0.22 * (1 - 0.6 * chest.hyperinflation) * np.square(chest.u + 0.12))


def _rise(chest: Chest) -> Plane:
    """0 at the diaphragm, 1 at the apex."""
    return np.asarray(np.clip((0.30 - chest.v) / (0.30 - chest.patient.apex), 0, 1.3))


def _lung(chest: Chest) -> Plane:
    """Share of lung in front of each pixel, seen through both sides."""
    rise = _rise(chest)
    front = FRONT - 0.06 * chest.hyperinflation + 0.42 * rise**2.5
    back = BACK + 0.05 * chest.patient.kyphosis - 0.22 * rise**4
    inside = step(chest.u - front, 0.02) * step(back - chest.u, 0.03) * step(1 - rise, 0.03)
    domes = (step(_dome(chest, RIGHT) - chest.v, 0.02), step(_dome(chest, LEFT) - chest.v, 0.02))
    return np.asarray(inside * (domes[0] + domes[1]) / 2)


def _trunk(chest: Chest) -> Plane:
    """Chest wall, abdomen, and the neck on top."""
    fat, rise = chest.patient.fat, _rise(chest)
    breast = 0.12 * chest.patient.breast * bump(chest.v - 0.2, 0.2)
    front = FRONT - 0.10 - 0.08 * fat - breast + 0.40 * rise**3
    body = step(chest.u - front, 0.02) * step(BACK + 0.30 + 0.06 * fat - 0.25 * rise**4 - chest.u, 0.02)
    return np.asarray(body * (1.05 + 0.12 * fat + 0.25 * step(chest.v - _dome(chest, RIGHT), 0.05)))


def _bones(chest: Chest) -> Plane:
    """Spine with discs, breastbone, and ribs falling forwards."""
    discs = 1 + 0.15 * np.cos(chest.v * (2 * np.pi / 0.17))
    spine = 0.22 * bump(chest.u - BACK - 0.08 - 0.06 * chest.patient.kyphosis * np.cos(2 * chest.v), 0.07) * discs
    sternum = 0.16 * bump(chest.u - FRONT + 0.03, 0.03) * step(0.3 - chest.v, 0.05)
    fall = np.cos((chest.v + 0.45 * chest.u) * (2 * np.pi / chest.patient.rib_spacing))
    ribs = 0.05 * np.clip(fall, 0, 1) * step(0.7 - chest.v, 0.05)
    return np.asarray(chest.patient.bone * (spine + sternum + ribs))


def _heart(chest: Chest) -> Plane:
    """The heart behind the breastbone; a wide one reaches towards the spine."""
    half = 0.62 * chest.patient.heart * chest.heart_scale
    middle = chest.patient.base - chest.pose.breath - 0.55 * half
    radius = distance((chest.u - FRONT - 0.06 - half) / half, (chest.v - middle) / (1.05 * half))
    return np.asarray(0.30 * step(1 - radius, 0.10) * step(_dome(chest, LEFT) - chest.v, 0.03))


def _add_findings(chest: Chest, lung: Plane, row: Mapping[str, Any], rng: np.random.Generator) -> None:
    """Fluid behind the lung, haze and patches, in place; a pneumothorax does not show."""
    if row["Effusion"] > 0:
        level = chest.patient.base - chest.pose.breath + 0.12 - 0.34 * row["Effusion"]
        fluid = step(chest.v - level + 0.25 * step(chest.u - 0.25, 0.06), 0.03)
        chest.attenuation += 0.42 * lung * fluid
    if row["Edema"] > 0:
        haze = bump(distance(chest.u, chest.v), 0.35) * (0.4 + strands(len(chest.u), 0.03, rng))
        chest.attenuation += 0.22 * row["Edema"] * lung * haze
    for finding, width in (("Consolidation", 0.18), ("Pneumonia", 0.12), ("Atelectasis", 0.08)):
        if row[finding] > 0:
            u, v = rng.uniform(-0.25, 0.3), rng.uniform(-0.2, 0.35)
            chest.attenuation += 0.35 * row[finding] * lung * bump(distance(chest.u - u, chest.v - v), width)
