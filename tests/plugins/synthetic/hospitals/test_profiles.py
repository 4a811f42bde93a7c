"""The three hospitals: they differ as they say, and what is learnt in one of them holds in another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from sslbench_synthetic.cohort.population import FINDINGS, ICU, OUTPATIENT
from sslbench_synthetic.hospitals.films import draw_film
from sslbench_synthetic.hospitals.population import draw_films, draw_studies, person, records
from sslbench_synthetic.hospitals.profiles import GENERAL, HOSPITALS, REFERRAL, RESEARCH, Hospital

MANY = {hospital.number: draw_studies(hospital, 3000, 0) for hospital in HOSPITALS.values()}


def share(hospital: Hospital, finding: str) -> float:
    return float((MANY[hospital.number][finding] > 0).mean())


def bedside(hospital: Hospital) -> float:
    return float((MANY[hospital.number]["setting"] != OUTPATIENT).mean())


@pytest.mark.parametrize("hospital", HOSPITALS.values(), ids=HOSPITALS)
def test_prevalence_is_as_set(hospital: Hospital) -> None:
    for finding in FINDINGS:
        assert share(hospital, finding) == pytest.approx(hospital.prevalence[finding], abs=0.025)


def test_hospitals_differ_in_age_setting_and_prevalence() -> None:
    ages = {number: table.groupby("patient")["age"].first().mean() for number, table in MANY.items()}
    assert ages[RESEARCH.number] + 10 < min(ages[GENERAL.number], ages[REFERRAL.number])
    assert bedside(RESEARCH) < 0.4 < bedside(GENERAL) + 0.08 < bedside(REFERRAL)
    assert share(REFERRAL, "Effusion") > share(GENERAL, "Effusion") + 0.05 > share(RESEARCH, "Effusion") + 0.1


@pytest.mark.parametrize("hospital", HOSPITALS.values(), ids=HOSPITALS)
def test_the_record_tells_of_findings(hospital: Hospital) -> None:
    table = MANY[hospital.number]
    age, male, in_icu = table["age"], table["male"] == 1, table["setting"] == ICU
    assert roc_auc_score(table["Cardiomegaly"] > 0, age) > 0.6
    assert (table.loc[male, "Emphysema"] > 0).mean() > 1.3 * (table.loc[~male, "Emphysema"] > 0).mean()
    assert (table.loc[in_icu, "Edema"] > 0).mean() > 1.3 * (table.loc[~in_icu, "Edema"] > 0).mean()


def test_times_go_on_and_ages_follow_the_calendar() -> None:
    for table in MANY.values():
        patients = table.groupby("patient")
        assert patients["time"].is_monotonic_increasing.all()
        born = table["time"].dt.year - table["age"]
        assert (born.groupby(table["patient"]).nunique() == 1).all()
        assert (patients["visit"].diff().dropna().isin((0, 1))).all()
        assert (table.loc[patients["visit"].diff() == 0, "setting"] != OUTPATIENT).all()
        gaps = patients["time"].diff()[patients["visit"].diff() == 1]
        assert gaps.min() > pd.Timedelta(days=12)  # so that no stay reaches the next visit


def test_films_are_of_their_study() -> None:
    studies = draw_studies(GENERAL, 300, 1)
    films = draw_films(GENERAL, studies, 1, 40)
    assert (films.groupby(["patient", "study"]).size() >= 1).sum() == len(studies)
    first = films.groupby(["patient", "study"])["view"].first()
    assert set(first) == {"PA", "AP"}
    assert (films["view"].eq("AP") == films["setting"].ne(OUTPATIENT)).where(films["view"] != "LATERAL", True).all()
    assert set(films[["height", "width"]].itertuples(index=False, name=None)) == {(40, 48), (48, 40)}
    assert not films.duplicated(["patient", "film"]).any()


def test_no_two_hospitals_share_a_chest() -> None:
    film = records(draw_films(GENERAL, draw_studies(GENERAL, 20, 0), 0, 32))[0]
    pictures = [draw_film(hospital, {**film, "height": 32, "width": 32}, 0) for hospital in HOSPITALS.values()]
    assert len({person(hospital, film)["patient"] for hospital in HOSPITALS.values()}) == 3
    assert len({picture.tobytes() for picture in pictures}) == 3


def detail(hospital: Hospital) -> tuple[np.ndarray, pd.DataFrame]:
    """Frontal films as 12 x 12 grey values and as the detail in 8 x 8 blocks, one by one, with what was planted."""
    films = draw_films(hospital, draw_studies(hospital, 260, 0), 0, 64)
    films = films[films["view"] != "LATERAL"]
    pictures = [Image.fromarray(draw_film(hospital, film, 0)) for film in records(films)]
    small = np.stack([np.asarray(picture.resize((12, 12)), dtype=float).ravel() for picture in pictures])
    sharp = np.stack([np.asarray(picture.resize((64, 64)), dtype=float) for picture in pictures])
    lines = np.abs(sharp - gaussian_filter(sharp, (0, 1.5, 1.5))).reshape(-1, 8, 8, 8, 8).mean((2, 4))
    values = [small, np.log(lines.reshape(len(films), -1) + 1)]
    return np.hstack([(v - v.mean(1, keepdims=True)) / v.std(1, keepdims=True) for v in values]), films


def test_a_head_fitted_in_one_hospital_holds_in_the_others() -> None:
    """Without an encoder: a ridge on grey values and detail, which must see the same signs in all three."""
    data = {hospital.number: detail(hospital) for hospital in HOSPITALS.values()}
    for finding in ("Effusion", "Cardiomegaly", "Edema"):
        for source, (values, films) in data.items():
            head = LogisticRegression(C=0.01, max_iter=200).fit(values, films[finding] > 0)
            others = [data[number] for number in data if number != source]
            scores = [roc_auc_score(there[finding] > 0, head.decision_function(seen)) for seen, there in others]
            assert min(scores) > 0.6, (finding, source, scores)
