from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from ssl_bench.stats.calibration import brier, calibration_error


def test_brier_is_scikit_learns_over_the_known_labels() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((200, 2))
    labels = (rng.random((200, 2)) < probabilities).astype(float)
    labels[:50, 1] = np.nan
    expected = [
        brier_score_loss(labels[:, 0], probabilities[:, 0]),
        brier_score_loss(labels[50:, 1], probabilities[50:, 1]),
    ]
    np.testing.assert_allclose(brier(labels, probabilities), expected)


def test_calibration_error_by_hand() -> None:
    # one bin holds .5 and .52 with one positive: |1.02 - 1| / 4; another holds 1.0 twice with one positive: 1 / 4
    probabilities = np.array([[0.5], [0.52], [1.0], [1.0]])
    labels = np.array([[1.0], [0.0], [1.0], [0.0]])
    assert calibration_error(labels, probabilities)[0] == pytest.approx((0.02 + 1) / 4)


def test_honest_probabilities_have_a_small_error_and_bold_ones_a_large_one() -> None:
    rng = np.random.default_rng(0)
    honest = rng.random((20_000, 1))
    labels = (rng.random((20_000, 1)) < honest).astype(float)
    bold = np.where(honest > 0.5, 0.99, 0.01)
    assert calibration_error(labels, honest)[0] < 0.02
    assert calibration_error(labels, bold)[0] == pytest.approx(0.24, abs=0.02)


def test_unknown_labels_have_no_value() -> None:
    labels = np.full((3, 1), np.nan)
    assert np.isnan(brier(labels, np.full((3, 1), 0.5))).all()
    assert np.isnan(calibration_error(labels, np.full((3, 1), 0.5))).all()
