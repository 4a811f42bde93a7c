"""The three hospitals: whom they see, how often with which finding, and how their machines picture a chest.

The numbers are chosen to make the hospitals differ as their models do in direction (a general hospital with intensive
care, a referral centre with mostly bedside films, a research clinic with younger outpatients). None is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sslbench_synthetic.cohort.population import RISKS, Risk


@dataclass(frozen=True)
class Look:
    """How a hospital's machines and archive turn a chest into a picture.

    Args:
        equalized: share of histogram equalisation (MIMIC-CXR-JPG equalises its JPEGs).
        gamma: exponent of the grey values; over 1 is darker.
        latitude: factor on the contrast about mid grey.
        grain: standard deviation of the detector's noise, in grey levels.
        border: largest share of each side that is black, from collimation or from scanning a film.
        marker: text burnt into a corner of the picture, blank for none.
        marked: share of the films that have it.
        long: long side by short side of a film; 1 for square ones.
    """

    equalized: float
    gamma: float
    latitude: float
    grain: float
    border: float
    marker: str
    marked: float
    long: float


@dataclass(frozen=True)
class Hospital:
    """One hospital of the virtual population.

    Args:
        number: of its random streams and of its patients.
        age: mean and standard deviation in years.
        youngest: age at the first film, at least.
        male: share of men.
        ward, icu: illness from which a study is taken on the ward, in intensive care (0 is a typical patient's).
        visits: mean number of further studies of a patient.
        lateral: share of outpatients' studies that have a lateral film, too.
        prevalence: share of the studies with each drawn finding.
        look: of its pictures.
    """

    number: int
    age: tuple[float, float]
    youngest: int
    male: float
    ward: float
    icu: float
    visits: float
    lateral: float
    prevalence: Mapping[str, float]
    look: Look

    @property
    def risks(self) -> dict[str, Risk]:
        """The population's risks at this hospital's prevalence."""
        return {finding: risk._replace(prevalence=self.prevalence[finding]) for finding, risk in RISKS.items()}


GENERAL = Hospital(
    number=1,
    age=(62, 17),
    youngest=18,
    male=0.52,
    ward=0.0,
    icu=0.9,
    visits=1.4,
    lateral=0.6,
    prevalence={
        "Atelectasis": 0.20,
        "Cardiomegaly": 0.20,
        "Consolidation": 0.10,
        "Edema": 0.18,
        "Effusion": 0.24,
        "Emphysema": 0.10,
        "Pneumonia": 0.12,
        "Pneumothorax": 0.06,
    },
    look=Look(equalized=0.6, gamma=1.0, latitude=1.0, grain=2.0, border=0.03, marker="", marked=0.0, long=1.2),
)
"""A general hospital with an emergency department and intensive care units; writes ``mimic-cxr``."""

REFERRAL = Hospital(
    number=2,
    age=(59, 18),
    youngest=18,
    male=0.59,
    ward=-0.5,
    icu=0.7,
    visits=1.2,
    lateral=0.7,
    prevalence={
        "Atelectasis": 0.16,
        "Cardiomegaly": 0.14,
        "Consolidation": 0.12,
        "Edema": 0.24,
        "Effusion": 0.36,
        "Emphysema": 0.08,
        "Pneumonia": 0.08,
        "Pneumothorax": 0.12,
    },
    look=Look(equalized=0.0, gamma=0.95, latitude=1.1, grain=3.5, border=0.0, marker="PORT", marked=0.3, long=1.2),
)
"""A referral centre that takes most films at the bedside; writes ``chexpert``."""

RESEARCH = Hospital(
    number=3,
    age=(46, 16),
    youngest=2,
    male=0.56,
    ward=0.5,
    icu=1.6,
    visits=2.0,
    lateral=0.0,
    prevalence={
        "Atelectasis": 0.12,
        "Cardiomegaly": 0.08,
        "Consolidation": 0.08,
        "Edema": 0.06,
        "Effusion": 0.14,
        "Emphysema": 0.08,
        "Pneumonia": 0.06,
        "Pneumothorax": 0.08,
    },
    look=Look(equalized=0.0, gamma=1.25, latitude=0.85, grain=4.5, border=0.08, marker="CC", marked=0.5, long=1.0),
)
"""A research clinic whose patients are younger and walk in; writes ``nih14``."""

HOSPITALS = {"mimic-cxr": GENERAL, "chexpert": REFERRAL, "nih14": RESEARCH}
"""The hospital of each layout."""
