"""Which EHR values a training step sees."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import torch

from ssl_bench.data.exposure import Exposure
from ssl_bench.plugin.features import learn_schema

SCHEMA = learn_schema(pd.DataFrame(), ("age", "sex"))
EHR = torch.tensor([[0.3, 1.0, 0.0], [0.0, 0.0, 1.0]]).repeat(500, 1)
PRESENT = torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]).repeat(500, 1)


def exposure(**fields: Any) -> Exposure:
    return Exposure(SCHEMA, 0, 10, **fields)


def test_by_default_a_step_sees_everything() -> None:
    ehr, present = exposure().shown(EHR, PRESENT, 3)
    assert torch.equal(ehr, EHR)
    assert torch.equal(present, PRESENT)


@pytest.mark.parametrize(
    ("fields", "given"),
    [({"start": 0.3}, range(3, 10)), ({"until": 0.5}, range(5)), ({"start": 0.2, "until": 0.4}, range(2, 4))],
)
def test_ehr_is_given_for_a_part_of_the_training(fields: dict[str, float], given: range) -> None:
    for step in range(10):
        ehr, present = exposure(**fields).shown(EHR, PRESENT, step)
        assert torch.equal(present, PRESENT * (step in given))
        assert torch.equal(ehr, EHR * (step in given))


def test_dropout_withholds_features_as_a_whole() -> None:
    ehr, present = exposure(dropout=0.25).shown(EHR, PRESENT, 0)
    assert torch.equal(present[:, 1], present[:, 2])  # the columns of one feature
    assert not ehr[present == 0].any()
    assert not present[1::2, 0].any()  # what was missing stays so
    for column, known in ((0, PRESENT[::2]), (1, PRESENT)):
        rows = present[::2] if column == 0 else present
        assert abs(float(rows[:, column].sum() / known[:, column].sum()) - 0.75) < 0.05
    assert not torch.equal(present[::2, 0], present[::2, 1])  # each feature by itself


def test_what_is_withheld_is_a_function_of_the_step() -> None:
    shown = [exposure(dropout=0.5).shown(EHR, PRESENT, step)[1] for step in (1, 1, 2)]
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])


def test_noise_is_drawn_at_every_step_and_keeps_the_gaps() -> None:
    (one, mask), (again, _), (other, _) = (exposure(noise=True).shown(EHR, PRESENT, step) for step in (1, 1, 2))
    assert torch.equal(mask, PRESENT)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not one[PRESENT == 0].any()
    assert abs(float(torch.corrcoef(torch.stack([one[::2, 0], one[::2, 1]]))[0, 1])) < 0.1
