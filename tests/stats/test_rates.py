"""Rates by group at one threshold for everybody, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_bench.stats.gaps import GroupMetrics
from ssl_bench.stats.rates import rates, thresholds


def test_the_threshold_leaves_nine_of_ten_negative_images_below_it() -> None:
    labels = np.array([0.0] * 10 + [1.0] * 3)[:, None]
    scores = np.array([*range(10), 4.0, 9.5, 12.0])[:, None]
    assert thresholds(labels, scores).tolist() == [9.0]
    assert np.isnan(thresholds(np.zeros((4, 1)), scores[:4])).all()
    assert np.isnan(thresholds(labels, np.full_like(scores, np.nan))).all()


def test_rates_are_shares_of_each_groups_own_images() -> None:
    labels = np.array([1, 1, 1, 0, 0, np.nan, 1, 0])[:, None]
    scores = np.array([9, 9, 1, 9, 1, 9, 1, 1.0])[:, None]
    groups = [np.arange(8) < 6, np.arange(8) >= 6]
    found = rates(labels, scores, np.array([5.0]), groups, patients=np.arange(8), replicates=50, seed=0)
    point, drawn = found["sensitivity-at-threshold"]
    assert point[:, 0] == pytest.approx([2 / 3, 0])
    assert found["fpr-at-threshold"][0][:, 0] == pytest.approx([1 / 2, 0])
    assert drawn.shape == (50, 2, 1)
    assert np.nanmin(drawn) >= 0
    assert np.nanmax(drawn) <= 1
    unknown = rates(labels, scores, np.array([np.nan]), groups, patients=np.arange(8), replicates=10, seed=0)
    assert np.isnan(unknown["sensitivity-at-threshold"][0]).all()


def test_a_gap_of_rates_is_measured_on_the_same_resamples() -> None:
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 2)
    members = np.where(patient % 2, "F", "M").astype(object)
    labels = (rng.random(120) < 0.5).astype(float)[:, None]
    scores = np.where((members == "F") & (labels[:, 0] == 1), 1.0, rng.random(120))[:, None]
    found = GroupMetrics(labels, scores, members, ["F", "M"], patients=patient, replicates=100, seed=1,
                         cuts=np.array([0.8]))  # fmt: skip
    gap = found.label("sensitivity-at-threshold", "F", "M", 0)
    men = (members == "M") & (labels[:, 0] == 1)
    assert gap.value == pytest.approx(1 - (scores[men, 0] >= 0.8).mean())
    assert gap.low is not None
    assert gap.low > 0
    assert found.group("sensitivity-at-threshold", "M").labels[0].value == pytest.approx(1 - gap.value)
