"""Labels follow the rules that are written down, and reports mention what labellers of reports find."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_bench.plugin.labels import CHEXPERT14, NIH14
from sslbench_synthetic.cohort.population import ICU
from sslbench_synthetic.hospitals.labels import UNSEEN, another_labeller, chexpert_truth, nih_truth, reported
from sslbench_synthetic.hospitals.population import draw_studies
from sslbench_synthetic.hospitals.profiles import GENERAL

STUDIES = draw_studies(GENERAL, 3000, 0)
TRUTH = chexpert_truth(STUDIES, np.random.default_rng(0))
NIH = nih_truth(STUDIES, np.random.default_rng(0))


def test_drawn_findings_are_labelled_in_both_spaces() -> None:
    assert tuple(TRUTH) == CHEXPERT14
    assert tuple(NIH) == NIH14
    for finding in ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pneumonia", "Pneumothorax"):
        assert (TRUTH[finding] == (STUDIES[finding] > 0)).all()
        assert (NIH[finding] == (STUDIES[finding] > 0)).all()
    assert (TRUTH["Pleural Effusion"] == NIH["Effusion"]).all()
    assert (NIH["Effusion"] == (STUDIES["Effusion"] > 0)).all()


def test_rules_of_the_others() -> None:
    assert (TRUTH["Support Devices"] == (STUDIES["setting"] == ICU)).all()
    assert (TRUTH.loc[TRUTH["Enlarged Cardiomediastinum"] == 1, "Cardiomegaly"] == 1).all()
    assert (TRUTH.loc[TRUTH["Pneumonia"] == 1, "Lung Opacity"] == 1).all()
    nothing = TRUTH["No Finding"] == 1
    assert 0.1 < nothing.mean() < 0.5
    assert (TRUTH.loc[nothing].drop(columns=["No Finding", "Support Devices"]) == 0).all(axis=None)
    assert (STUDIES.loc[nothing, "Emphysema"] == 0).all()  # CheXpert has no name for it; it is a finding all the same


@pytest.mark.parametrize("finding", ["Lung Lesion", "Mass", "Nodule", "Hernia", "Fibrosis"])
def test_findings_without_a_sign_are_rare(finding: str) -> None:
    table = TRUTH if finding in TRUTH else NIH
    assert table[finding].mean() == pytest.approx(UNSEEN[finding], abs=0.01)


def test_reports_are_uncertain_and_silent() -> None:
    labels = reported(TRUTH, np.random.default_rng(1))
    values = labels.drop(columns="No Finding")
    positive = TRUTH.drop(columns="No Finding") == 1
    assert set(np.unique(values.to_numpy()[~values.isna().to_numpy()])) == {-1.0, 0.0, 1.0}
    assert (values.to_numpy()[positive.to_numpy()] == 1).mean() == pytest.approx(0.88, abs=0.02)
    assert np.isnan(values.to_numpy()[~positive.to_numpy()]).mean() == pytest.approx(0.76, abs=0.02)
    assert set(labels["No Finding"].dropna()) == {1.0}


def test_the_second_labeller_mostly_agrees() -> None:
    labels = reported(TRUTH, np.random.default_rng(1))
    other = another_labeller(labels, TRUTH, np.random.default_rng(2))
    differ = (labels.fillna(9) != other.fillna(9)).to_numpy().mean()
    assert 0.005 < differ < 0.1
