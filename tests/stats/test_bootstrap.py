import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ssl_bench.errors import DataError
from ssl_bench.stats import bootstrap as resample
from ssl_bench.stats.bootstrap import bootstrap, point


def scikit_learn(labels, scores):
    """Both metrics of every label, NaN where the label holds one class alone."""
    values = np.full((2, labels.shape[1]), np.nan)
    for k in range(labels.shape[1]):
        known = ~np.isnan(labels[:, k])
        truth = labels[known, k]
        if len(np.unique(truth)) == 2:
            values[0, k] = roc_auc_score(truth, scores[known, k])
            values[1, k] = average_precision_score(truth, scores[known, k])
    return values


def resampled_rows(patients, replicates, seed):
    """Rows of each resample: patients drawn by their place among the sorted ids, all rows of each."""
    ids, rng = np.unique(patients), np.random.default_rng(seed)
    rows = {number: np.flatnonzero(patients == name) for number, name in enumerate(ids)}
    for _ in range(replicates):
        yield np.concatenate([rows[number] for number in rng.integers(len(ids), size=len(ids)).tolist()])


@st.composite
def labelled(draw):
    images = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([1, 2, 5, 1000]))  # few levels: many ties
    labels = rng.choice([0.0, 1.0, np.nan], size=(images, 3), p=draw(st.sampled_from([(0.5, 0.5, 0), (0.7, 0.1, 0.2)])))
    scores = rng.integers(0, levels, (images, 3)) / levels - 0.3
    patients = np.array([f"p{i}" for i in rng.integers(0, draw(st.integers(1, images)), images)])
    return labels, scores.astype(draw(st.sampled_from([np.float32, np.float64]))), patients


@settings(max_examples=80, deadline=None)
@given(labelled(), st.integers(0, 1000))
def test_equals_scikit_learn_on_physically_resampled_data(data, seed):
    labels, scores, patients = data
    found = bootstrap(labels, scores, patients=patients, replicates=6, seed=seed)
    for r, rows in enumerate(resampled_rows(patients, 6, seed)):
        expected = scikit_learn(labels[rows], scores[rows])
        np.testing.assert_allclose([found[0][r], found[1][r]], expected, rtol=0, atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(labelled())
def test_point_equals_scikit_learn(data):
    labels, scores, _ = data
    np.testing.assert_allclose(point(labels, scores), scikit_learn(labels, scores), rtol=0, atol=1e-12)


def clustered(images=1500, labels=4, patients=400, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random((images, labels)) < np.geomspace(0.02, 0.5, labels)).astype(float)
    return truth, rng.normal(size=(images, labels)) + truth, rng.integers(0, patients, images)


@pytest.mark.parametrize("span", [2, 16])
def test_equals_scikit_learn_over_many_blocks(monkeypatch, span):
    monkeypatch.setattr(resample, "SPAN", span * resample.BLOCK)
    labels, scores, patients = clustered()
    scores[:, 1] = scores[:, 1].round(1)
    labels[::7, 2] = np.nan
    assert (labels[:, 3] == 1).sum() > 2 * resample.BLOCK
    found = bootstrap(labels, scores, patients=patients, replicates=4)
    for r, rows in enumerate(resampled_rows(patients, 4, 0)):
        expected = scikit_learn(labels[rows], scores[rows])
        np.testing.assert_allclose([found[0][r], found[1][r]], expected, rtol=0, atol=1e-12)


def test_large_clusters_do_not_overflow_the_narrow_counters():
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(20), 5000)  # 100,000 images: beyond 16 bits
    labels = (rng.random((len(patients), 1)) < 0.4).astype(float)
    scores = (rng.normal(size=labels.shape) + labels).round(2)
    found = bootstrap(labels, scores, patients=patients, replicates=2, seed=5)
    for r, rows in enumerate(resampled_rows(patients, 2, 5)):
        expected = scikit_learn(labels[rows], scores[rows])
        np.testing.assert_allclose([found[0][r], found[1][r]], expected, rtol=0, atol=1e-12)


def test_resamples_follow_from_seed_and_patients_alone():
    labels, scores, patients = clustered(300, patients=80)
    whole = bootstrap(labels, scores, patients=patients, replicates=40, seed=7)
    order = np.random.default_rng(1).permutation(len(labels))
    shuffled = bootstrap(labels[order], scores[order], patients=patients[order], replicates=40, seed=7)
    alone = bootstrap(labels[:, 2:3], scores[:, 2:3], patients=patients, replicates=40, seed=7)
    other = bootstrap(labels, scores, patients=patients, replicates=40, seed=8)
    np.testing.assert_array_equal(whole, shuffled)
    np.testing.assert_array_equal(np.array(whole)[:, :, 2:3], alone)
    assert not np.array_equal(whole, other)


def test_fewer_replicates_and_smaller_chunks_are_the_first_of_more(monkeypatch):
    labels, scores, patients = clustered(200, patients=50)
    whole = np.array(bootstrap(labels, scores, patients=patients, replicates=30))
    monkeypatch.setattr(resample, "BUDGET", 50 * 4 * 7)
    np.testing.assert_array_equal(bootstrap(labels, scores, patients=patients, replicates=17), whole[:, :17])


def test_increasing_transformations_change_nothing():
    labels, scores, patients = clustered(400)
    np.testing.assert_array_equal(
        bootstrap(labels, scores, patients=patients, replicates=5),
        bootstrap(labels, np.exp(scores), patients=patients, replicates=5),
    )


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool])
def test_scores_may_be_whole_numbers(kind):
    labels, scores, _ = clustered(200)
    votes = (scores > 0.5) if kind is bool else np.clip(scores * 3, 0, 9).astype(kind)
    np.testing.assert_array_equal(point(labels, votes), point(labels, votes.astype(float)))


def test_without_patients_every_image_is_one():
    labels, scores, _ = clustered(200)
    np.testing.assert_array_equal(
        bootstrap(labels, scores, replicates=5), bootstrap(labels, scores, patients=np.arange(200), replicates=5)
    )


def test_one_class_has_no_value_and_rare_positives_have_undefined_replicates():
    labels, scores, _ = clustered(100)
    labels[:, 0], labels[:, 1], labels[:, 2] = 0, np.nan, 0
    labels[3, 2] = 1
    auroc, auprc = bootstrap(labels, scores, replicates=300)
    assert np.isnan(auroc[:, :2]).all()
    assert np.isnan(auprc[:, :2]).all()
    assert np.isnan(point(labels, scores)).any(axis=0).tolist() == [True, True, False, False]
    missed = np.isnan(auroc[:, 2])
    assert 0.28 < missed.mean() < 0.46  # (1 - 1/100)^100 = .366
    np.testing.assert_array_equal(missed, np.isnan(auprc[:, 2]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_named(value):
    labels, scores, _ = clustered(50)
    scores[13, 1] = value
    with pytest.raises(DataError, match="row 13 label 1"):
        bootstrap(labels, scores)
    with pytest.raises(DataError, match="not finite"):
        point(labels, scores)
    labels[13, 1] = np.nan  # nobody reads it there
    bootstrap(labels, scores, replicates=1)


def test_other_bad_input_is_refused():
    labels, scores, _ = clustered(50)
    with pytest.raises(DataError, match="one shape"):
        bootstrap(labels, scores[:, :1])
    with pytest.raises(DataError, match="at least one image"):
        bootstrap(labels[:0], scores[:0])
    with pytest.raises(DataError, match="for each of the 50 images"):
        bootstrap(labels, scores, patients=np.arange(49))
    for missing in (None, float("nan"), pd.NA):
        with pytest.raises(DataError, match="none in rows 4"):
            bootstrap(labels, scores, patients=pd.Series([missing if i == 4 else f"p{i}" for i in range(50)]))
    labels[9, 2] = -2
    with pytest.raises(DataError, match=r"row 9 label 2 \(-2.0\)"):
        bootstrap(labels, scores)
