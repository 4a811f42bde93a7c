"""One record holds one set of options of a protocol."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ssl_bench.errors import UsageError
from ssl_bench.evaluate.reevaluate import check_same_options, options_of, other_replicates
from ssl_bench.plan.plan import Plan
from ssl_bench.results.record import Record


def row(fraction: float = 1.0, draw: int = 0, dataset: str = "home", fitted_on: str = "home") -> dict[str, Any]:
    return {"protocol": "knn", "fraction": fraction, "draw": draw, "dataset": dataset, "fitted_on": fitted_on}


def record(*rows: dict[str, Any]) -> Record:
    """Of a run that was measured with k = 5, and tested on one other dataset."""
    return Record.model_validate({
        "options": {"evaluator": {"knn": {"neighbours": [5]}}}, "metrics": list(rows),
        "external": [{"name": "external"}],
        "config": {"evaluate": {"replicates": 1000}},
    })  # fmt: skip


def plan(k: int, fractions: tuple[float, ...] = (1.0,), *, mode: str = "", fits: bool = True) -> Plan:
    options = SimpleNamespace(model_dump=lambda mode: {"neighbours": [k]})
    chosen = SimpleNamespace(name="knn", options=options, component=SimpleNamespace(fits=fits, kind="evaluator"))
    evaluate = SimpleNamespace(label_fractions=fractions, label_draws=2, replicates=500, protocols=("knn",))
    found = SimpleNamespace(
        parts=SimpleNamespace(evaluators=(chosen,), downstream=None, baselines=()),
        config=SimpleNamespace(evaluate=evaluate),
        external=[SimpleNamespace(name="external", mode=mode)] if mode else [],
    )  # fmt: skip
    return cast("Plan", found)


@pytest.mark.parametrize(
    ("kept", "asked", "where"),
    [
        (row(0.1, 1), plan(20), r"home \(fitted on home\) at label fraction 0.1, draw 1"),
        (row(0.1, 2), plan(20, (0.1, 1.0)), r"home \(fitted on home\) at label fraction 0.1, draw 2"),
        (row(dataset="external"), plan(20), r"external \(fitted on home\)"),
        (row(dataset="external"), plan(20, mode="refit"), r"external \(fitted on home\)"),
    ],
)
def test_rows_of_other_options_may_not_stay(kept: dict[str, Any], asked: Plan, where: str) -> None:
    with pytest.raises(UsageError, match=rf"measured with neighbours \[5\] \(now \[20\]\), and rows on {where} would"):
        check_same_options(record(row(), kept), asked)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        (row(0.1, 1), plan(5)),
        (row(0.1, 1), plan(20, (0.1, 1.0))),
        (row(), plan(20, (0.1,), fits=False)),
        (row(dataset="external"), plan(20, mode="head")),
        (row(dataset="external", fitted_on="external"), plan(20, mode="refit")),
    ],
)
def test_the_same_options_or_all_rows_anew_are_fine(kept: dict[str, Any], asked: Plan) -> None:
    check_same_options(record(kept), asked)


def test_options_and_resamples_are_told() -> None:
    assert options_of(plan(20)) == {"evaluator": {"knn": {"neighbours": [20]}}}
    assert other_replicates(record(), plan(5)) == ["knn: evaluated again, intervals from 500 resamples of patients"]
