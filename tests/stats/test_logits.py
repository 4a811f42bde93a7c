"""Probabilities rank as logits do, where a float32 sigmoid would tie them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata

from ssl_bench.stats.logits import probabilities


@pytest.mark.parametrize("scale", [1.0, 20.0, 100.0, 2000.0])
def test_order_and_ties_are_those_of_the_logits(scale: float) -> None:
    logits = scale * np.random.default_rng(0).normal(size=(2, 200, 3))
    logits[0, :5] = logits[0, 5:10]
    found = probabilities(logits)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(rankdata(found, axis=1), rankdata(logits, axis=1))
    np.testing.assert_allclose(found, expit(logits), atol=1e-12)


def test_one_image_and_a_finding_that_was_not_fitted() -> None:
    assert probabilities(np.array([[3.0]]))[0, 0] == pytest.approx(expit(3.0))
    assert np.isnan(probabilities(np.array([[np.nan], [np.nan]]))).all()
