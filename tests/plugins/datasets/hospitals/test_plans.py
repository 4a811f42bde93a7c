"""Each further hospital as an external test set, and several of them in one plan; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssl_bench.config.config import load
from ssl_bench.data.stats import statistics
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import Registry
from sslbench_datasets.hospitals.components import HOSPITALS

Make = Callable[[str], Path]
NAMES = [component.name for component in HOSPITALS]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_planned_as_an_external_test_set(
    name: str, registry: Registry, hospitals: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.getbasetemp() / "hospital-plans"  # of the synthetic cohort that all of them stand beside
    values = {"evaluate": {"test_on": [{"name": name, "root": str(hospitals(name))}]}}
    plan = make_plan(load(values, name="smoke"), registry, cache)
    (other,) = plan.external
    assert other.cohort.name == name
    assert other.labels
    assert any(note.startswith(f"data of {name} are synthetic") for note in other.notes)
    tables = statistics(other.cohort)
    assert tables["demographics"].loc["images", "test"] == len(other.cohort.split("test")) > 0


def test_three_hospitals_are_pretrained_on_and_four_others_tested(
    registry: Registry, hospitals: Make, tmp_path: Path
) -> None:
    own, others = ("padchest", "brax", "vindr-cxr"), ("taix-ray", "openi", "chexpert-plus", "nih14-experts")
    sources = [{"name": name, "root": str(hospitals(name))} for name in own]
    values = {
        "data": {**sources[0], "more": sources[1:], "attributes": "device"},
        "evaluate": {"test_on": [{"name": name, "root": str(hospitals(name))} for name in others]},
    }
    plan = make_plan(load(values, name="smoke"), registry, tmp_path)
    assert set(plan.cohort.frame["dataset"]) == set(own)
    assert [other.name for other in plan.external] == list(others)
    assert "device" in plan.cohort.features
    assert plan.cohort.frame.loc[plan.cohort.frame["dataset"] == "vindr-cxr", "device"].isna().all()
