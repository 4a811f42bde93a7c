"""EHR features of images from the tables of MIMIC-IV.

Johnson et al., "MIMIC-IV, a freely accessible electronic health record dataset", Scientific Data 2023,
https://doi.org/10.1038/s41597-022-01899-x
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.tables import header_of, read_csv, unique_rows
from ssl_bench.errors import DataError, shortened
from sslbench_datasets.mimic_cxr.clock import Join, StudyTimes, in_unit, stay_times, study_times
from sslbench_datasets.mimic_cxr.films import Noticed
from sslbench_datasets.mimic_cxr.people import COLUMNS, attributes, years
from sslbench_datasets.mimic_cxr.release import Tables
from sslbench_datasets.mimic_cxr.stays import Mask, Stays, count_holding, usable
from sslbench_datasets.values import MAX_AGE, parse_age

FEATURES = ("age", "sex", "mortality", "icu")
ATTRIBUTES = ("race", "insurance", "year")
"""What a run must ask for, and the tables may lack."""

PATIENTS = ("subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group")
ADMISSIONS = ("subject_id", "hadm_id", "edregtime", "admittime", "dischtime", "hospital_expire_flag")
ICUSTAYS = ("subject_id", "stay_id", "intime", "outtime")
"""The columns that are read; every release has them, but extracts of it may lack the group of years."""

CAP = 91
"""``anchor_age`` of every patient over 89."""

UNLINKED = "patients that MIMIC-IV lacks"
UNLINKED_IMAGES = "images of patients that MIMIC-IV lacks"


class Who(NamedTuple):
    """Patients of images.

    Args:
        patients: their ids, each once.
        rows: ``(N,)`` number of each image's patient.
        linked: ``(N,)`` whether MIMIC-IV has the patient.
    """

    patients: pd.Index
    rows: npt.NDArray[np.int64]
    linked: Mask


def read_features(films: pd.DataFrame, tables: Tables, join: Join) -> Noticed:
    """Age, sex, death in hospital and ICU stay at the time of every image, in the order of ``films``.

    Args:
        films: ``patient_id`` and the study's ``date, time`` as text.
        tables: of one release of MIMIC-IV.
        join: whether a stay holds the second of a study, or its day.

    Raises:
        DataError: the tables are not what they should be, or no patient or no date of the images can be used.
    """
    rows, patients = pd.factorize(films["patient_id"])
    people = _read_patients(tables.patients, patients)
    linked = np.isin(rows, patients.get_indexer(pd.Index(people["subject_id"])))
    who = Who(patients, rows.astype(np.int64), linked)
    if not linked.any():
        raise DataError(
            f"none of the {len(patients)} patients of the images are in {tables.patients}; check --ehr-root"
        )
    when = study_times(films["date"], films["time"], join)
    if np.isnan(when.at[linked]).all():
        raise DataError(
            "StudyDate must be like 21800506 and StudyTime like 213014.531 in the metadata; no date and time of a "
            f"patient in {tables.patients} can be read; download the metadata again"
        )
    frame, counts = _demographics(people, films["patient_id"], who, when)
    stay, noticed = _stay_features(tables, who, when, join)
    unlinked = {UNLINKED: len(np.unique(rows[~linked])), UNLINKED_IMAGES: int((~linked).sum())}
    found = frame.join(stay)
    order = [name for name in (*FEATURES, *ATTRIBUTES) if name in found]
    return Noticed(found[order], {**unlinked, **counts, **noticed})


def _read_patients(path: Path, patients: pd.Index) -> pd.DataFrame:
    """The patients of images that MIMIC-IV has, one row each, with their ``anchor`` in years beside the text."""
    text = read_csv(path, {name: name for name in PATIENTS}, optional=PATIENTS[-1:])
    text.check_filled("subject_id")
    table = unique_rows(text.frame[text.frame["subject_id"].isin(patients)], path, ["subject_id"])
    return table.assign(anchor=parse_age(table["anchor_age"]))


def _demographics(people: pd.DataFrame, ids: pd.Series, who: Who, when: StudyTimes) -> Noticed:
    """Age at the study, in years, sex, and the years that it was taken in."""
    of_image = people.set_index("subject_id").reindex(ids).reset_index(drop=True)
    anchor = of_image["anchor"]
    year = pd.to_numeric(of_image["anchor_year"], errors="coerce")
    age = anchor + (when.years - year.astype(float))
    age = age.where((age > 0) & (age <= MAX_AGE))
    sex = of_image["gender"].where(of_image["gender"].isin(("M", "F")))
    dated = who.linked & ~np.isnan(when.years)
    unknown = {
        "missing age": of_image["anchor_age"] == "",
        "implausible or unreadable age": age.isna() & (of_image["anchor_age"] != "") & dated,
        f"age counted on from the cap at {CAP} years": (anchor == CAP) & age.notna(),
        "missing sex": of_image["gender"] == "",
        "unknown sex": sex.isna() & (of_image["gender"] != ""),
    }
    counts = {what: int((mask & who.linked).sum()) for what, mask in unknown.items()}
    found = pd.DataFrame({"age": age.astype(float), "sex": sex})
    if "anchor_year_group" in of_image:
        found["year"] = years(of_image, when.years)
    return Noticed(found, counts)


def _stay_features(tables: Tables, who: Who, when: StudyTimes, join: Join) -> Noticed:
    """``mortality`` and ``icu`` as ``"1"``, ``"0"`` or missing, and what admissions tell of the patient.

    Overlapping stays: death in any admission that holds the study counts, and so does any ICU stay. Outside of every
    admission both are missing, for nobody knows; an ICU stay without an admission still says where the patient was.
    """
    admissions, died, unplaced, told = _read_admissions(tables.admissions, who.patients, join)
    icu, unplaced_icu = _read_icu(tables.icustays, who.patients, join)

    def holding(stays: Stays) -> npt.NDArray[np.int64]:
        return count_holding(stays, who.rows, when.at)

    inside = holding(admissions)
    deaths, survivals = holding(admissions.of(died == 1)), holding(admissions.of(died == 0))
    flags = {"mortality": _flags(deaths > 0, survivals > 0), "icu": _flags(holding(icu) > 0, inside > 0)}
    timed = ~np.isnan(when.at)
    counts = {
        "images without a readable study time": int((who.linked & ~timed).sum()),
        "images outside of every admission": int((who.linked & timed & (inside == 0)).sum()),
        "images in overlapping admissions": int((inside > 1).sum()),
        "admissions that end before they begin or never": unplaced,
        "ICU stays that end before they begin or never": unplaced_icu,
    }
    people, noticed = attributes(told, len(who.patients), who.rows)
    return Noticed(pd.DataFrame(flags).join(people), {**counts, **noticed})


def _flags(yes: Mask, no: Mask) -> pd.Series:
    return pd.Series(np.where(yes, "1", "0"), dtype="str").where(yes | no)


class Admissions(NamedTuple):
    """Admissions of the images' patients, whether they ended in death (1, 0, NaN), and how many cannot be placed.

    ``table`` has them all with what they tell of the patient.
    """

    stays: Stays
    died: npt.NDArray[np.float64]
    unplaced: int
    table: pd.DataFrame


def _read_admissions(path: Path, patients: pd.Index, join: Join) -> Admissions:
    """From the arrival in the emergency department, where there was one, to the discharge."""
    header = header_of(path)
    known = {name: next((column for column in columns if column in header), "") for name, columns in COLUMNS.items()}
    more = {name: column for name, column in known.items() if column}
    table = _of_patients(path, ADMISSIONS, patients, more)
    arrived, admitted = stay_times(table["edregtime"], path), stay_times(table["admittime"], path)
    stays, kept = _stays(table, np.fmin(arrived, admitted), stay_times(table["dischtime"], path), join)
    flag = table["hospital_expire_flag"]
    strange = flag[~flag.isin(("1", "0", ""))].unique().tolist()
    if strange:
        raise DataError(f"hospital_expire_flag must be 1, 0 or blank; {path} has {shortened(strange)}")
    died = pd.to_numeric(flag, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return Admissions(stays, died[kept], int((~kept).sum()), table)


def _read_icu(path: Path, patients: pd.Index, join: Join) -> tuple[Stays, int]:
    table = _of_patients(path, ICUSTAYS, patients)
    stays, kept = _stays(table, stay_times(table["intime"], path), stay_times(table["outtime"], path), join)
    return stays, int((~kept).sum())


def _of_patients(
    path: Path, columns: Sequence[str], patients: pd.Index, more: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The rows of some patients, with the number of each in ``patient``; one row for each stay.

    ``more`` are further columns of the file by our name.
    """
    text = read_csv(path, {name: name for name in columns} | dict(more or {}))
    text.check_filled(*columns[:2])
    table = text.frame.assign(patient=patients.get_indexer(pd.Index(text.frame["subject_id"])))
    return unique_rows(table[table["patient"] >= 0], path, [columns[1]])


def _stays(
    table: pd.DataFrame, begins: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], join: Join
) -> tuple[Stays, Mask]:
    """The stays that can be placed, and which rows they are.

    A few stays end some hours before they begin. By the second they hold nothing; by the day they hold the days that
    they touch, one or two.
    """
    begins, ends = in_unit(begins, join), in_unit(ends, join)
    if join == "day":
        turned = (ends < begins) & (begins - ends <= 1)
        begins, ends = np.where(turned, ends, begins), np.where(turned, begins, ends)
    kept = usable(begins, ends)
    return Stays(table["patient"].to_numpy(np.int64), begins, ends).of(kept), kept
