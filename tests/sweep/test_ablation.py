"""The cells of an ablation."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl_bench.config.arms import ARMS
from ssl_bench.errors import UsageError
from ssl_bench.sweep.ablation import cells

OUT = Path("out")
ALL = list(ARMS)


def test_one_set_by_arms_by_seeds() -> None:
    found = cells({"age,sex": ("age", "sex")}, ALL, 5, OUT)
    assert len(found) == 25
    assert [cell.seed for cell in found] == [seed for seed in range(5) for _ in ALL]
    by_name = {str(cell.folder): cell.flags for cell in found}
    assert len(by_name) == 25
    assert by_name["out/none-seed0"] == {
        "fusion": "none", "ehr": {"control": "none", "features": ["age", "sex"]}, "seed": 0
    }  # fmt: skip
    assert by_name["out/real-seed4"] == {"ehr": {"control": "none", "features": ["age", "sex"]}, "seed": 4}
    assert by_name["out/noise-seed1"]["ehr"]["control"] == "noise"


def test_several_sets_share_the_arm_without_ehr() -> None:
    found = cells({"age": ("age",), "sex": ("sex",)}, ALL, 2, OUT, first_seed=7)
    assert len(found) == 2 * (1 + 2 * 4)
    folders = {str(cell.folder) for cell in found}
    assert {"out/none-seed7", "out/age/real-seed8", "out/sex/shuffled-seed7"} <= folders
    assert len(folders) == len(found)


@pytest.mark.parametrize(
    ("arms", "sentence"),
    [
        (["real", "none"], "an ablation compares 'real' with 'shuffled', found real, none; name both"),
        (["real", "shufled"], "unknown arm 'shufled'; did you mean 'shuffled'?"),
    ],
)
def test_arms_that_tell_nothing_are_refused(arms: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        cells({"age": ("age",)}, arms, 5, OUT)
    assert str(refusal.value).startswith(sentence)
