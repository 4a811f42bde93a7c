"""Selection rules: which number of a trial decides, and what is said where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from ssl_bench.errors import UsageError
from ssl_bench.results.record import Record
from ssl_bench.tune.rules import rule_of, value_of


def record(*rows: dict[str, Any], external: tuple[str, ...] = ()) -> Record:
    usual = {"encoder": "trained", "dataset": "home", "split": "validate", "protocol": "linear", "label": "macro",
             "metric": "auroc", "subgroup": "all", "fraction": 1.0, "value": 0.7, "note": ""}  # fmt: skip
    return Record.model_validate({
        "method": "simclr", "data": {"name": "home"}, "metrics": [{**usual, **row} for row in rows],
        "external": [{"name": name} for name in external],
    })  # fmt: skip


ROWS = ({}, {"label": "Edema", "value": 0.9}, {"metric": "auprc", "value": 0.4}, {"split": "test", "value": 0.8},
        {"protocol": "knn", "value": 0.6}, {"encoder": "random", "value": 0.5}, {"dataset": "away-2", "value": 0.65},
        {"subgroup": "sex=F", "value": 0.75}, {"fraction": 0.1, "value": 0.55})  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "protocol", "value"),
    [("validation", "linear", 0.7), ("validation", "knn", 0.6), ("oracle", "linear", 0.8),
     ("validation:away", "linear", 0.65)],
)  # fmt: skip
def test_each_rule_reads_its_own_number(rule: str, protocol: str, value: float) -> None:
    found = record(*ROWS, external=("away-2",))
    assert value_of(found, rule_of(rule, ("away",)), protocol) == value


def test_without_a_number_the_reason_is_told() -> None:
    rule = rule_of("validation", ())
    assert (
        value_of(record({"split": "test"}), rule, "linear")
        == "no macro AUROC by linear on the split 'validate' of home"
    )
    undefined = record({"value": None, "note": "no finding has both classes"})
    assert value_of(undefined, rule, "linear") == "macro AUROC by linear is undefined: no finding has both classes"


def test_all_rules_but_oracle_withhold_the_test_split() -> None:
    assert rule_of("validation", ()).settings() == {"evaluate.withhold": "test"}
    assert rule_of("validation:nih14", ("nih14",)).settings() == {"evaluate.withhold": "test"}
    assert rule_of("oracle", ()).settings() == {}


@pytest.mark.parametrize(
    ("name", "told"),
    [("test", "unknown selection rule 'test'"), ("validation:", "unknown selection rule"),
     ("validation:chexpert", "needs 'chexpert' among the other datasets; add --test-on chexpert; known are nih14")],
)  # fmt: skip
def test_an_unknown_rule_is_refused(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        rule_of(name, ("nih14",))
