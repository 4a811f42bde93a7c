"""The cost of a plan is counted once for the same plan and code, and again after any change."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.build import estimate as building
from ssl_bench.build import remembered as module
from ssl_bench.build.remembered import FOLDER, remembered
from ssl_bench.build.size import Estimate
from ssl_bench.config.config import load
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.contracts import Photometric, ViewGroup
from ssl_bench.plugin.registry import Registry

HEAVY = {
    "torch", "torchvision", "timm", "lightly", "lightning_fabric", "triton", "sympy", "huggingface_hub", "scipy",
    "sklearn", "matplotlib", "plotly", "optuna", "pydicom",
}  # fmt: skip
"""What a dry run does without where it was made before."""

Planner = Callable[..., Plan]


@pytest.fixture
def planned(registry: Registry, tiny_nih: Callable[..., Path], tmp_path: Path) -> Planner:
    def make(**values: Any) -> Plan:
        data = {"name": "nih14", "root": str(tiny_nih())}
        return make_plan(load({"method": "msn-ehr", "data": data, **values}, name="smoke"), registry, tmp_path)

    return make


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that were counted rather than remembered; the n-th has n parameters."""
    plans: list[Plan] = []

    def count(plan: Plan) -> Estimate:
        plans.append(plan)
        group = ViewGroup("anchor", 1, 32, (0.3, 1.0), Photometric(brightness=0.4), flip=0.5)
        return Estimate(len(plans), 2, (group,), 3, 4, 5)

    monkeypatch.setattr(building, "estimate", count)
    return plans


def kept(plan: Plan) -> list[Path]:
    return sorted((plan.cache / FOLDER).glob("*"))


def test_the_same_plan_is_counted_once(planned: Planner, counted: list[Plan]) -> None:
    first, second = remembered(planned()), remembered(planned())
    assert len(counted) == 1
    assert asdict(second) | {"views": None} == asdict(first) | {"views": None}
    assert list(second.views) == list(first.views)


@pytest.mark.parametrize("change", [
    {"pretrain": {"batch_size": 8}},
    {"method": {"name": "msn-ehr", "prototypes": 16}},
    {"ehr": {"features": "age"}},
    {"backbone": {"options": {"depth": 1}}},
    {"fusion": "film"},
])  # fmt: skip
def test_another_plan_is_counted_anew(planned: Planner, counted: list[Plan], change: dict[str, Any]) -> None:
    assert remembered(planned()).encoder_parameters == 1
    assert remembered(planned(**change)).encoder_parameters == 2


@pytest.mark.parametrize("changed", ["_files", "_installed"])
def test_other_code_is_counted_anew(
    planned: Planner, counted: list[Plan], monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    remembered(planned())
    monkeypatch.setattr(module, changed, lambda *plan: ["another"])
    remembered(planned())
    assert len(counted) == 2


def test_the_code_of_every_component_counts(planned: Planner) -> None:
    files = "\n".join(module._files(planned(fusion="film")))
    for known in ("ssl_bench/build/estimate.py", "sslbench_methods/msn.py", "sslbench_fusions/film.py",
                  "sslbench_evaluators/knn.py"):  # fmt: skip
        assert f"{known} " in files


def test_what_is_no_estimate_is_counted_again(planned: Planner, counted: list[Plan]) -> None:
    found = remembered(planned())
    (path,) = kept(planned())
    whole = path.read_bytes()
    for broken in (b"", b"{}", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        assert remembered(planned()).step_flops == found.step_flops
    assert len(counted) == 4


def test_a_cache_that_nobody_may_write_to_costs_only_time(planned: Planner, counted: list[Plan]) -> None:
    plan = planned()
    (plan.cache / FOLDER).write_text("no folder")
    assert [remembered(plan).encoder_parameters for _ in range(2)] == [1, 2]


def test_no_cache_is_made(planned: Planner, counted: list[Plan], tmp_path: Path) -> None:
    plan = replace(planned(), cache=tmp_path / "none")
    assert [remembered(plan).encoder_parameters for _ in range(2)] == [1, 2]
    assert not plan.cache.exists()


def test_weights_of_others_are_looked_at_each_time(planned: Planner, counted: list[Plan], tmp_path: Path) -> None:
    (weights := tmp_path / "weights.pt").touch()
    for _ in range(2):
        remembered(planned(backbone={"init": str(weights)}))
    assert len(counted) == 2
    assert not kept(planned())


def test_a_dry_run_that_was_made_before_imports_nothing_heavy(tiny_nih: Callable[..., Path], tmp_path: Path) -> None:
    code = (
        "import sys; from ssl_bench.cli import main\n"
        "try: main()\n"
        "finally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    asked = ["run", "--dry-run", "--preset", "smoke", "--accelerator", "cpu", "--cache", str(tmp_path),
             "--data", f"nih14={tiny_nih()}"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    first, second = (
        subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True, check=True,
                       env=environment, cwd=tmp_path)
        for _ in range(2)
    )  # fmt: skip
    assert "torch" in first.stderr.split()
    assert not HEAVY & set(second.stderr.split())
    assert second.stdout == first.stdout
    assert "GFLOP a step" in second.stdout
