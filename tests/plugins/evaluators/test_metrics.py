"""Every built-in metric on resamples of patients against scikit-learn on the rows that were drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from ssl_bench.plugin.registry import Registry
from ssl_bench.stats.bootstrap import bootstrap, patient_rows, resamples
from ssl_bench.stats.measures import gauges, measured
from ssl_bench.stats.predictions import PredictionTable
from sslbench_evaluators.metrics.operating import operating_point

REPLICATES = 12


def table(seed: int, images: int = 240) -> PredictionTable:
    """Two findings, one of them unknown on some images; probabilities that are too extreme; two images a patient."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-0.5, 1.2, (images, 2))
    truth = (rng.random((images, 2)) < expit(odds / 2)).astype(float)
    truth[: images // 8, 1] = np.nan
    ids, patients = np.arange(images).astype(str), (np.arange(images) // 2).astype(str)
    return PredictionTable(("Edema", "Mass"), ids, patients, truth, expit(odds + 0.3 * rng.normal(size=odds.shape)))


@pytest.fixture(scope="module")
def given() -> PredictionTable:
    from dataclasses import replace

    return replace(table(0), validation=table(1))


def drawn_rows(given: PredictionTable, label: int, replicate: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of one resample, each image as often as its patient was drawn."""
    patient, sizes = patient_rows(given.patients, len(given.ids))
    ((_, times),) = list(resamples(sizes, REPLICATES, 3))
    rows = np.repeat(np.arange(len(patient)), times[patient, replicate])
    rows = rows[~np.isnan(given.truth[rows, label])]
    return given.truth[rows, label], given.scores[rows, label]


def slope(truth: np.ndarray, scores: np.ndarray) -> float:
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(scores)[:, None], truth)
    return float(model.coef_[0, 0])


def intercept(truth: np.ndarray, scores: np.ndarray) -> float:
    def loss(a: np.ndarray) -> float:
        p = expit(logit(scores) + a[0])
        return float(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)).sum())

    return float(minimize(loss, [0.0], tol=1e-12).x[0])


def expected_error(truth: np.ndarray, scores: np.ndarray) -> float:
    place = np.minimum((scores * 15).astype(int), 14)
    gaps = [abs((scores - truth)[place == b].sum()) for b in range(15)]
    return float(np.sum(gaps) / len(truth))


def benefit(truth: np.ndarray, scores: np.ndarray) -> float:
    called = scores >= 0.1
    return float(((truth == 1) & called).mean() - ((truth == 0) & called).mean() * 0.1 / 0.9)


PLAIN: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auroc": metrics.roc_auc_score, "auprc": metrics.average_precision_score, "brier": metrics.brier_score_loss,
    "ece": expected_error, "calibration-slope": slope, "calibration-intercept": intercept, "net-benefit": benefit,
}  # fmt: skip
CUT: dict[str, tuple[str, float, Callable[[Any, Any], float]]] = {
    "sensitivity-at-specificity-90": ("specificity", 0.9, metrics.recall_score),
    "specificity-at-sensitivity-80": ("sensitivity", 0.8, lambda y, c: metrics.recall_score(1 - y, 1 - c)),
    "f1": ("specificity", 0.9, metrics.f1_score),
    "balanced-accuracy": ("specificity", 0.9, metrics.balanced_accuracy_score),
}


@pytest.mark.parametrize("name", [*PLAIN, *CUT])
def test_values_and_resamples_are_scikit_learn_s(given: PredictionTable, registry: Registry, name: str) -> None:
    values, drawn = measured(given, gauges(registry, [name]), REPLICATES, 3)[name]
    assert given.validation is not None
    for label in range(2):
        known = ~np.isnan(given.truth[:, label])
        pairs = [(given.truth[known, label], given.scores[known, label])]
        pairs += [drawn_rows(given, label, r) for r in range(REPLICATES)]
        if name in PLAIN:
            expected = [PLAIN[name](truth, scores) for truth, scores in pairs]
        else:
            fixed, level, function = CUT[name]
            chosen = ~np.isnan(given.validation.truth[:, label])
            cut = operating_point(given.validation.truth[chosen, label], given.validation.scores[chosen, label], fixed,
                                  level)  # fmt: skip
            expected = [function(truth, (scores >= cut).astype(int)) for truth, scores in pairs]
        tolerance = 1e-5 if name.startswith("calibration-") else 1e-12  # of scikit-learn's own optimiser
        np.testing.assert_allclose([values[label], *drawn[:, label]], expected, atol=tolerance)


def test_rankings_are_those_of_the_faster_way(given: PredictionTable, registry: Registry) -> None:
    from ssl_bench.stats import measures

    fast = bootstrap(given.truth, given.scores, patients=given.patients, replicates=REPLICATES, seed=3)
    chosen = gauges(registry, ["auroc", "auprc"])
    plain = measures._resampled(given, given.truth, given.scores, chosen, REPLICATES, 3)
    for name, expected in zip(("auroc", "auprc"), fast, strict=True):
        np.testing.assert_array_equal(plain[name][1], expected)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_an_operating_point_holds_its_rate_and_gives_the_most_of_the_other(level: float) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    scores = (truth + rng.normal(size=200)).round(1)  # with ties
    for fixed in ("specificity", "sensitivity"):
        cut = operating_point(truth, scores, fixed, level)
        rates = []
        for candidate in [*np.unique(scores), np.inf]:
            called = scores >= candidate
            pair = {"sensitivity": called[truth == 1].mean(), "specificity": (~called)[truth == 0].mean()}
            rates.append((candidate, pair[fixed], pair["sensitivity" if fixed == "specificity" else "specificity"]))
        best = max((other, -abs(c)) for c, held, other in rates if held >= level)[0]
        found = next(rate for rate in rates if rate[0] == cut)
        assert found[1] >= level
        assert found[2] == best


def test_probabilities_that_say_nothing_and_are_extreme_have_a_slope(registry: Registry) -> None:
    rng = np.random.default_rng(4)
    truth, scores = rng.integers(0, 2, (60, 1)).astype(float), expit(9 * rng.normal(size=(60, 1)))
    ids = np.arange(60).astype(str)
    found = measured(PredictionTable(("a",), ids, ids, truth, scores), gauges(registry, ["calibration-slope"]), 50, 0)
    values, drawn = found["calibration-slope"]
    assert values[0] == pytest.approx(slope(truth[:, 0], np.clip(scores[:, 0], 1e-7, 1 - 1e-7)), abs=1e-5)
    assert np.isfinite(drawn).all()


def test_findings_that_scores_separate_have_no_slope(registry: Registry) -> None:
    truth = np.repeat([0.0, 1.0], 20)[:, None]
    ids = np.arange(40).astype(str)
    separate = PredictionTable(
        ("a",), ids, ids, truth, np.where(truth == 1, 0.8, 0.3) + np.linspace(0, 0.1, 40)[:, None]
    )
    values, _ = measured(separate, gauges(registry, ["calibration-slope"]), 20, 0)["calibration-slope"]
    assert np.isnan(values[0])


def test_what_does_not_apply_is_left_out(given: PredictionTable, registry: Registry) -> None:
    from dataclasses import replace

    names = ["auroc", "brier", "f1"]
    odds = replace(given, scores=logit(given.scores), validation=None)
    assert list(measured(odds, gauges(registry, names), 20, 0)) == ["auroc"]
    assert list(measured(given, gauges(registry, names), 20, 0)) == names


def test_a_finding_of_one_class_on_validation_has_no_threshold(given: PredictionTable, registry: Registry) -> None:
    from dataclasses import replace

    assert given.validation is not None
    truth = given.validation.truth.copy()
    truth[:, 0] = 0
    found = measured(replace(given, validation=replace(given.validation, truth=truth)), gauges(registry, ["f1"]), 20, 0)
    values, drawn = found["f1"]
    assert np.isnan(values[0])
    assert np.isnan(drawn[:, 0]).all()
    assert np.isfinite(values[1])
