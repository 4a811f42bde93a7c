"""Virtual patients: who comes, how often, in which setting, and with which findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.floating[Any]]

OUTPATIENT, WARD, ICU = 0, 1, 2
"""Settings; outpatients stand for a PA film, ward and ICU patients are taken AP by a mobile unit."""

MAX_STUDIES = 6
BOTH, RIGHT, LEFT = 0, -1, 1
"""Sides of the patient; the right side is on the left of the image."""


class Risk(NamedTuple):
    """Prevalence of a finding over all images and the log odds that shape it.

    Args:
        prevalence: share of the images.
        age: log odds for 20 years more.
        male: log odds for men against women.
        ward: log odds for the ward against outpatients.
        icu: log odds for the ICU against outpatients.
        disease: the underlying disease that findings share within a patient.
        bilateral: share of the positive images that show it on both sides.
    """

    prevalence: float
    age: float
    male: float
    ward: float
    icu: float
    disease: str
    bilateral: float


RISKS: dict[str, Risk] = {
    "Atelectasis": Risk(0.14, 0.4, 0.1, 0.8, 1.1, "effusion", 0.3),
    "Cardiomegaly": Risk(0.18, 0.9, -0.5, 0.5, 0.6, "heart", 1.0),
    "Consolidation": Risk(0.13, 0.2, 0.2, 0.7, 1.1, "infection", 0.1),
    "Edema": Risk(0.14, 0.7, -0.2, 0.8, 1.7, "heart", 1.0),
    "Effusion": Risk(0.20, 0.6, 0.0, 0.8, 1.3, "effusion", 0.4),
    "Emphysema": Risk(0.14, 1.0, 0.9, -0.2, -0.4, "smoking", 1.0),
    "Pneumonia": Risk(0.11, 0.3, 0.2, 0.9, 0.9, "infection", 0.4),
    "Pneumothorax": Risk(0.10, -0.8, 1.1, 0.4, 0.6, "smoking", 0.0),
}
"""The planted findings by their NIH name. The directions are those of the wards (heart failure in old age,
pneumothorax in young men); the sizes are chosen, not measured."""

FINDINGS = tuple(RISKS)


@dataclass(frozen=True)
class Missing:
    """Shares of the studies whose record lacks a value."""

    age: float = 0.03
    sex: float = 0.02
    view: float = 0.02


def draw_population(images: int, seed: int, ehr_effect: float = 1.0, missing: Missing | None = None) -> pd.DataFrame:
    """One row per image, in the order of patients and studies.

    Args:
        images: number of rows.
        seed: of everything drawn here.
        ehr_effect: share of the patients whose record belongs to them; the others carry the record of an independent
            patient, so that images and findings keep their distribution while the EHR tells nothing about them.
        missing: shares of absent values.

    Returns:
        ``patient`` and ``study`` numbers from 1 and 0; the truth (``age`` in years, ``male``, ``setting``); the record
        (``recorded_age`` and ``recorded_sex``, ``recorded_view``, blank text where missing); and for each finding its
        severity in (0, 1], 0 where absent, and ``<finding>:side``.
    """
    rng = np.random.default_rng([seed, 1])
    truth = _draw_patients(images, rng)
    record = _draw_patients(images, rng)
    own = rng.random(images)[truth["patient"].to_numpy() - 1] < ehr_effect
    shown = truth[["age", "male", "setting"]].where(pd.Series(own), record[["age", "male", "setting"]])
    return truth.join(_recorded(shown, missing or Missing(), rng)).join(draw_findings(truth, rng))


def _draw_patients(images: int, rng: np.random.Generator) -> pd.DataFrame:
    """Patients with one to six studies each; frail ones come more often and lie in wards and ICUs."""
    frailty = rng.normal(size=images)
    ages = np.clip(rng.normal(56 + 5 * frailty, 17), 17, 94)
    male = rng.random(images) < 0.54
    studies = np.clip(1 + rng.poisson(1.3 + 0.6 * np.clip(frailty, -1, 2)), 1, MAX_STUDIES)
    patient = np.repeat(np.arange(images), studies)[:images]
    study = pd.Series(patient).groupby(patient).cumcount()
    illness = 0.5 * frailty[patient] + 0.25 * (ages[patient] - 56) / 17 + rng.normal(scale=0.8, size=images)
    return pd.DataFrame(
        {
            "patient": patient + 1,
            "study": study,
            "age": np.clip(np.floor(ages[patient] + 0.4 * study), 17, 95),
            "male": male[patient].astype(int),
            "setting": np.digitize(illness, (0.1, 1.0)),
        }
    )


def _recorded(shown: pd.DataFrame, missing: Missing, rng: np.random.Generator) -> pd.DataFrame:
    """What the hospital's record says, as text; blank where it says nothing."""
    absent = rng.random((3, len(shown)))
    age = shown["age"].astype(int).astype(str)
    sex = shown["male"].map({1: "M", 0: "F"})
    view = shown["setting"].map({OUTPATIENT: "PA", WARD: "AP", ICU: "AP"})
    return pd.DataFrame(
        {
            "recorded_age": age.mask(absent[0] < missing.age, ""),
            "recorded_sex": sex.mask(absent[1] < missing.sex, ""),
            "recorded_view": view.mask(absent[2] < missing.view, ""),
        }
    )


def draw_findings(
    truth: pd.DataFrame, rng: np.random.Generator, risks: Mapping[str, Risk] | None = None
) -> pd.DataFrame:
    """Severity and side of each finding; diseases persist over a patient's studies.

    Args:
        truth: ``patient`` (numbers from 1, no more than rows), ``age``, ``male`` and ``setting``.
        rng: the randomness to draw from.
        risks: of each finding; :data:`RISKS` if not given.
    """
    risks = risks or RISKS
    rows, patient = len(truth), truth["patient"].to_numpy() - 1
    diseases = sorted({risk.disease for risk in risks.values()})
    burden = dict(zip(diseases, rng.normal(scale=1.2, size=(len(diseases), rows))[:, patient], strict=True))
    columns: dict[str, npt.NDArray[Any]] = {}
    for finding, risk in risks.items():
        odds = _ehr_log_odds(truth, risk) + burden[risk.disease] + rng.normal(scale=0.8, size=rows)[patient]
        present = rng.random(rows) < _expit(odds + _intercept(odds, risk.prevalence))
        columns[finding] = np.where(present, rng.uniform(0.5, 1.0, rows), 0.0)
        sides = np.where(rng.random(rows) < 0.5, RIGHT, LEFT)
        columns[f"{finding}:side"] = np.where(rng.random(rows) < risk.bilateral, BOTH, sides)
    return pd.DataFrame(columns)


def _ehr_log_odds(truth: pd.DataFrame, risk: Risk) -> Floats:
    """Log odds of one finding from age, sex and setting, ``(N,)``."""
    by_setting = np.array([0.0, risk.ward, risk.icu])[truth["setting"].to_numpy()]
    by_person = risk.age * (truth["age"] - 56) / 20 + risk.male * truth["male"]
    return np.asarray(by_person.to_numpy() + by_setting)


def _intercept(odds: Floats, prevalence: float) -> float:
    """The constant that makes the mean probability equal the prevalence, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _expit(odds + middle).mean() < prevalence else (low, middle)
    return (low + high) / 2


def _expit(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
