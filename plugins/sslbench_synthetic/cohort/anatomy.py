"""The healthy chest: attenuation of thorax, lungs, heart, bones and vessels on a pixel grid.

Lengths are shares of half the image (the image spans -1 to 1, ``v`` downwards); attenuation is 1 for soft tissue of
the chest wall, 0 for air outside the body. The patient's right side is on the left of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sslbench_synthetic.cohort.population import ICU, LEFT, OUTPATIENT, RIGHT

Plane = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Patient:
    """What a radiograph shows of a person's age, sex and build, the same in all studies."""

    age: float
    male: bool
    width: float  # half the inner thorax
    apex: float
    base: float  # height of the right diaphragm's dome
    heart: float  # half the heart by half the thorax
    fat: float
    breast: float  # 0 in men
    kyphosis: float
    calcium: float  # of aorta and rib cartilage, with age
    bone: float
    rib_spacing: float
    rib_slope: float
    vessels: float


@dataclass(frozen=True)
class Pose:
    """How one film was taken."""

    setting: int
    turn: float  # of the patient about the long axis
    breath: float  # height of the diaphragm, up where positive
    tilt: float  # radians
    scale: float
    shift: tuple[float, float]

    @property
    def portable(self) -> bool:
        """Whether the film is AP with a mobile unit."""
        return self.setting != OUTPATIENT


def draw_patient(age: float, male: bool, rng: np.random.Generator) -> Patient:
    """The build of one patient."""
    old = float(np.clip((age - 20) / 65, 0, 1))
    fat = rng.uniform(0, 1)
    return Patient(
        age=age,
        male=male,
        width=rng.normal(0.70 if male else 0.62, 0.03),
        apex=-0.80 + 0.10 * old + rng.normal(0, 0.02),
        base=(0.46 if male else 0.40) - 0.06 * fat + rng.normal(0, 0.03),
        heart=0.44 + 0.05 * old + rng.normal(0, 0.025),
        fat=fat,
        breast=0.0 if male else rng.uniform(0.35, 1.0) * (0.7 + 0.5 * fat),
        kyphosis=max(0.0, old - 0.35) * rng.uniform(0.4, 1.2),
        calcium=max(0.0, old - 0.3) * rng.uniform(0.5, 1.4),
        bone=1.1 - (0.35 if male else 0.55) * old + rng.normal(0, 0.06),
        rib_spacing=rng.normal(0.165, 0.004),
        rib_slope=rng.normal(0.34, 0.02),
        vessels=rng.normal(1.0, 0.15),
    )


def draw_pose(setting: int, rng: np.random.Generator) -> Pose:
    """The position for one film: erect outpatients are centred and breathe in, the sick lie askew."""
    sick = 0.0 if setting == OUTPATIENT else 1.0 if setting == ICU else 0.7
    return Pose(
        setting=setting,
        turn=rng.normal(0, 0.02 + 0.03 * sick),
        breath=0.09 * sick + rng.normal(0, 0.05),
        tilt=rng.normal(0, float(np.deg2rad(2.5 + 2.5 * sick))),
        scale=rng.normal(0.98 + 0.04 * sick, 0.12),
        shift=(rng.normal(0, 0.09), rng.normal(0, 0.10)),
    )


def step(x: Plane, width: float) -> Plane:
    """A soft edge: the logistic function of ``x / width`` (by tanh, which does not overflow)."""
    edge: Plane = np.tanh(x * (0.5 / width))
    edge *= 0.5
    edge += 0.5
    return edge


def bump(x: Plane, width: float) -> Plane:
    """A Gaussian of height 1."""
    return np.asarray(np.exp(np.square(x) * (-0.5 / width**2)))


def distance(x: Plane, y: Plane) -> Plane:
    """Euclidean norm; several times as fast as ``np.hypot``, and nothing here overflows."""
    return np.asarray(np.sqrt(x * x + y * y))


class Chest:
    """Coordinates, masks and attenuation of one chest; findings change them in place.

    Args:
        patient: the build.
        pose: of this film.
        size: side of the image in px.

    Attributes:
        u, v: ``(size, size)`` coordinates in the patient's frame.
        lungs: ``(size, size)`` share of lung in front of each pixel, by side.
        heart_scale: factor on the heart's width.
        lift: how far each diaphragm stands above its normal height.
        hyperinflation: 0 to 1, lowers and flattens the diaphragm.
        markings: factor on the pulmonary vessels.
    """

    def __init__(self, patient: Patient, pose: Pose, size: int) -> None:
        self.patient, self.pose = patient, pose
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
        x, y = axis[None, :] - pose.shift[0], axis[:, None] - pose.shift[1]
        cos, sin = np.cos(pose.tilt) / pose.scale, np.sin(pose.tilt) / pose.scale
        self.u, self.v = (cos * x + sin * y).astype(np.float32), (cos * y - sin * x).astype(np.float32)
        self.heart_scale, self.hyperinflation, self.markings, self.midline = 1.0, 0.0, 1.0, 0.0
        self.lift = {RIGHT: 0.0, LEFT: 0.0}
        self.lungs: dict[int, Plane] = {}
        self.attenuation: Plane = np.zeros_like(self.u)

    def lateral(self) -> Plane:
        """Distance of the chest wall from the midline at each height."""
        top = self.patient.apex
        rise = np.clip((0.30 - self.v) / (0.30 - top), 0, 1)
        return np.asarray(self.patient.width * (1 + 0.06 * self.hyperinflation) * (1 - rise**3) ** 0.85)

    def diaphragm(self, side: int) -> Plane:
        """Height of the diaphragm at each pixel's column (``v`` of its upper face)."""
        x = self.u * side
        dome = 0.20 * (1 - 0.75 * self.hyperinflation)
        base = self.patient.base + (0.04 if side == LEFT else 0.0) + 0.16 * self.hyperinflation
        base = base - self.pose.breath - self.lift[side]
        return np.asarray(base + dome * np.square((x - 0.48 * self.patient.width) / (0.5 * self.patient.width)))

    def shape_lungs(self) -> None:
        """Draw the lung fields from the present shape of wall, mediastinum and diaphragm."""
        wall = self.lateral()
        for side in (RIGHT, LEFT):
            x = (self.u - self.midline - 0.4 * self.pose.turn) * side
            outer = step(wall * (1 + side * self.pose.turn) - x, 0.018)
            inner = step(x - (0.10 + 0.05 * bump(self.v + 0.05, 0.25)), 0.03)
            self.lungs[side] = outer * inner * step(self.diaphragm(side) - self.v, 0.02)

    def both_lungs(self) -> Plane:
        """Share of lung in front of each pixel, ``(size, size)``."""
        return self.lungs[RIGHT] + self.lungs[LEFT]


def draw_chest(chest: Chest, rng: np.random.Generator) -> None:
    """Fill ``chest.attenuation`` with the healthy organs, from the wall inwards."""
    chest.shape_lungs()
    body = _silhouette(chest)
    air = chest.both_lungs() * (0.56 + 0.10 * chest.hyperinflation)
    abdomen = 0.30 * step(chest.v - np.minimum(chest.diaphragm(RIGHT), chest.diaphragm(LEFT)), 0.05)
    chest.attenuation = body * (1 + 0.12 * chest.patient.fat + abdomen - air)
    chest.attenuation += _spine(chest) + _mediastinum(chest) + _heart(chest)
    chest.attenuation += _ribs(chest) * body + _clavicles(chest) + _breasts(chest) + _scapulae(chest)
    chest.attenuation += _vessels(chest, rng) + _stomach(chest, rng)


def _silhouette(chest: Chest) -> Plane:
    patient, u = chest.patient, np.abs(chest.u)
    half = patient.width + 0.13 + 0.10 * patient.fat + 0.6 * step(-0.42 - chest.v, 0.06)
    shoulder = chest.v + 0.92 - 0.30 * np.clip(u - 0.22, 0, None) + 0.08 * chest.patient.kyphosis
    return step(half - u, 0.02) * np.maximum(step(shoulder, 0.02), step(0.22 - u, 0.02))


def _spine(chest: Chest) -> Plane:
    u = chest.u - 0.05 * chest.patient.kyphosis * np.sin(2.2 * chest.v)
    discs = 1 + 0.12 * np.cos(chest.v * (2 * np.pi / 0.17))
    return np.asarray(
        0.16 * chest.patient.bone * bump(u, 0.085) * discs - 0.20 * bump(u + 0.005, 0.035) * step(-0.28 - chest.v, 0.05)
    )


def _mediastinum(chest: Chest) -> Plane:
    u, v, patient = chest.u - chest.midline - 1.2 * chest.pose.turn, chest.v, chest.patient
    wide = 1.25 if chest.pose.portable else 1.0
    upper = 0.20 * bump(u, 0.10 * wide) * step(0.1 - v, 0.1)
    radius = distance(u - 0.13 * wide, v + 0.34 + 0.06 * patient.kyphosis)
    knob = 0.05 + 0.035 * patient.calcium
    aorta = 0.16 * step(knob * wide - radius, 0.015) + 0.35 * patient.calcium * bump(radius - knob * wide, 0.012)
    hila = sum(0.10 * bump(distance(u - side * 0.17, 0.7 * (v + 0.07 + 0.03 * side)), 0.07) for side in (RIGHT, LEFT))
    return np.asarray(upper + aorta + hila)


def _heart(chest: Chest) -> Plane:
    """The heart's shadow: wider in AP, where it is magnified and the diaphragm pushes it up."""
    patient, pose = chest.patient, chest.pose
    half = patient.width * patient.heart * chest.heart_scale * (1.13 if pose.portable else 1.0)
    half *= 1 - 0.18 * chest.hyperinflation
    bottom = patient.base + 0.10 - pose.breath + 0.12 * chest.hyperinflation
    u = chest.u - chest.midline - 1.2 * pose.turn - 0.30 * half
    v = chest.v - (bottom - 0.80 * half)
    along, across = 0.88 * u + 0.47 * v, 0.88 * v - 0.47 * u
    radius = distance(along / (1.10 * half + 0.02), across / (0.84 * half + 0.04 + 0.08 * chest.hyperinflation))
    below = step(chest.v - np.minimum(chest.diaphragm(RIGHT), chest.diaphragm(LEFT)) - 0.02, 0.03)
    return np.asarray(0.42 * step(1 - radius, 0.05) * (1 - 0.8 * below))


def _ribs(chest: Chest) -> Plane:
    """Posterior ribs falling, anterior ribs rising towards the midline, seen inside the chest wall."""
    patient, x = chest.patient, np.abs(chest.u)
    inside = step(1.04 * chest.lateral() + 0.04 - x, 0.02) * step(0.72 - chest.v, 0.05)
    fall = (
        chest.v - patient.rib_slope * np.square(x - 0.25) * (1.6 - 0.5 * patient.kyphosis) - 0.1 * patient.kyphosis * x
    )
    back = np.clip(np.cos(fall * (2 * np.pi / patient.rib_spacing)), -0.2, 1) * step(x - 0.06, 0.02)
    front = np.clip(np.cos((chest.v - 0.75 * x) * (2 * np.pi / (1.25 * patient.rib_spacing))), 0, 1) * step(
        x - 0.30, 0.06
    )
    return np.asarray(inside * patient.bone * (0.11 * back + (0.05 + 0.05 * patient.calcium) * front))


def _clavicles(chest: Chest) -> Plane:
    x, high = np.abs(chest.u), 0.07 if chest.pose.portable else 0.0
    line = chest.v + 0.60 + high + 0.16 * (x - 0.1) - 0.05 * np.sin(8 * x)
    return np.asarray(0.20 * chest.patient.bone * bump(line, 0.025) * step(x - 0.07, 0.02) * step(0.72 - x, 0.04))


def _breasts(chest: Chest) -> Plane:
    patient = chest.patient
    if patient.breast == 0:
        return np.zeros_like(chest.u)
    drop = 0.06 * patient.age / 60 + (0.03 if not chest.pose.portable else 0.10)
    x = (np.abs(chest.u) - 0.62 * patient.width) / (0.34 + 0.05 * patient.fat)
    radius = distance(x, (chest.v - 0.14 - drop) / (0.28 + 0.05 * patient.fat))
    lower = step(chest.v - 0.04, 0.10)
    return np.asarray(0.34 * patient.breast * step(1 - radius, 0.06) * lower)


def _scapulae(chest: Chest) -> Plane:
    """Shoulder blades: rolled out of the lungs in PA, over them in AP."""
    x, edge = np.abs(chest.u), 0.58 if chest.pose.portable else 0.76
    blade = (
        step(x - edge - 0.25 * np.clip(chest.v + 0.35, -1, 1), 0.02)
        * step(0.05 - chest.v, 0.04)
        * step(chest.v + 0.62, 0.05)
    )
    return np.asarray(0.11 * chest.patient.bone * blade)


def _vessels(chest: Chest, rng: np.random.Generator) -> Plane:
    """Vessels fanning out from the hila: a random profile over the angle, fading with distance."""
    total = np.zeros_like(chest.u)
    for side in (RIGHT, LEFT):
        x, y = chest.u * side - 0.14, chest.v + 0.03
        far = distance(x, y)
        profile = np.convolve(rng.normal(size=144), (0.4, 0.8, 1, 0.8, 0.4), mode="same").clip(0, 3)
        angle = np.arctan2(y, x) + 0.5 * far
        index = ((angle + 4.5) * (143 / 9.0)).clip(0, 143).astype(np.intp)
        total += (
            profile[index].astype(np.float32) * np.exp(far * (-1 / 0.24)) * step(far - 0.05, 0.02) * chest.lungs[side]
        )
    return np.asarray(0.13 * chest.patient.vessels * chest.markings * total)


def _stomach(chest: Chest, rng: np.random.Generator) -> Plane:
    """Gas under the left diaphragm."""
    x = (chest.u - 0.42) / rng.uniform(0.10, 0.17)
    y = (chest.v - chest.patient.base - 0.16 + chest.pose.breath) / rng.uniform(0.05, 0.08)
    return np.asarray(-0.32 * rng.uniform(0, 1) * step(1 - distance(x, y), 0.12))
