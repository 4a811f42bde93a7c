"""Schedules at their ends and middles, against the formulas of the official code."""

from __future__ import annotations

import math

import pytest

from ssl_bench.pretrain.schedules import cosine, linear, ramp, warmup_cosine


@pytest.mark.parametrize(("progress", "value"), [(0.0, 2.0), (0.25, 3.0), (0.5, 4.0), (1.0, 6.0)])
def test_linear(progress: float, value: float) -> None:
    assert linear(progress, 2.0, 6.0) == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(("progress", "value"), [(0.0, 2.0), (0.25, 4 - math.sqrt(2)), (0.5, 4.0), (1.0, 6.0)])
def test_cosine(progress: float, value: float) -> None:
    assert cosine(progress, 2.0, 6.0) == pytest.approx(value, abs=1e-15)


def test_byol_momentum_is_a_cosine_to_one() -> None:
    base = 0.996
    for progress in (0.0, 0.3, 0.5, 1.0):
        official = 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2
        assert cosine(progress, base, 1.0) == pytest.approx(official, abs=1e-15)


@pytest.mark.parametrize(
    ("progress", "value"), [(0.0, 0.5), (0.1, 1.25), (0.2, 2.0), (0.6, 1.05), (1.0, 0.1), (0.4, 0.1 + 1.9 * 0.853553)]
)
def test_warm_up_then_cosine(progress: float, value: float) -> None:
    assert warmup_cosine(progress, 2.0, 0.1, warmup=0.2, start=0.5) == pytest.approx(value, abs=1e-6)


def test_no_warm_up_is_a_cosine() -> None:
    for progress in (0.0, 0.3, 1.0):
        assert warmup_cosine(progress, 2.0, 0.1) == cosine(progress, 2.0, 0.1)


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 1.5])
def test_a_warm_up_of_everything_is_refused(warmup: float) -> None:
    with pytest.raises(ValueError, match=r"warm-up must be a share in \[0, 1\)"):
        warmup_cosine(0.5, 1.0, 0.0, warmup=warmup)


@pytest.mark.parametrize(("progress", "value"), [(0.0, 0.04), (0.15, 0.055), (0.3, 0.07), (0.9, 0.07)])
def test_ramp_stays_at_its_end(progress: float, value: float) -> None:
    assert ramp(progress, 0.04, 0.07, 0.3) == pytest.approx(value)


def test_no_ramp_is_its_end() -> None:
    assert ramp(0.0, 0.04, 0.07, 0.0) == 0.07
