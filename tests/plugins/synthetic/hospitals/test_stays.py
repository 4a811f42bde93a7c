"""Stays around films: a slow join by time finds every film's setting again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sslbench_synthetic.cohort.population import ICU, OUTPATIENT
from sslbench_synthetic.hospitals.population import draw_studies
from sslbench_synthetic.hospitals.profiles import GENERAL
from sslbench_synthetic.hospitals.stays import draw_admissions, draw_icu_stays

TIMES = ("admittime", "dischtime", "deathtime", "edregtime", "edouttime", "intime", "outtime")


@pytest.fixture(scope="module")
def studies() -> pd.DataFrame:
    table = draw_studies(GENERAL, 400, 0)
    return table.assign(subject_id=(table["patient"] + 10_000_000).astype(str))


@pytest.fixture(scope="module")
def stays(studies: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    admissions = draw_admissions(studies, rng)
    icu = draw_icu_stays(studies, admissions, rng)
    for table in (admissions, icu):
        for column in set(TIMES) & set(table):
            table[column] = pd.to_datetime(table[column].replace("", None))
    return admissions, icu


@pytest.fixture(scope="module")
def joined(studies: pd.DataFrame, stays: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Each study with the admissions and ICU stays that hold its time, one patient after the other."""
    admissions, icu = ([*table.itertuples()] for table in stays)
    rows = []
    for study in studies.itertuples():
        own = [
            stay
            for stay in admissions
            if stay.subject_id == study.subject_id
            and (stay.admittime <= study.time or stay.edregtime <= study.time)
            and study.time <= stay.dischtime
        ]
        units = sum(unit.subject_id == study.subject_id and unit.intime <= study.time <= unit.outtime for unit in icu)
        early = any(study.time < stay.admittime for stay in own)
        died = max((stay.hospital_expire_flag for stay in own), default=-1)
        rows.append((len(own), units, early, died))
    return studies.assign(**dict(zip(("admissions", "units", "early", "died"), zip(*rows, strict=True), strict=True)))


def test_films_in_bed_lie_in_stays(joined: pd.DataFrame) -> None:
    bed = joined["setting"] != OUTPATIENT
    assert (joined.loc[~bed, "admissions"] == 0).all()
    assert 0.8 < (joined.loc[bed, "admissions"] > 0).mean() < 1  # some are sent home from the emergency department
    admitted = joined["admissions"] > 0
    assert (joined.loc[admitted, "units"] == (joined.loc[admitted, "setting"] == ICU)).all()
    assert (joined.loc[~admitted, "units"] == 0).all()


def test_quirks_are_there(joined: pd.DataFrame, stays: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    admissions = stays[0].sort_values(["subject_id", "admittime"])
    assert joined["early"].sum() > 10  # in the emergency department, before the admission
    before = admissions.groupby("subject_id")["dischtime"].shift()
    assert 0.01 < (admissions["admittime"] < before).mean() < 0.06  # overlapping
    assert 0.05 < (admissions["visit"] < 0).mean() < 0.3  # without a film


def test_death_ends_the_last_stay_and_follows_illness(
    joined: pd.DataFrame, stays: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    died = stays[0][stays[0]["hospital_expire_flag"] == 1]
    assert 0.02 < len(died) / len(stays[0]) < 0.15
    assert (died["deathtime"] == died["dischtime"]).all()
    last = joined.groupby("subject_id")["time"].max()
    assert (died.set_index("subject_id")["deathtime"] > last[died["subject_id"]].to_numpy()).all()
    known = joined[joined["died"] >= 0]
    assert known.loc[known["died"] == 1, "illness"].mean() > known.loc[known["died"] == 0, "illness"].mean() + 0.3
    by_unit = known.groupby(known["setting"] == ICU)["died"].mean()
    assert by_unit[True] > 1.5 * by_unit[False]


def test_times_are_in_order(stays: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    admissions, icu = stays
    emergency = admissions.dropna(subset=["edregtime"])
    assert (emergency["edregtime"] < emergency["admittime"]).all()
    assert (emergency["edregtime"] < emergency["edouttime"]).all()
    assert 2.5 < (emergency["admittime"] - emergency["edregtime"]).median().total_seconds() / 3600 < 6
    assert (admissions["admittime"] < admissions["dischtime"]).all()
    assert (icu["intime"] < icu["outtime"]).all()
    assert np.allclose(icu["los"], (icu["outtime"] - icu["intime"]).dt.total_seconds() / 86400, atol=1e-4)
    assert admissions["hadm_id"].is_unique
    assert icu["stay_id"].is_unique
    assert set(icu["hadm_id"]) <= set(admissions["hadm_id"])
