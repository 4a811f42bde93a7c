"""Gaps between groups: the same resamples for both, and an interval that holds the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_bench.stats.bootstrap import bootstrap, point
from ssl_bench.stats.gaps import GroupMetrics

NAMES = ["F", "M"]


def simulated(rng: np.random.Generator, patients: int = 80) -> tuple[np.ndarray, ...]:
    """Labels and scores (N, 1), sex and patient (N,): as good in women as in men; three images a patient."""
    patient = np.repeat(np.arange(patients), 3)
    labels = (rng.random(patients) < 0.4)[patient].astype(float)[:, None]
    scores = labels + rng.normal(size=patients)[patient, None] + 0.5 * rng.normal(size=labels.shape)
    return labels, scores, np.where(patient % 2, "F", "M").astype(object), patient


def test_a_gap_is_the_difference_within_each_resample_of_all_patients() -> None:
    labels, scores, sex, patient = simulated(np.random.default_rng(0))
    found = GroupMetrics(labels, scores, sex, NAMES, patients=patient, replicates=300, seed=1)
    masks = [np.where((sex == name)[:, None], labels, np.nan) for name in NAMES]
    women, men = (bootstrap(mask, scores, patients=patient, replicates=300, seed=1)[0][:, 0] for mask in masks)
    gap = found.label("auroc", "F", "M", 0)
    values = [point(mask, scores)[0][0] for mask in masks]
    assert gap.value == pytest.approx(values[0] - values[1])
    low, high = np.quantile((women - men)[np.isfinite(women - men)], [0.025, 0.975])
    assert (gap.percentile_low, gap.percentile_high) == (pytest.approx(low), pytest.approx(high))
    macro = found.macro("auroc", "F", "M")
    assert (macro.value, macro.percentile_low) == (pytest.approx(gap.value), pytest.approx(low))


def test_groups_that_share_patients_vary_together() -> None:
    labels, scores, _, patient = simulated(np.random.default_rng(0))
    view = np.array(["AP", "PA", "PA"] * 80, dtype=object)
    same = np.repeat(scores[::3], 3, axis=0)  # both views of a patient get the same score
    found = GroupMetrics(labels, same, view, ["AP", "PA"], patients=patient, replicates=200, seed=0)
    assert found.label("auroc", "AP", "PA", 0).note == "both rank alike in every resample"


def test_a_group_with_few_patients_has_a_reason() -> None:
    labels, scores, sex, patient = simulated(np.random.default_rng(0))
    sex[patient > 5] = "M"
    found = GroupMetrics(labels, scores, sex, NAMES, patients=patient, replicates=100, seed=0)
    gap = found.label("auroc", "F", "M", 0)
    assert gap.low is None
    assert "patients, an interval needs 5" in gap.note or "one class only" in gap.note


def test_no_end_of_an_interval_is_beyond_what_a_gap_can_be() -> None:
    rng = np.random.default_rng(2)
    patient, sex = np.arange(22), np.array(["F", "M"] * 11, dtype=object)
    labels = (np.arange(22) % 4 < 2).astype(float)[:, None]
    scores = np.where((sex == "F")[:, None], labels, 1 - labels) + 0.6 * rng.normal(size=labels.shape)
    found = GroupMetrics(labels, scores, sex, NAMES, patients=patient, replicates=200, seed=0)
    for gap in (found.label("auroc", "F", "M", 0), found.macro("auroc", "F", "M"), found.label("auroc", "M", "F", 0)):
        assert gap.low is not None
        assert gap.high is not None
        assert -1 <= gap.low < gap.high <= 1
    assert found.label("auroc", "F", "M", 0).high == 1


def test_equal_groups_have_gaps_whose_intervals_hold_zero() -> None:
    rng, held = np.random.default_rng(3), []
    for _ in range(120):
        labels, scores, sex, patient = simulated(rng)
        found = GroupMetrics(labels, scores, sex, NAMES, patients=patient, replicates=150, seed=0)
        gap = found.label("auroc", "F", "M", 0)
        assert gap.low is not None
        assert gap.high is not None
        held.append(gap.low <= 0 <= gap.high)
    assert 0.89 <= np.mean(held) <= 1.0
