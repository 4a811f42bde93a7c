from __future__ import annotations

import numpy as np
import pytest

from ssl_bench.data.subsets import subsets
from ssl_bench.plugin.contracts import EvalContext, Split


@pytest.fixture
def context() -> EvalContext:
    patients = np.array([f"p{n // 3}" for n in range(300)])
    rows = np.arange(300)
    train = Split("train", rows.astype(str), patients, rows[:, None].astype(np.float32), rows[:, None] % 2.0, rows)
    return EvalContext({"train": train, "test": train}, ["Edema"], None, "cpu", seed=3)  # type: ignore[arg-type]


def test_shares_are_of_patients_and_keep_their_images_together(context: EvalContext) -> None:
    (subset,) = subsets(context, [0.1], draws=1)
    train = subset.context.splits["train"]
    assert len(set(train.patient_ids)) == 10
    assert len(train.rows) == 30
    np.testing.assert_array_equal(train.embeddings[:, 0], train.rows)


def test_smaller_shares_are_inside_larger_ones(context: EvalContext) -> None:
    chosen = {
        (s.fraction, s.draw): set(s.context.splits["train"].patient_ids) for s in subsets(context, [0.5, 0.1, 0.02], 3)
    }
    assert all(chosen[0.02, draw] < chosen[0.1, draw] < chosen[0.5, draw] for draw in range(3))
    assert chosen[0.1, 0] != chosen[0.1, 1]


def test_everything_is_used_once_and_held_out_splits_stay_whole(context: EvalContext) -> None:
    both = list(subsets(context, [1.0, 0.5], draws=2))
    assert [(s.fraction, s.draw) for s in both] == [(0.5, 0), (0.5, 1), (1.0, 0)]
    assert all(len(s.context.splits["test"].rows) == 300 for s in both)
    assert len(both[-1].context.splits["train"].rows) == 300


def test_draws_follow_the_seed_alone(context: EvalContext) -> None:
    first, again = ([s.context.splits["train"].image_ids.tolist() for s in subsets(context, [0.1], 2)] for _ in "ab")
    assert first == again
