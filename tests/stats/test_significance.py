import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ssl_bench.errors import DataError
from ssl_bench.stats.intervals import measure_difference
from ssl_bench.stats.significance import delong, holm, method_difference


def scored(images=300, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random(images) < 0.3).astype(float)
    shared = rng.normal(size=images) + labels
    return labels, (shared + 0.5 * rng.normal(size=images)).round(1), shared + 0.8 * rng.normal(size=images)


def direct_delong(labels, a, b):
    """DeLong, DeLong & Clarke-Pearson (Biometrics, 1988) by its definition, all pairs written out."""
    parts = []
    for scores in (a, b):
        gap = scores[labels == 1][:, None] - scores[labels == 0][None]
        parts.append((gap > 0) + 0.5 * (gap == 0))
    rows = np.cov([p.mean(axis=1) for p in parts]) / len(parts[0])
    columns = np.cov([p.mean(axis=0) for p in parts]) / parts[0].shape[1]
    contrast = np.array([1, -1])
    return np.sqrt(contrast @ (rows + columns) @ contrast)


def test_delong_equals_its_definition_and_leaves_unknown_out():
    labels, a, b = scored()
    found = delong(labels, a, b)
    assert found.auroc_a == pytest.approx(roc_auc_score(labels, a), abs=1e-12)
    assert found.auroc_b == pytest.approx(roc_auc_score(labels, b), abs=1e-12)
    assert found.error == pytest.approx(direct_delong(labels, a, b), abs=1e-12)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.difference) / found.error))
    labels[:40] = np.nan
    assert delong(labels, a, b) == delong(labels[40:], a[40:], b[40:])


def test_delong_agrees_with_the_bootstrap_on_one_image_per_patient():
    labels, a, b = scored(1000)
    found = delong(labels, a, b)
    paired = measure_difference(labels[:, None], a[:, None], b[:, None], replicates=2000)["auroc"].labels[0]
    assert paired.value == pytest.approx(found.difference)
    assert paired.low == pytest.approx(found.low, abs=0.1 * (found.high - found.low))
    assert paired.p == pytest.approx(found.p, abs=0.05)


def test_delong_of_equal_scores_and_of_one_class():
    labels, a, _ = scored()
    assert delong(labels, a, a).p == 1.0
    assert delong(labels, labels, -labels).p == 0.0
    with pytest.raises(DataError, match="found 0 positive, 300 negative"):
        delong(labels * 0, a, a)


def test_holm():
    # Holm's worked steps: .01 x 4, .02 x 3 (raised to stay monotone), .03 x 2, .04
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, np.nan, 0.02, 0.7]), [1.0, np.nan, 0.06, 1.0])
    assert len(holm([])) == 0
    with pytest.raises(DataError, match=r"1\.5"):
        holm([0.1, 1.5])


def simulated(rng, seeds=5, replicates=200, seed_sd=0.01, patient_sd=0.005, both_sd=0.005, truth=0.0):
    """Differences of paired seeds, with resamples that see the patients and the interaction but not the seeds."""
    values = truth + seed_sd * rng.normal(size=seeds) + patient_sd * rng.normal() + both_sd * rng.normal(size=seeds)
    moved = patient_sd * rng.normal(size=(replicates, 1)) + both_sd * rng.normal(size=(replicates, seeds))
    return values, values + moved


@pytest.mark.parametrize("spreads", [(0.01, 0.0, 0.003), (0.01, 0.01, 0.005), (0.002, 0.01, 0.002)])
def test_methods_that_differ_in_nothing_are_told_apart_at_the_level_of_the_test(spreads):
    rng = np.random.default_rng(0)
    claims = [method_difference(*simulated(rng, 5, 200, *spreads), freedom=60).p < 0.05 for _ in range(600)]
    assert np.mean(claims) < 0.075


def test_methods_need_five_seeds_and_find_a_large_difference():
    rng = np.random.default_rng(1)
    few = method_difference(*simulated(rng, seeds=4, truth=0.1), freedom=60)
    assert few.p is None
    assert "needs 5" in few.note
    found = method_difference(*simulated(rng, truth=0.1), freedom=60)
    assert found.p < 0.01
    assert found.low < 0.1 < found.high


def test_a_claim_about_methods_needs_resamples_in_which_every_seed_has_a_value():
    drawn = np.full((100, 5), np.nan)
    drawn[:10] = 0.1
    found = method_difference(np.linspace(0.1, 0.2, 5), drawn, 10.0)
    assert (found.p, found.low) == (None, None)
    assert found.note == "10 of 100 resamples have a value in every seed"
