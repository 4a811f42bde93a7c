"""Hospital stays around the films of patients in bed: admissions, emergency department, intensive care, death.

The setting of a study (ward, intensive care) is its truth; stays are built around it, so that a loader that joins films
to stays by time must find it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sslbench_synthetic.cohort.population import FINDINGS, ICU, OUTPATIENT
from sslbench_synthetic.hospitals.csv_files import spread

STAMP = "%Y-%m-%d %H:%M:%S"

EMERGENCY = 0.66
"""Share of the admissions through the emergency department (182 of 275 in the MIMIC-IV demo)."""

BOARDING = 4.25
"""Median hours from registration there to admission (in the demo)."""

SENT_HOME = 0.1
"""Share of the visits in bed that are no admission: seen in the emergency department and sent home."""

OVERLAPPING, WITHOUT_FILM = 0.03, 0.15
"""Shares of the admissions that overlap another one, and that have no film."""

LONGEST_STAY = 8.0
"""Days from the last film to discharge, at most; the next visit is 14 days away at least."""

MOMENTS = ("first", "last", "after", "before")
"""Of a run of films in intensive care: its first and last film, and the times that its stay must not reach beyond."""

CARE_UNITS = (
    "Medical Intensive Care Unit (MICU)",
    "Surgical Intensive Care Unit (SICU)",
    "Cardiac Vascular Intensive Care Unit (CVICU)",
    "Coronary Care Unit (CCU)",
)


def draw_admissions(studies: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One row per admission with times as text, and ``visit`` (-1 where it has no film).

    Args:
        studies: of ``draw_studies``, with ``subject_id``.
        rng: to draw from.
    """
    visits = _visits(studies)
    admitted = visits[spread(len(visits), rng) >= SENT_HOME].reset_index(drop=True)
    table = pd.concat([_with_films(admitted, rng), _without_films(admitted, rng)], ignore_index=True)
    table = pd.concat([table, _overlapping(table, rng)], ignore_index=True)
    table.insert(1, "hadm_id", (rng.choice(9_999_999, len(table), replace=False) + 20_000_000).astype(str))
    table = table.sort_values(["subject_id", "admittime"], ignore_index=True)
    for column in ("admittime", "dischtime", "deathtime", "edregtime", "edouttime"):
        table[column] = table[column].dt.floor("min").dt.strftime(STAMP).fillna("")
    return table


def _visits(studies: pd.DataFrame) -> pd.DataFrame:
    """Visits in bed with the times of the first and last film, and how ill the patient was in the last."""
    ill = studies[studies["setting"] != OUTPATIENT].assign(
        findings=(studies[list(FINDINGS)] > 0).sum(axis=1),
        last_visit=studies["visit"] == studies.groupby("subject_id")["visit"].transform("max"),
    )
    return ill.groupby(["subject_id", "visit"], as_index=False).agg(
        first=("time", "first"),
        last=("time", "last"),
        first_setting=("setting", "first"),
        setting=("setting", "max"),
        age=("age", "last"),
        illness=("illness", "max"),
        findings=("findings", "max"),
        last_visit=("last_visit", "first"),
    )


def death_log_odds(visits: pd.DataFrame) -> pd.Series:
    """Log odds of dying in hospital: by age, illness, findings and intensive care. Chosen, not measured."""
    by_state = 0.7 * visits["illness"] + 0.45 * visits["findings"] + 0.9 * (visits["setting"] == ICU)
    return -4.2 + 0.03 * (visits["age"] - 60) + by_state


def _with_films(visits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Admissions around films: some films are taken in the emergency department, before the admission."""
    count = len(visits)
    in_icu = visits["first_setting"] == ICU
    emergency = rng.random(count) < EMERGENCY
    # Who is first pictured in intensive care was registered long before, and admitted before the film, too.
    came = visits["first"] - _hours(np.where(in_icu, rng.uniform(20, 40, count), rng.uniform(0.2, 4, count)))
    admitted = came + _hours(np.clip(rng.lognormal(np.log(BOARDING), 0.5, count), 0.5, 14))
    direct = visits["first"] - _hours(rng.uniform(12, 40, count))
    stays_on = _hours(24 * np.clip(0.6 + rng.exponential(2.0, count), 0.6, LONGEST_STAY))
    discharged = (visits["last"] + stays_on).clip(lower=admitted + _hours(6))
    dies = (rng.random(count) < 1 / (1 + np.exp(-death_log_odds(visits)))) & visits["last_visit"]
    return pd.DataFrame(
        {
            "subject_id": visits["subject_id"],
            "visit": visits["visit"],
            "admittime": admitted.where(emergency, direct),
            "dischtime": discharged,
            "deathtime": discharged.where(dies),
            "edregtime": came.where(emergency),
            "edouttime": (admitted + _hours(rng.uniform(0, 3, count))).where(emergency),
            "hospital_expire_flag": dies.astype(int),
        }
    )


def _without_films(visits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Earlier admissions of some patients, years before any film."""
    first = visits.groupby("subject_id", as_index=False)["first"].min()
    chosen = first[spread(len(first), rng) < WITHOUT_FILM]
    start = chosen["first"] - _hours(24 * rng.uniform(3000, 4000, len(chosen)))
    return _plain(chosen["subject_id"], start, start + _hours(24 * (0.5 + rng.exponential(3, len(chosen)))))


def _overlapping(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Second admissions that begin before the first one of a patient who lives ends."""
    alive = table[(table["hospital_expire_flag"] == 0) & (table["visit"] >= 0)]
    chosen = alive[spread(len(alive), rng) < OVERLAPPING]
    start = chosen["dischtime"] - _hours(rng.uniform(1, 40, len(chosen)))  # some before the last film
    return _plain(chosen["subject_id"], start, chosen["dischtime"] + _hours(rng.uniform(6, 48, len(chosen))))


def _plain(subjects: pd.Series, start: pd.Series, end: pd.Series) -> pd.DataFrame:
    """Admissions without film, emergency department or death."""
    table = pd.DataFrame({"subject_id": subjects, "visit": -1, "admittime": start, "dischtime": end})
    never = pd.Series(pd.NaT, index=table.index)
    return table.assign(deathtime=never, edregtime=never, edouttime=never, hospital_expire_flag=0)


def draw_icu_stays(studies: pd.DataFrame, admissions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One row per ICU stay: each run of a visit's films in intensive care has one around it, and no other film."""
    found = admissions[admissions["visit"] >= 0]
    films = studies.merge(
        found[["subject_id", "visit", "hadm_id", "admittime", "dischtime"]], on=["subject_id", "visit"]
    )
    runs = list(_runs(films.sort_values(["subject_id", "time"])))
    table, count = pd.DataFrame(runs, columns=["subject_id", "hadm_id", *MOMENTS]), len(runs)
    table = table.astype(dict.fromkeys(MOMENTS, "datetime64[s]"))
    table["intime"] = np.maximum(table["first"] - _hours(rng.uniform(1, 10, count)), table["after"])
    table["outtime"] = np.minimum(table["last"] + _hours(rng.uniform(4, 60, count)), table["before"])
    table["los"] = (table["outtime"] - table["intime"]).dt.total_seconds() / 86400
    table["first_careunit"] = rng.choice(CARE_UNITS, count)
    moves = rng.random(count) < 0.1
    table["last_careunit"] = table["first_careunit"].mask(moves, pd.Series(rng.choice(CARE_UNITS, count)))
    table["stay_id"] = (rng.choice(9_999_999, count, replace=False) + 30_000_000).astype(str)
    for column in ("intime", "outtime"):
        table[column] = table[column].dt.floor("s").dt.strftime(STAMP)
    return table


def _runs(films: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Runs of films in intensive care."""
    for (subject, hadm), visit in films.groupby(["subject_id", "hadm_id"], sort=True):
        times, in_icu = visit["time"].to_list(), (visit["setting"] == ICU).to_list()
        # The stay ends half-way to the neighbouring films, or with the admission.
        edges = [pd.Timestamp(visit["admittime"].iloc[0])]
        edges += [one + (two - one) / 2 for one, two in pairwise(times)] + [pd.Timestamp(visit["dischtime"].iloc[0])]
        for inside, run in groupby(range(len(times)), in_icu.__getitem__):
            if inside:
                films_inside = list(run)
                start, end = films_inside[0], films_inside[-1]
                moments = (times[start], times[end], edges[start], edges[end + 1])
                yield {"subject_id": subject, "hadm_id": hadm, **dict(zip(MOMENTS, moments, strict=True))}


def _hours(count: npt.ArrayLike) -> npt.NDArray[np.timedelta64]:
    return np.round(np.asarray(count, dtype=float) * 3600).astype("timedelta64[s]")
