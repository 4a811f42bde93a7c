"""Writes the MIMIC-IV tables of the general hospital: patients, admissions and ICU stays, in the v1 or v3 layout.

Columns are those of https://physionet.org/content/mimiciv-demo/2.2/ and of v1.0. Quirks that are written: films taken
in the emergency department before admission, films outside of any admission, stays that overlap, admissions without a
film, patients without a film, ages over 89 as 91, deaths in hospital.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench_synthetic.hospitals.csv_files import write_csv
from sslbench_synthetic.hospitals.population import YEARS
from sslbench_synthetic.hospitals.stays import draw_admissions, draw_icu_stays

PATIENTS = ("subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group", "dod")
ADMISSIONS = {
    "v1": (
        "subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "admission_location",
        "discharge_location", "insurance", "language", "marital_status", "ethnicity", "edregtime", "edouttime",
        "hospital_expire_flag",
    ),
    "v3": (
        "subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "admit_provider_id",
        "admission_location", "discharge_location", "insurance", "language", "marital_status", "race", "edregtime",
        "edouttime", "hospital_expire_flag",
    ),
}  # fmt: skip
ICU_STAYS = ("subject_id", "hadm_id", "stay_id", "first_careunit", "last_careunit", "intime", "outtime", "los")
FOLDERS = {"v1": "core", "v3": "hosp"}

OLDEST_SHOWN, CAP = 89, 91
"""Anchor ages over the first are written as the second."""

ADULT = 18
"""The youngest anchor age."""

FILMLESS = 0.05
"""Share of the patients that have no film."""

YEAR_GROUPS = ("2008 - 2010", "2011 - 2013", "2014 - 2016", "2017 - 2019")
"""The true years, of which only the group is told; films were taken until 2016."""

RACES = {
    "v1": ("WHITE", "BLACK/AFRICAN AMERICAN", "HISPANIC/LATINO", "ASIAN", "UNKNOWN", "OTHER"),
    "v3": ("WHITE", "BLACK/AFRICAN AMERICAN", "HISPANIC/LATINO - PUERTO RICAN", "ASIAN - CHINESE", "UNKNOWN", "OTHER"),
}
RACE_SHARES = (0.64, 0.15, 0.06, 0.05, 0.06, 0.04)


def write(studies: pd.DataFrame, release: str, folder: Path, rng: np.random.Generator) -> dict[str, int]:
    """Write the tables of the patients in ``studies`` and of a few others.

    Args:
        studies: of ``draw_studies``, with ``subject_id``; all of a patient's or none.
        release: ``v1`` or ``v3``.
        folder: for ``core/`` or ``hosp/``, and ``icu/``.
        rng: of everything in the tables.

    Returns:
        Numbers of admissions, ICU stays and deaths in hospital.
    """
    admissions = draw_admissions(studies, rng)
    icu = draw_icu_stays(studies, admissions, rng)
    patients = _patients(studies, admissions, rng)
    tables = folder / FOLDERS[release]
    write_csv(patients[list(PATIENTS)], tables / "patients.csv.gz")
    write_csv(_in_words(admissions, patients, release, rng), tables / "admissions.csv.gz")
    write_csv(icu[list(ICU_STAYS)], folder / "icu" / "icustays.csv.gz")
    deaths = int(admissions["hospital_expire_flag"].sum())
    return {"admissions": len(admissions), "ICU stays": len(icu), "deaths in hospital": deaths}


def _patients(studies: pd.DataFrame, admissions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient; age at study is the anchor age plus the years since the anchor year."""
    first = studies.groupby("subject_id", sort=True).first().reset_index()
    back = np.minimum(rng.integers(0, 3, len(first)), first["age"] - ADULT)
    table = pd.DataFrame(
        {
            "subject_id": first["subject_id"],
            "gender": first["male"].map({1: "M", 0: "F"}),
            "anchor_age": first["age"] - back,
            "anchor_year": first["time"].dt.year - back,
        }
    )
    table = pd.concat([table, _filmless(first["subject_id"], rng)], ignore_index=True).sort_values("subject_id")
    table["anchor_age"] = table["anchor_age"].mask(table["anchor_age"] > OLDEST_SHOWN, CAP)
    table["anchor_year_group"] = rng.choice(YEAR_GROUPS, len(table), p=(0.2, 0.35, 0.35, 0.1))
    dead = admissions[admissions["deathtime"] != ""].set_index("subject_id")["deathtime"].str[:10]
    table["dod"] = table["subject_id"].map(dead).fillna("")
    return table


def _filmless(known: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    """Patients of whom there is no film."""
    count = max(1, round(FILMLESS * len(known)))
    drawn = rng.choice(9_999_999, count + len(known), replace=False) + 10_000_000
    fresh = [name for name in drawn.astype(str) if name not in set(known)][:count]
    return pd.DataFrame(
        {
            "subject_id": fresh,
            "gender": rng.choice(["M", "F"], count),
            "anchor_age": rng.integers(18, 95, count),
            "anchor_year": rng.integers(*YEARS, count),
        }
    )


def _in_words(admissions: pd.DataFrame, patients: pd.DataFrame, release: str, rng: np.random.Generator) -> pd.DataFrame:
    """The admissions with what the hospital's desk writes down, in the release's columns."""
    count, emergency, died = len(admissions), admissions["edregtime"] != "", admissions["hospital_expire_flag"] == 1
    race = dict(zip(patients["subject_id"], rng.choice(RACES[release], len(patients), p=RACE_SHARES), strict=True))
    words: dict[str, Any] = {
        "admission_type": np.where(emergency, "EW EMER.", rng.choice(["URGENT", "ELECTIVE", "DIRECT EMER."], count)),
        "admit_provider_id": [f"P{number:05d}" for number in rng.integers(0, 10**5, count)],
        "admission_location": np.where(
            emergency, "EMERGENCY ROOM", rng.choice(["PHYSICIAN REFERRAL", "TRANSFER FROM HOSPITAL"], count)
        ),
        "discharge_location": np.where(
            died, "DIED", rng.choice(["HOME", "HOME HEALTH CARE", "SKILLED NURSING FACILITY", ""], count)
        ),
        "insurance": rng.choice(["Medicare", "Medicaid", "Other"], count, p=(0.45, 0.1, 0.45)),
        "language": rng.choice(["ENGLISH", "?"], count, p=(0.92, 0.08)),
        "marital_status": rng.choice(["MARRIED", "SINGLE", "WIDOWED", "DIVORCED", ""], count),
        "race" if release == "v3" else "ethnicity": admissions["subject_id"].map(race),
    }
    return admissions.assign(**words)[list(ADMISSIONS[release])]
