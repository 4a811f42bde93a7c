"""Controls in the place of real EHR."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from ssl_bench.data.controls import controlled, other_patients, random_rows, typical_row
from ssl_bench.plugin.features import Encoded, column_slices, encode, learn_schema

FRAME = pd.DataFrame(
    {
        "patient_id": [f"p{number // 3}" for number in range(30)],
        "age": [20.0 + 2 * (number // 3) if number % 4 else np.nan for number in range(30)],
        "sex": ["F" if number < 21 else "M" for number in range(30)],
    }
)
PATIENTS = FRAME["patient_id"].to_numpy(dtype=str)
SCHEMA = learn_schema(FRAME, ("age", "sex"))
REAL = encode(FRAME, SCHEMA)


def rows(encoded: Encoded) -> list[tuple[float, ...]]:
    return [tuple(row) for row in np.hstack([encoded.values, encoded.present]).tolist()]


@pytest.mark.parametrize("sizes", [[1] * 10, [3] * 10, [5, 1, 1, 2, 1], [1, 1]])
def test_every_row_comes_from_another_patient(sizes: list[int]) -> None:
    patients = np.repeat([f"p{number}" for number in range(len(sizes))], sizes)
    for seed in range(5):
        donors = other_patients(patients, seed)
        assert sorted(donors) == list(range(len(patients)))
        assert (patients[donors] != patients).all()


def test_images_of_a_patient_mostly_get_rows_of_one_other() -> None:
    donors = PATIENTS[other_patients(PATIENTS, 0)]
    assert all(len(set(donors[patient == PATIENTS])) <= 2 for patient in set(PATIENTS))


def test_shuffled_rows_stay_whole_with_their_gaps_and_are_fixed_for_the_run() -> None:
    shuffled = controlled(REAL, PATIENTS, SCHEMA, "shuffled", seed=1)
    assert sorted(rows(shuffled)) == sorted(rows(REAL))
    assert rows(shuffled) != rows(REAL)
    assert rows(shuffled) == rows(controlled(REAL, PATIENTS, SCHEMA, "shuffled", seed=1))
    assert rows(shuffled) != rows(controlled(REAL, PATIENTS, SCHEMA, "shuffled", seed=2))


def test_rows_are_shuffled_within_their_split() -> None:
    splits = np.repeat(["train", "test"], [18, 12])
    shuffled = controlled(REAL, PATIENTS, SCHEMA, "shuffled", seed=1, splits=splits)
    for split in ("train", "test"):
        here = [place for place, name in enumerate(splits) if name == split]
        assert sorted(rows(shuffled)[place] for place in here) == sorted(rows(REAL)[place] for place in here)


def test_a_constant_keeps_the_gaps_and_says_the_same_of_everybody() -> None:
    constant = controlled(REAL, PATIENTS, SCHEMA, "constant", seed=0)
    np.testing.assert_array_equal(constant.present, REAL.present)
    known = constant.present[:, 0] == 1
    assert len(set(constant.values[known, 0])) == 1
    assert not constant.values[~known, 0].any()
    np.testing.assert_array_equal(constant.values[:, 1:], np.tile([0, 1], (30, 1)))  # F is the more frequent sex
    assert typical_row(REAL, SCHEMA)[0] == pytest.approx(REAL.values[known, 0].mean())


@pytest.mark.parametrize("kind", ["none", "noise"])
def test_others_leave_the_table_as_it_is(kind: str) -> None:
    assert controlled(REAL, PATIENTS, SCHEMA, kind, seed=0) is REAL


def test_noise_looks_like_rows_and_means_nothing() -> None:
    schema = learn_schema(FRAME, ("age", "sex"))
    drawn = random_rows(schema, 4000, torch.Generator().manual_seed(0))
    places = column_slices(schema)
    age, sex = drawn[:, places["age"]], drawn[:, places["sex"]]
    assert age.min() >= 0
    assert age.max() <= 1
    assert abs(float(age.mean()) - 0.5) < 0.02
    assert (sex.sum(1) == 1).all()
    assert abs(float(sex[:, 0].mean()) - 0.5) < 0.03
    binned = random_rows(learn_schema(FRAME, ("age:bins10",)), 10, torch.Generator().manual_seed(0))
    assert (binned.sum(1) == 1).all()
