import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from ssl_bench.errors import DataError
from ssl_bench.stats.bootstrap import bootstrap, point
from ssl_bench.stats.intervals import (
    Support,
    effective_patients,
    label_difference,
    label_interval,
    macro_difference,
    macro_interval,
    macro_parts,
    measure,
    measure_difference,
    supports,
)

PLENTY = Support(50, 500, 40, 300, effective=31.0)


def clustered(patients=150, seed=0, shift=1.0, images=4):
    """Labels (N, 4), scores (N, 4) alike within a patient, patients (N,)."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.geometric(1 / images, patients))
    ill = (rng.random((patients, 4)) < [0.1, 0.2, 0.4, 0.6])[patient]
    labels = (rng.random(ill.shape) < np.where(ill, 0.7, 0.01)).astype(float)
    noise = rng.normal(size=(patients, 4))[patient] + 0.5 * rng.normal(size=ill.shape)
    return labels, noise + shift * labels, patient


def bounds(interval):
    return interval.low, interval.high, interval.percentile_low, interval.percentile_high


def test_effective_patients_is_kish():
    patients = ["a"] * 91 + list("bcdefghij")
    alike = [f"p{i}" for i in range(100)]
    ones = np.ones((100, 1))
    assert effective_patients(ones, patients) == pytest.approx([100**2 / (91**2 + 9)])
    assert effective_patients(ones, alike) == pytest.approx([100])
    assert effective_patients(ones, None) == pytest.approx([100])
    assert effective_patients(np.full((100, 2), [0, np.nan]), alike).tolist() == [0, 0]


def test_support_counts_patients_of_the_scarcer_class():
    labels = np.array([[1.0], [1], [1], [0], [np.nan]])
    assert supports(labels, ["a", "a", "b", "b", "c"]) == (Support(3, 1, 2, 1, 1.0),)


def test_interval_is_t_on_the_logit_scale_with_percentiles_beside_it():
    drawn = expit(np.random.default_rng(0).normal(1.0, 0.3, 1000))
    found = label_interval(0.75, drawn, PLENTY)
    reach = stats.t.ppf(0.975, 30) * logit(drawn).std(ddof=1)
    assert (found.low, found.high) == pytest.approx(tuple(expit([logit(0.75) - reach, logit(0.75) + reach])))
    assert (found.percentile_low, found.percentile_high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert found.value == 0.75
    assert found.note == ""


def test_undefined_replicates_are_left_out_and_said():
    drawn = expit(np.random.default_rng(0).normal(1.0, 0.3, 500))
    gaps = np.append(drawn, np.full(20, np.nan))
    assert bounds(label_interval(0.7, gaps, PLENTY)) == bounds(label_interval(0.7, drawn, PLENTY))
    assert label_interval(0.7, gaps, PLENTY).note == "20 of 520 resamples undefined and left out"
    few = label_interval(0.7, gaps[490:], PLENTY)
    assert bounds(few) == (None,) * 4
    assert "10 of 30 resamples" in few.note


def test_replicates_at_one_count_as_half_a_pair_short_of_it():
    drawn = np.append(expit(np.random.default_rng(0).normal(3, 0.3, 480)), np.ones(20))
    found = label_interval(0.95, drawn, PLENTY)
    clipped = np.clip(drawn, None, 1 - 0.5 / (50 * 500))
    reach = stats.t.ppf(0.975, 30) * logit(clipped).std(ddof=1)
    assert found.low == pytest.approx(expit(logit(0.95) - reach))
    assert found.high < 1


@pytest.mark.parametrize("top", [False, True])
def test_a_mean_of_errors_below_half_an_image_holds_its_value(top):
    few = [one.on("all") for one in supports((np.arange(48) % 2)[:, None], None)]
    drawn = expit(np.random.default_rng(0).normal(logit(0.00097), 0.4, (1000, 1)))
    value, drawn = (1 - 0.00097, 1 - drawn) if top else (0.00097, drawn)
    reach = stats.t.ppf(0.975, few[0].freedom) * logit(drawn).std(ddof=1)
    for found in (
        label_interval(value, drawn[:, 0], few[0]),
        macro_interval(macro_parts(np.array([value]), drawn, few)),
    ):
        assert (found.low, found.high) == pytest.approx(tuple(expit([logit(value) - reach, logit(value) + reach])))
        assert found.low < value < found.high


def test_a_share_of_known_images_at_its_end_counts_as_half_an_image_short_of_it():
    few = supports((np.arange(48) % 2)[:, None], None)[0].on("all")
    drawn = np.append(np.full(300, 46 / 48), np.ones(700))
    reach = stats.t.ppf(0.975, few.freedom) * logit(np.clip(drawn, None, 1 - 0.5 / 48)).std(ddof=1)
    assert label_interval(47 / 48, drawn, few).low == pytest.approx(expit(logit(47 / 48) - reach))


def test_an_auprc_nearer_to_one_than_half_a_pair_is_in_its_interval():
    labels = np.append(np.ones(1000), np.zeros(6))[:, None]
    scores = np.arange(1006.0)[::-1, None].copy()
    scores[999], scores[1000] = scores[1000], scores[999].copy()
    found = measure(labels, scores, replicates=200)["auprc"]
    for one in (*found.labels, found.macro):
        assert one.value == pytest.approx(1 - 1 / 1000 / 1001)
        assert one.low < one.value < one.high


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_perfect_ranking_has_the_exact_binomial_interval(value):
    found = label_interval(value, np.full(100, value), PLENTY)
    exact = stats.binomtest(31 if value else 0, 31).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert "binomial" in found.note


def test_perfect_ranking_end_to_end():
    labels, _, patients = clustered()
    found = measure(labels, labels + 0.0, patients=patients, replicates=50)
    for metric in found.values():
        for interval in (*metric.labels, metric.macro):
            assert interval.value == interval.high == 1
            assert 0.5 < interval.low < 1


def test_one_class_has_no_value_and_few_patients_no_interval():
    labels, scores, patients = clustered()
    labels[:, 0] = 0
    labels[:, 1] = np.isin(patients, [3, 4, 5, 6])
    labels[:, 2] = ~np.isin(patients, [3, 4])
    metric = measure(labels, scores, patients=patients, replicates=50)["auroc"]
    assert metric.labels[0].value is None
    assert "one class only (0 positive and" in metric.labels[0].note
    assert metric.labels[1].value == pytest.approx(point(labels, scores)[0][1])
    assert bounds(metric.labels[1]) == bounds(metric.labels[2]) == (None,) * 4
    assert metric.labels[1].note == "4 positive patients, an interval needs 5"
    unknown = measure(np.full_like(labels, np.nan), scores, patients=patients, replicates=20)["auroc"]
    assert unknown.labels[0].note == "no image has a label and a score"
    assert metric.labels[2].note == "2 negative patients, an interval needs 5"
    assert None not in bounds(metric.labels[3])
    assert (metric.held, metric.defined) == ((3,), (1, 2, 3))
    assert metric.whole == pytest.approx(np.nanmean(point(labels, scores)[0]))
    assert metric.macro.value == metric.labels[3].value
    assert metric.macro.note.startswith("over 1 of 3 labels: 2 have fewer than 5 patients of a class")
    all_of_them = measure(labels, scores, patients=patients, replicates=50, fewest=1)["auroc"]
    assert all_of_them.held == (1, 2, 3)
    assert all_of_them.macro.value == metric.whole


def test_macro_of_independent_labels_has_all_their_degrees_of_freedom():
    rng = np.random.default_rng(0)
    drawn = 0.7 + 0.02 * rng.normal(size=(4000, 3))
    alone = macro_interval(macro_parts(np.full(3, 0.7), drawn, [PLENTY] * 3))
    reach = stats.t.ppf(0.975, 90) * logit(drawn.mean(axis=1)).std(ddof=1)
    assert alone.high == pytest.approx(expit(logit(0.7) + reach), abs=1e-4)
    rare = Support(9, 900, 6, 300, effective=4.0)
    drawn[:, 0] = 0.7 + 0.2 * rng.normal(size=4000)  # one rare label makes nearly all of the variance
    led = macro_interval(macro_parts(np.full(3, 0.7), drawn.clip(0, 1), [rare, PLENTY, PLENTY]))
    reach = stats.t.ppf(0.975, 3) * logit(drawn.clip(0, 1).mean(axis=1)).std(ddof=1)
    assert led.high == pytest.approx(expit(logit(0.7) + reach), abs=0.01)


def test_undefined_replicates_of_one_label_do_not_condition_the_macro():
    drawn = 0.7 + 0.02 * np.random.default_rng(0).normal(size=(4000, 3))
    drawn[:, 1] += 0.2
    values = np.array([0.7, 0.9, np.nan])
    gaps = drawn.copy()
    gaps[:1000, 1] = np.nan  # a mean over the other label alone would fall to .7
    gaps[:, 2] = np.nan  # has no value: not held
    found, whole = (macro_parts(values, part, [PLENTY] * 3) for part in (gaps, drawn))
    assert found.kept == (0, 1)
    assert found.value == pytest.approx(0.8)
    assert len(found.drawn) == 4000
    assert found.drawn.std() == pytest.approx(whole.drawn.std(), rel=0.03)
    assert found.drawn[1000:].mean() == pytest.approx(found.drawn.mean(), abs=2e-3)
    nothing = macro_interval(macro_parts(np.full(3, np.nan), gaps, [PLENTY] * 3))
    assert nothing.value is None
    assert nothing.note == "no label has both classes"


def test_a_long_tail_has_a_macro_interval():
    """166 findings, most of them with 1 to 9 positive patients of 400: no resample has all of them."""
    rng = np.random.default_rng(0)
    positive = np.unique(np.geomspace(1, 150, 166).astype(int))
    counts = np.sort(rng.choice(positive, 166, p=(1 / positive) / (1 / positive).sum()))
    labels = np.zeros((400, 166))
    for column, count in enumerate(counts):
        labels[rng.choice(400, count, replace=False), column] = 1
    scores = rng.normal(size=labels.shape) + labels
    found = measure(labels, scores, replicates=100)["auroc"]
    drawn = bootstrap(labels, scores, replicates=100)[0]
    assert not np.isfinite(drawn).all(axis=1).any()
    assert found.macro.low < found.macro.value < found.macro.high
    assert found.held == tuple(np.flatnonzero(counts >= 5))
    assert len(found.defined) == 166


def test_swapping_the_classes_mirrors_the_interval():
    labels, scores, patients = clustered()
    first = measure(labels, scores, patients=patients, replicates=100)["auroc"]
    mirrored = measure(1 - labels, -scores, patients=patients, replicates=100)["auroc"]
    np.testing.assert_allclose([bounds(i) for i in first.labels], [bounds(i) for i in mirrored.labels], atol=1e-12)


def test_difference_is_paired_on_the_same_resamples():
    labels, scores, patients = clustered(seed=1)
    other = scores + 0.3 * np.random.default_rng(1).normal(size=scores.shape)
    found = measure_difference(labels, scores, other, patients=patients, replicates=200, seed=3)["auprc"]
    a, b = (bootstrap(labels, s, patients=patients, replicates=200, seed=3)[1] for s in (scores, other))
    spread = (a - b)[:, 3].std(ddof=1)
    freedom = supports(labels, patients)[3].freedom
    last = found.labels[3]
    assert last.value == pytest.approx(point(labels, scores)[1][3] - point(labels, other)[1][3])
    assert last.high - last.low == pytest.approx(2 * stats.t.ppf(0.975, freedom) * spread)
    assert last.p == pytest.approx(2 * stats.t.sf(abs(last.value) / spread, freedom))
    assert (last.p < 0.05) == (not last.low < 0 < last.high)
    assert found.macro.value == pytest.approx(np.mean([found.labels[k].value for k in found.held]))
    unpaired = np.hypot(a[:, 3].std(), b[:, 3].std())
    assert spread < 0.7 * unpaired


def test_difference_without_spread():
    labels, scores, patients = clustered()
    same = measure_difference(labels, scores, 2 * scores, patients=patients, replicates=50)["auroc"]
    for interval in (*same.labels, same.macro):
        assert (interval.value, interval.low, interval.high, interval.p) == (0, 0, 0, 1)
    opposed = label_difference(1.0, np.ones(50), PLENTY)
    assert (opposed.value, opposed.low, opposed.p) == (1.0, None, None)
    assert "no interval" in opposed.note
    few = label_difference(0.1, np.zeros(50), Support(4, 99, 4, 50, 4.0))
    assert few.p is None
    assert macro_difference(macro_parts(np.full(2, np.nan), np.ones((50, 2)), [PLENTY] * 2)).value is None


def test_unequal_shapes_are_refused():
    labels, scores, patients = clustered()
    with pytest.raises(DataError):
        measure(labels, scores[:-1], patients=patients)


def test_intervals_cover_where_those_of_images_do_not():
    rng = np.random.default_rng(0)
    truth = point(*clustered(patients=40_000, seed=99)[:2])[0]
    fair, naive, datasets = np.zeros(4), np.zeros(4), 120
    for _ in range(datasets):
        labels, scores, patients = clustered(patients=120, seed=int(rng.integers(2**31)))
        by_patient = measure(labels, scores, patients=patients, replicates=150)["auroc"].labels
        by_image = measure(labels, scores, replicates=150)["auroc"].labels
        fair += [i.low <= t <= i.high for i, t in zip(by_patient, truth, strict=True)]
        naive += [i.percentile_low <= t <= i.percentile_high for i, t in zip(by_image, truth, strict=True)]
    assert (fair / datasets > 0.88).all()
    assert (naive / datasets < 0.85).all()


def test_macro_over_labels_that_all_lack_patients_has_no_interval():
    few = Support(4, 40, 2, 20, 2.0)
    drawn = np.random.default_rng(0).uniform(0.4, 0.6, (100, 2))
    parts = macro_parts(np.full(2, 0.5), drawn, [few] * 2)
    for found in (macro_interval(parts), macro_difference(parts)):
        assert found.value == 0.5
        assert found.low is None
        assert found.note == "2 labels have fewer than 5 patients of a class: no interval"
    assert macro_interval(macro_parts(np.full(2, 0.5), drawn, [few, PLENTY])).low is not None


def test_resamples_that_are_all_alike_give_no_interval_of_no_width():
    assert macro_interval(macro_parts(np.full(2, 0.6), np.full((100, 2), 0.6), [PLENTY] * 2)).note == (
        "no spread to resample: no interval"
    )
