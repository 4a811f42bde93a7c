"""Power said beforehand: against simulation of the very test, and the paper's two points."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_bench.stats.power import Spread, planned, power, power_text, smallest
from ssl_bench.stats.significance import method_difference


def test_it_is_the_power_of_the_test_of_methods() -> None:
    """Seeds and patients crossed, as :func:`method_difference` takes them."""
    rng, spread, found, sets = np.random.default_rng(0), Spread(0.012, 0.006), 0, 400
    for _ in range(sets):
        shared = 0.006 * rng.normal()
        values = 0.02 + shared + 0.012 * rng.normal(size=5)
        drawn = values + 0.006 * rng.normal(size=(200, 1))
        p = method_difference(values, drawn, 100.0).p
        found += p is not None and p < 0.05
    assert found / sets == pytest.approx(power(0.02, spread, 5), abs=0.08)


def test_two_points_at_the_papers_size() -> None:
    """A seed SD of .0117 finds them in about half of the cases, one of .005 in more than 8 of 10."""
    assert power(0.02, Spread(2**0.5 * 0.0117, 0.0045), 5) == pytest.approx(0.52, abs=0.02)
    assert power(0.02, Spread(2**0.5 * 0.005, 0.0058), 5) == pytest.approx(0.84, abs=0.02)


def test_the_smallest_difference_is_found_in_8_of_10() -> None:
    spread = Spread(0.0165, 0.004)
    assert power(smallest(spread, 5), spread, 5) == pytest.approx(0.8, abs=1e-6)
    assert smallest(spread, 10) < smallest(spread, 5)
    assert power_text(spread, 5, "stated").startswith("5 paired seeds find a true difference of 0.02")


def test_planned_seeds_are_told_by_stated_components() -> None:
    found = f"{smallest(Spread(2**0.5 * 0.0117, 0.005), 5):.3f}"
    assert planned(5).startswith(f"5 paired seeds find a true difference of {found} in macro AUROC")
    assert "SD 0.02 between runs, SD 0.001 over patients, as stated" in planned(8, 0.02, 0.001)
    assert f"{smallest(Spread(2**0.5 * 0.02, 0.001), 8):.3f}" in planned(8, 0.02, 0.001)
    assert planned(3).startswith("3 paired seeds, a claim about methods needs 5, so no difference of methods will be")
    assert f"5 paired seeds find a true difference of {found}" in planned(3)
    assert planned(5, 0.0, 0.0) == ""
