"""Stays that hold a time, against the plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbench_datasets.mimic_cxr.stays import Stays, count_holding, usable

STAY = st.tuples(st.integers(0, 3), st.integers(-3, 12), st.integers(0, 6))
IMAGE = st.tuples(st.integers(0, 4), st.one_of(st.integers(-5, 20), st.none()))


def loop(stays: list[tuple[int, int, int]], images: list[tuple[int, int | None]]) -> list[int]:
    held = []
    for patient, time in images:
        count = 0
        for of, begin, length in stays:
            if of == patient and time is not None and begin <= time <= begin + length:
                count += 1
        held.append(count)
    return held


@given(st.lists(STAY, max_size=12), st.lists(IMAGE, max_size=12), st.integers(0, 7 * 10**9))
@settings(max_examples=200, deadline=None)
def test_equals_the_plain_loop(stays: list[tuple[int, int, int]], images: list, epoch: int) -> None:
    patients, begins, lengths = np.array(stays, np.int64).reshape(-1, 3).T
    times = np.array([np.nan if time is None else time + epoch for _, time in images], float)
    made = Stays(patients, (begins + epoch).astype(float), (begins + lengths + epoch).astype(float))
    found = count_holding(made, np.array([patient for patient, _ in images], np.int64), times)
    assert found.tolist() == loop(stays, images)


@pytest.mark.parametrize(("time", "held"), [(9, 0), (10, 1), (15, 1), (20, 2), (21, 1), (30, 1), (31, 0)])
def test_both_ends_are_inside_and_stays_may_touch(time: int, held: int) -> None:
    stays = Stays(np.array([5, 5]), np.array([20.0, 10.0]), np.array([30.0, 20.0]))
    assert count_holding(stays, np.array([5]), np.array([float(time)])).tolist() == [held]


def test_seconds_of_many_patients_stay_exact() -> None:
    stays = Stays(np.array([300_000]), np.array([7_258_118_400.0]), np.array([7_258_118_400.0]))
    times = np.array([7_258_118_399.0, 7_258_118_400.0, 7_258_118_401.0])
    assert count_holding(stays, np.full(3, 300_000), times).tolist() == [0, 1, 0]


def test_no_stays_and_no_times() -> None:
    none = Stays(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    assert count_holding(none, np.array([1]), np.array([1.0])).tolist() == [0]
    assert count_holding(Stays(np.array([1]), np.array([0.0]), np.array([2.0])), np.array([1]), np.array([np.nan])) == 0


def test_stays_that_can_hold_nothing() -> None:
    begins, ends = np.array([1.0, 2.0, 2.0, np.nan, 1.0]), np.array([1.0, 1.0, 3.0, 1.0, np.nan])
    assert usable(begins, ends).tolist() == [True, False, True, False, False]
