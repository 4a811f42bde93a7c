"""What a record says of the components of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ssl_bench.config.config import load
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.describe import resolved, used

Make = Callable[..., Path]

FILE = "Data_Entry_2017_v2020.csv"


def test_options_are_kept_by_kind_and_name_with_the_fusion_of_downstream_protocols(
    registry: Registry, tiny_nih: Make
) -> None:
    asked = {"method": "msn", "data": {"name": "nih14", "root": str(tiny_nih())}, "ehr": {"features": "age,sex"},
             "evaluate": {"protocols": "finetune", "ehr": True}, "fusion": "film"}  # fmt: skip
    plan = make_plan(load(asked, name="smoke"), registry, tiny_nih() / "no cache")
    found = resolved(used(plan))
    assert plan.parts.downstream is not None
    assert plan.parts.downstream.name == "film"
    assert set(found) == {"dataset", "method", "fusion", "evaluator", "metric"}
    assert set(found["evaluator"]) == {"finetune", "finetune-ehr", "ehr-only"}
    assert {"kind": "fusion", "name": "film"}.items() <= next(
        part for part in plan.components if part["kind"] == "fusion"
    ).items()


def test_a_downstream_fusion_besides_the_runs_own_is_a_component(registry: Registry, tiny_nih: Make) -> None:
    asked = {"method": "msn-ehr", "data": {"name": "nih14", "root": str(tiny_nih())}, "fusion": "none",
             "ehr": {"features": "age,sex"}, "evaluate": {"protocols": "finetune", "ehr": True}}  # fmt: skip
    plan = make_plan(load(asked, name="smoke"), registry, tiny_nih() / "no cache")
    names = [part["name"] for part in plan.components if part["kind"] == "fusion"]
    assert plan.parts.downstream is not None
    assert names == ["none", plan.parts.downstream.name]
    assert set(resolved(used(plan))["fusion"]) == set(names)


def test_one_dataset_twice_keeps_the_options_of_both(registry: Registry, tiny_nih: Make) -> None:
    more = [
        {
            "name": "nih14",
            "root": str(tiny_nih(3, 30, first=2000)),
            "options": {"labels_file": "Data_Entry_2017_v2020.csv"},
        }
    ]
    asked = {"method": "msn", "data": {"name": "nih14", "root": str(tiny_nih()), "more": more}}
    plan = make_plan(load(asked, name="smoke"), registry, tiny_nih() / "no cache")
    found = resolved(used(plan))["dataset"]
    assert list(found) == list(plan.sources)
    assert [options["labels_file"] for options in found.values()] == ["", FILE]
