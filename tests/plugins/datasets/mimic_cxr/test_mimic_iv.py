"""The join with MIMIC-IV, against a reference of plain loops, on random tables and on the genuine demo."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError
from sslbench_datasets.mimic_cxr.mimic_iv import FEATURES, read_features
from sslbench_datasets.mimic_cxr.release import Tables, find_tables

SECOND = timedelta(seconds=1)
EPOCH = datetime(2150, 1, 30)
PATIENTS = "subject_id,gender,anchor_age,anchor_year"
ADMISSIONS = "subject_id,hadm_id,admittime,dischtime,edregtime,hospital_expire_flag"
ICUSTAYS = "subject_id,stay_id,intime,outtime"


@cache
def moment(text: str) -> datetime | None:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S") if text else None


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def holds(begin: datetime | None, end: datetime | None, at: datetime, join: str) -> bool:
    if begin is None or end is None:
        return False
    if join == "day":
        turned = timedelta(0) <= begin.date() - end.date() <= timedelta(1)
        touched = (min(begin, end), max(begin, end)) if turned else (begin, end)
        return touched[0].date() <= at.date() <= touched[1].date()
    return begin <= at.replace(microsecond=0) <= end


def reference(films: list[dict[str, Any]], tables: Tables, join: str) -> list[tuple]:
    """Age, sex, mortality and icu of each image, row by row."""
    people = {row["subject_id"]: row for row in rows(tables.patients)}
    admissions, icu = defaultdict(list), defaultdict(list)
    for row in rows(tables.admissions):
        admissions[row["subject_id"]].append(row)
    for row in rows(tables.icustays):
        icu[row["subject_id"]].append(row)
    answers = []
    for film in films:
        patient, at = film["patient_id"], film["at"]
        if patient not in people:
            answers.append((None, None, None, None))
            continue
        age = int(people[patient]["anchor_age"]) + at.year - int(people[patient]["anchor_year"])
        flags = []
        for row in admissions[patient]:
            begins = [time for time in (moment(row["edregtime"]), moment(row["admittime"])) if time]
            if begins and holds(min(begins), moment(row["dischtime"]), at, join):
                flags.append(row["hospital_expire_flag"])
        in_icu = any(holds(moment(row["intime"]), moment(row["outtime"]), at, join) for row in icu[patient])
        answers.append((
            age if 0 < age <= 120 else None,
            people[patient]["gender"],
            "1" if "1" in flags else "0" if flags else None,
            "1" if in_icu else "0" if flags else None,
        ))  # fmt: skip
    return answers


def films_frame(films: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame({
        "patient_id": [film["patient_id"] for film in films],
        "date": [film["at"].strftime("%Y%m%d") for film in films],
        "time": [film["at"].strftime("%H%M%S.%f") for film in films],
    })  # fmt: skip


def joined(films: list[dict[str, Any]], tables: Tables, join: str) -> list[tuple]:
    frame = read_features(films_frame(films), tables, join).frame  # type: ignore[arg-type]
    return [
        tuple(None if pd.isna(value) else value for value in row)
        for row in frame[list(FEATURES)].itertuples(index=False)
    ]


def write(folder: Path, name: str, columns: str, table: list[tuple]) -> Path:
    (folder / f"{name}.csv").write_text("\n".join([columns, *(",".join(map(str, row)) for row in table)]) + "\n")
    return folder / f"{name}.csv"


def stamp(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""


def random_tables(folder: Path, rng: np.random.Generator) -> tuple[Tables, list[datetime]]:
    """Ten patients with stays that overlap, touch, end before they begin, or lack an end; and all their boundaries."""

    def time(chance: float = 1.0) -> datetime | None:
        return EPOCH + timedelta(seconds=int(rng.integers(0, 5 * 86_400))) if rng.random() < chance else None

    people = [
        (f"0{n}", rng.choice(["M", "F"]), int(rng.integers(1, 92)), int(rng.integers(2140, 2160))) for n in range(10)
    ]
    admissions = [(f"0{rng.integers(10)}", n, time(), time(0.9), time(0.6), rng.integers(2)) for n in range(40)]
    icu = [(f"0{rng.integers(10)}", n, time(), time(0.9)) for n in range(15)]
    known = [moment for row in (*admissions, *icu) for moment in row if isinstance(moment, datetime)]
    tables = Tables(
        write(folder, "patients", PATIENTS, people),
        write(folder, "admissions", ADMISSIONS, [(*row[:2], *map(stamp, row[2:5]), row[5]) for row in admissions]),
        write(folder, "icustays", ICUSTAYS, [(*row[:2], *map(stamp, row[2:])) for row in icu]),
    )
    return tables, known


@pytest.mark.parametrize("join", ["second", "day"])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_plain_loop_on_random_tables(tmp_path: Path, seed: int, join: str) -> None:
    rng = np.random.default_rng(seed)
    tables, boundaries = random_tables(tmp_path, rng)
    times = [at + SECOND * step for at in boundaries for step in (-1, 0, 1)]
    times += [at.replace(hour=0, minute=0, second=0) - SECOND * step for at in boundaries for step in (0, 1)]
    times += [at + timedelta(microseconds=999_999) for at in boundaries]
    films = [{"patient_id": f"0{rng.integers(12)}", "at": at} for at in times]  # patients 10 and 11 are in no table
    expected = reference(films, tables, join)
    assert joined(films, tables, join) == expected
    for column, values in ((2, {"0", "1", None}), (3, {"0", "1", None})):
        assert {row[column] for row in expected} == values


@pytest.mark.real
@pytest.mark.parametrize("join", ["second", "day"])
@pytest.mark.parametrize("layout", ["mimic_iv_demo_2.2", "mimic_iv_demo_v1_columns"])
def test_equals_the_plain_loop_on_the_genuine_demo(layout: str, join: str, genuine: Callable[[str], Path]) -> None:
    folder = genuine(f"formats/{layout}")
    tables = find_tables(folder)
    times = [(row["subject_id"], moment(row[name]))
             for path, names in ((tables.admissions, ("edregtime", "admittime", "dischtime")),
                                 (tables.icustays, ("intime", "outtime")))
             for row in rows(path) for name in names if row[name]]  # fmt: skip
    steps = [timedelta(0), SECOND, -SECOND, timedelta(hours=5), timedelta(days=1), timedelta(days=-400)]
    films = [{"patient_id": patient, "at": at + step} for patient, at in times if at for step in steps]
    films += [{"patient_id": "99999999", "at": EPOCH}]
    expected = reference(films, tables, join)
    assert joined(films, tables, join) == expected
    assert len(expected) > 5000
    assert {row[2] for row in expected} == {"0", "1", None}
    assert {row[3] for row in expected} == {"0", "1", None}


PERSON = ("7", "F", 60, 2148)
STAY = ("7", 1, "2150-03-01 08:00:00", "2150-03-02 08:00:00", "2150-03-01 04:00:00", 1)
ICU = ("7", 5, "2150-03-01 10:00:00", "2150-03-01 20:00:00")


def tables_of(folder: Path, people: Any = (PERSON,), admissions: Any = (STAY,), icu: Any = (ICU,)) -> Tables:
    return Tables(write(folder, "patients", PATIENTS, people), write(folder, "admissions", ADMISSIONS, admissions),
                  write(folder, "icustays", ICUSTAYS, icu))  # fmt: skip


def at(tables: Tables, *times: str, join: str = "second") -> list[tuple]:
    films = [{"patient_id": "7", "at": moment(time)} for time in times]
    return [row[2:] for row in joined(films, tables, join)]


def test_boundaries_are_inside_and_the_emergency_department_belongs_to_the_stay(tmp_path: Path) -> None:
    tables = tables_of(tmp_path)
    assert at(tables, "2150-03-01 03:59:59", "2150-03-01 04:00:00", "2150-03-02 08:00:00", "2150-03-02 08:00:01") == [
        (None, None), ("1", "0"), ("1", "0"), (None, None),
    ]  # fmt: skip
    assert at(tables, "2150-03-01 09:59:59", "2150-03-01 10:00:00", "2150-03-01 20:00:00", "2150-03-01 20:00:01") == [
        ("1", "0"), ("1", "1"), ("1", "1"), ("1", "0"),
    ]  # fmt: skip


def test_days_hold_whatever_touches_them(tmp_path: Path) -> None:
    times = ("2150-02-28 23:59:59", "2150-03-01 00:00:00", "2150-03-02 23:59:59", "2150-03-03 00:00:00")
    found = at(tables_of(tmp_path), *times, join="day")
    assert found == [(None, None), ("1", "1"), ("1", "0"), (None, None)]


@pytest.mark.parametrize(
    ("begin", "end", "days"),
    [
        ("2150-01-05 10:00:00", "2150-01-05 04:00:00", [5]),
        ("2150-01-05 01:00:00", "2150-01-04 23:00:00", [4, 5]),
        ("2150-01-05 10:00:00", "2150-01-02 10:00:00", []),
        ("2150-01-05 10:00:00", "2150-01-06 01:00:00", [5, 6]),
    ],
)
def test_days_hold_stays_that_end_before_they_begin(tmp_path: Path, begin: str, end: str, days: list[int]) -> None:
    tables = tables_of(tmp_path, admissions=[("7", 1, begin, end, "", 1)], icu=[("7", 5, begin, end)])
    found = at(tables, *(f"2150-01-{day:02d} 12:00:00" for day in range(1, 8)), join="day")
    assert found == [("1", "1") if day in days else (None, None) for day in range(1, 8)]


def test_overlapping_admissions_count_a_death_in_any(tmp_path: Path) -> None:
    longer = ("7", 2, "2150-02-01 08:00:00", "2150-04-01 08:00:00", "", 0)
    tables = tables_of(tmp_path, admissions=[STAY, longer])
    assert at(tables, "2150-03-01 12:00:00", "2150-03-10 12:00:00") == [("1", "1"), ("0", "0")]
    counts = read_features(films_frame([{"patient_id": "7", "at": datetime(2150, 3, 1, 12)}]), tables, "second").counts
    assert counts["images in overlapping admissions"] == 1


def test_a_registration_after_the_admission_does_not_delay_it(tmp_path: Path) -> None:
    late = (*STAY[:4], "2150-03-01 09:00:00", 0)
    assert at(tables_of(tmp_path, admissions=[late]), "2150-03-01 08:00:00") == [("0", "0")]


def test_an_icu_stay_outside_of_admissions_says_nothing_of_death(tmp_path: Path) -> None:
    assert at(tables_of(tmp_path, admissions=[("8", *STAY[1:])]), "2150-03-01 12:00:00") == [(None, "1")]


def test_stays_that_cannot_be_placed_are_counted(tmp_path: Path) -> None:
    admissions = [
        STAY,
        ("7", 2, "2150-05-02 08:00:00", "2150-05-01 08:00:00", "", 1),
        ("7", 3, "2150-06-01 08:00:00", "", "", 1),
    ]
    tables = tables_of(tmp_path, admissions=admissions, icu=[ICU, ("7", 6, "2150-06-01 08:00:00", "")])
    film = films_frame([{"patient_id": "7", "at": datetime(2150, 5, 1, 12)}])
    frame, counts = read_features(film, tables, "second")
    assert frame["mortality"].isna().all()
    assert counts["admissions that end before they begin or never"] == 2
    assert counts["ICU stays that end before they begin or never"] == 1
    assert counts["images outside of every admission"] == 1


def test_the_flag_of_death_may_be_blank(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, admissions=[(*STAY[:5], "")])
    assert at(tables, "2150-03-01 12:00:00") == [(None, "1")]
    with pytest.raises(DataError, match=r"hospital_expire_flag must be 1, 0 or blank; .*admissions\.csv has yes"):
        at(tables_of(tmp_path, admissions=[(*STAY[:5], "yes")]), "2150-03-01 12:00:00")


@pytest.mark.parametrize(
    ("age", "year", "found"),
    [("60", "2148", 62), ("91", "2148", 93), ("005Y", "2148", 7), ("411", "2148", None), ("0", "2150", None),
     ("", "2148", None), ("60", "", None), ("60", "2290", None), ("119", "2140", None), ("old", "2148", None)],
)  # fmt: skip
def test_ages(tmp_path: Path, age: str, year: str, found: int | None) -> None:
    tables = tables_of(tmp_path, people=[("7", "F", age, year)])
    answer = read_features(films_frame([{"patient_id": "7", "at": datetime(2150, 3, 1)}]), tables, "second")
    assert [None if np.isnan(value) else value for value in answer.frame["age"]] == [found]
    seen = {what for what, count in answer.counts.items() if count and "age" in what.split()}
    assert seen == ({"age counted on from the cap at 91 years"} if age == "91" else set() if found else
                    {"missing age"} if not age else {"implausible or unreadable age"})  # fmt: skip


def test_unknown_sex_is_missing(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, people=[("7", "Unknown", 60, 2148), ("8", "", 60, 2148)])
    films = [{"patient_id": patient, "at": EPOCH} for patient in "78"]
    frame, counts = read_features(films_frame(films), tables, "second")
    assert frame["sex"].isna().all()
    assert (counts["unknown sex"], counts["missing sex"]) == (1, 1)


def test_studies_without_a_time_have_age_and_sex_alone(tmp_path: Path) -> None:
    films = films_frame([{"patient_id": "7", "at": datetime(2150, 3, 1, 12)}] * 2).assign(time=["120000", "late"])
    frame, counts = read_features(films, tables_of(tmp_path), "second")
    assert frame["age"].tolist() == [62, 62]
    assert frame["mortality"].isna().tolist() == [False, True]
    assert counts["images without a readable study time"] == 1
    with pytest.raises(DataError, match="StudyDate must be like 21800506"):
        read_features(films.assign(date="2150-03-01"), tables_of(tmp_path), "second")


def test_patients_of_another_hospital_are_refused_where_none_is_linked(tmp_path: Path) -> None:
    films = films_frame([{"patient_id": "8", "at": EPOCH}])
    with pytest.raises(
        DataError, match=r"none of the 1 patients of the images are in .*patients\.csv; check --ehr-root"
    ):
        read_features(films, tables_of(tmp_path), "second")


def test_patients_and_stays_that_occur_twice(tmp_path: Path) -> None:
    assert at(tables_of(tmp_path, people=[PERSON, PERSON], admissions=[STAY, STAY]), "2150-03-01 12:00:00") == [
        ("1", "1")
    ]
    with pytest.raises(DataError, match="one row for each subject_id; 1 have several that differ: 7"):
        at(tables_of(tmp_path, people=[PERSON, ("7", "M", 60, 2148)]), "2150-03-01 12:00:00")
    with pytest.raises(DataError, match="one row for each hadm_id; 1 have several that differ: 1"):
        at(tables_of(tmp_path, admissions=[STAY, (*STAY[:5], 0)]), "2150-03-01 12:00:00")
