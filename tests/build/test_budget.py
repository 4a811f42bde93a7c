"""Equal operations instead of equal epochs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.build.budget import with_budget, with_epochs
from ssl_bench.build.estimate import estimate
from ssl_bench.config.config import load
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import Registry

Make = Callable[..., Path]


def plan(registry: Registry, root: Path, method: str, **pretrain: Any) -> Plan:
    values = {"method": method, "data": {"name": "nih14", "root": str(root)}, "pretrain": pretrain}
    return make_plan(load(values, name="smoke"), registry, root / "no cache")


def operations(chosen: Plan) -> float:
    return estimate(chosen).step_flops * chosen.steps / 1e12


@pytest.mark.parametrize("method", ["msn", "mae"])
def test_a_budget_of_operations_pays_for_whole_epochs(registry: Registry, tiny_nih: Make, method: str) -> None:
    one = with_epochs(plan(registry, tiny_nih(), method), 1)
    asked = plan(registry, tiny_nih(), method, budget="flops", tflop=3.5 * operations(one))
    assert with_budget(asked).config.pretrain.epochs == 3
    assert operations(with_budget(asked)) <= 3.5 * operations(one)


def test_a_budget_of_epochs_is_left_alone(registry: Registry, tiny_nih: Make) -> None:
    asked = plan(registry, tiny_nih(), "msn", tflop=1.0)
    assert with_budget(asked) is asked
    untrained = plan(registry, tiny_nih(), "random", budget="flops")
    assert with_budget(untrained) is untrained


def test_a_budget_that_pays_for_nothing_is_refused(registry: Registry, tiny_nih: Make) -> None:
    with pytest.raises(UsageError, match="needs their number; add --tflop"):
        with_budget(plan(registry, tiny_nih(), "msn", budget="flops"))
    with pytest.raises(UsageError, match=r"an epoch of 'msn' costs .* TFLOP, found a budget of 1e-06; raise --tflop"):
        with_budget(plan(registry, tiny_nih(), "msn", budget="flops", tflop=1e-6))
