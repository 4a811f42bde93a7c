"""Who comes to a hospital, when, how ill, and which films are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sslbench_synthetic.cohort.population import ICU, MAX_STUDIES, OUTPATIENT, WARD, draw_findings
from sslbench_synthetic.hospitals.profiles import Hospital

OLDEST = 104
YEARS = (2110, 2180)
"""Years of the first films: shifted into the future, as MIMIC's are."""

SAME_STAY = 0.65
"""Share of the studies in bed that follow an earlier one of the same stay."""

SECOND_FRONTAL = 0.05
"""Share of the studies in which the frontal film is repeated."""

BED_LATERAL = 0.04
"""Share of the studies in bed with a lateral film."""


def stream(seed: int, hospital: Hospital, purpose: int) -> np.random.Generator:
    """Random numbers of one hospital for one purpose; the embedded cohort's purposes are below 10."""
    return np.random.default_rng([seed, 10 * hospital.number + purpose])


def draw_studies(hospital: Hospital, patients: int, seed: int) -> pd.DataFrame:
    """One row per study, in the order of patients and time.

    Args:
        hospital: of which age mix, severity and prevalence are.
        patients: their number.
        seed: of everything drawn.

    Returns:
        ``patient`` and ``study`` numbers from 1 and 0; ``visit``, which counts a patient's stays and outpatient visits
        from 0; ``time`` of the study; the truth (``age`` in years: that at the first study and the calendar years
        since, ``male``, ``setting``, ``illness`` where 0 is typical); for each finding its severity in (0, 1], 0
        where absent, and ``<finding>:side``.
    """
    rng = stream(seed, hospital, 0)
    frailty = rng.normal(size=patients)
    first_age = np.clip(rng.normal(hospital.age[0] + 5 * frailty, hospital.age[1]), hospital.youngest, OLDEST)
    male = (rng.random(patients) < hospital.male).astype(int)
    further = rng.poisson(hospital.visits * np.exp(0.3 * np.clip(frailty, -1, 1.5)))
    who = np.repeat(np.arange(patients), np.clip(1 + further, 1, MAX_STUDIES))
    illness = 0.5 * frailty[who] + 0.25 * (first_age[who] - 56) / 17 + rng.normal(scale=0.8, size=len(who))
    table = pd.DataFrame({"patient": who + 1, "male": male[who], "illness": illness})
    table["study"] = table.groupby("patient").cumcount()
    table["setting"] = np.digitize(illness, (hospital.ward, hospital.icu))
    _add_times(table, rng)
    years = table["time"].dt.year
    table["age"] = np.floor(first_age[who]).astype(int) + years - years.groupby(table["patient"]).transform("first")
    return table.join(draw_findings(table, rng, hospital.risks))


def _add_times(table: pd.DataFrame, rng: np.random.Generator) -> None:
    """Add the columns ``visit`` and ``time``: films of one stay are days apart, visits weeks to years."""
    rows, in_bed = len(table), table["setting"] != OUTPATIENT
    first = (table["study"] == 0).to_numpy()
    follows = (in_bed & in_bed.shift(fill_value=False) & ~first & (rng.random(rows) < SAME_STAY)).to_numpy()
    days_on = np.where(follows, 0.15 + rng.exponential(1.2, rows), 14 + rng.exponential(150, rows))
    start = (rng.uniform(*YEARS, rows) - 1970) * 365.25  # used where a patient's first study is
    hour = np.where(in_bed, rng.uniform(0, 24, rows), rng.normal(13, 2.5, rows).clip(7, 18.9))
    day, days = 0.0, np.empty(rows)
    for row in range(rows):
        day = start[row] if first[row] else day + days_on[row]
        day = day if follows[row] else np.floor(day) + hour[row] / 24
        days[row] = day
    table["visit"] = pd.Series(~follows).astype(int).groupby(table["patient"]).cumsum() - 1
    table["time"] = pd.to_datetime(np.round(days * 86400).astype("int64"), unit="s")


def draw_films(hospital: Hospital, studies: pd.DataFrame, seed: int, size: int) -> pd.DataFrame:
    """One row per film: its study's row with ``film`` (number within the patient), ``view`` and size.

    Args:
        hospital: of which share of laterals and film format are.
        studies: from :func:`draw_studies`.
        seed: of the population.
        size: short side of the picture in px.

    Returns:
        ``view`` is PA, AP or LATERAL; ``height`` and ``width`` in px; ``film`` counts from 0.
    """
    rng = stream(seed, hospital, 1)
    bed = studies["setting"] != OUTPATIENT
    lateral = rng.random(len(studies)) < np.where(bed, min(BED_LATERAL, hospital.lateral), hospital.lateral)
    # A film format without laterals has one film a study, as NIH's release has.
    again = (rng.random(len(studies)) < SECOND_FRONTAL) & (hospital.lateral > 0)
    films = studies.loc[studies.index.repeat(1 + again + lateral)]
    order = films.groupby(level=0).cumcount().to_numpy()
    is_lateral = lateral[films.index] & (order == (1 + again)[films.index])
    frontal = films["setting"].map({OUTPATIENT: "PA", WARD: "AP", ICU: "AP"})
    films = films.assign(view=frontal.mask(is_lateral, "LATERAL")).reset_index(drop=True)
    films["film"] = films.groupby("patient").cumcount()
    long = round(size * hospital.look.long)
    landscape = films["view"].eq("AP") & (rng.random(len(films)) < 0.8)
    films["height"], films["width"] = np.where(landscape, size, long), np.where(landscape, long, size)
    return films


def by_patient(studies: pd.DataFrame, values: npt.NDArray[Any]) -> pd.Series:
    """Each row's patient's value of one value per patient."""
    return pd.Series(values[studies["patient"].to_numpy() - 1], index=studies.index)


def person(hospital: Hospital, film: Mapping[str, Any]) -> dict[str, Any]:
    """A row for the drawing: no two hospitals share a patient, and each film of a patient is taken anew."""
    return {**film, "patient": hospital.number * 10_000_000 + film["patient"], "study": film["film"]}


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One mapping a row."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
