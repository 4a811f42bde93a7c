"""Size and cost of a run, counted without memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.api.start import carry_out
from ssl_bench.build.estimate import dry_build, estimate
from ssl_bench.build.modules import build_method, count_parameters
from ssl_bench.config.config import load
from ssl_bench.errors import PluginError, UsageError
from ssl_bench.pipeline import cost
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.rundir import RunDirectory

Planner = Callable[..., Plan]


@pytest.fixture(scope="module")
def planned(registry: Registry, tiny_nih: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Planner:
    cache = tmp_path_factory.mktemp("cache")

    def make(preset: str = "smoke", **values: Any) -> Plan:
        data = {"name": "nih14", "root": str(tiny_nih()), **values.pop("data", {})}
        return make_plan(load({"method": "msn-ehr", "data": data, **values}, name=preset), registry, cache)

    return make


def test_parameters_are_those_of_the_real_modules(planned: Planner) -> None:
    plan = planned()
    size, method = estimate(plan), build_method(plan)
    assert size.encoder_parameters == count_parameters(method.encoder)
    assert size.trainable_parameters == count_parameters(method, trainable=True)
    assert [group.name for group in size.views] == [group.name for group in method.views]


def test_vit_tiny_has_the_parameters_of_the_literature(planned: Planner) -> None:
    size = estimate(planned(backbone={"name": "vit-tiny", "image_size": 224}, data={"size": 224}))
    three_channels = 5_524_416  # timm's vit_tiny_patch16_224 without classifier
    assert size.encoder_parameters == three_channels - 2 * 16 * 16 * 192


def test_cost_grows_with_the_batch(planned: Planner) -> None:
    small, large = (estimate(planned(pretrain={"batch_size": batch})) for batch in (16, 32))
    assert large.step_flops == pytest.approx(2 * small.step_flops, rel=0.05)
    assert small.memory_bytes < large.memory_bytes < 2 * small.memory_bytes
    assert small.encoder_parameters == large.encoder_parameters


def test_dropped_patches_cost_nothing(planned: Planner) -> None:
    whole, masked = (
        estimate(planned(method={"name": "msn", "mask_ratio": ratio, "focal_views": 0})) for ratio in (0.0, 0.5)
    )
    assert masked.step_flops < 0.75 * whole.step_flops


def test_a_baseline_is_not_trained(planned: Planner) -> None:
    size = estimate(planned(method="random"))
    assert (size.step_flops, size.trainable_parameters, list(size.views)) == (0, 0, [])
    assert size.encoder_parameters > 0


def test_the_store_is_one_byte_a_pixel(planned: Planner) -> None:
    assert estimate(planned()).store_bytes == 120 * 40 * 40


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"backbone": {"name": "vit_tiny_patch16_223", "image_size": 32}}, "unknown timm model 'vit_tiny_patch16_223'"),
        (
            {"method": {"name": "msn", "focal_size": 17}},
            "focal views of 17 px, which is no multiple of the patch size 8",
        ),
        (
            {"method": "simclr", "backbone": {"name": "resnet18"}, "pretrain": {"accumulate": 2}},
            "--accumulate 2 would train another network: backbone 'resnet18' has BatchNorm",
        ),
        (
            {"backbone": {"name": "swin_tiny_patch4_window7_224"}, "data": {"size": 224}},
            "cannot drop any; choose vit-t",
        ),
    ],
)
def test_what_cannot_be_built_is_told_in_the_rehearsal(planned: Planner, values: dict[str, Any], sentence: str) -> None:
    plan = planned(**values)
    with pytest.raises(UsageError, match=sentence):
        dry_build(plan)


def test_a_component_that_cannot_be_imported_is_told_in_the_rehearsal(planned: Planner) -> None:
    from dataclasses import replace

    plan = planned(evaluate={"protocols": "knn"})
    chosen = plan.parts.evaluators[0]
    gone = replace(chosen, component=replace(chosen.component, target="no_such_package:Knn"))
    with pytest.raises(PluginError, match="evaluator 'knn' cannot be loaded from 'no_such_package:Knn'"):
        dry_build(replace(plan, parts=replace(plan.parts, evaluators=(gone,))))


def test_a_run_is_counted_before_it_begins_and_not_again(
    planned: Planner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan, given = planned(), dict[str, Any]()

    def execute(*arguments: object, **named: Any) -> None:
        given.update(named)

    monkeypatch.setattr("ssl_bench.pipeline.execute", execute)
    carry_out(plan, RunDirectory(tmp_path / "run"), report=False)
    assert given["size"] == estimate(plan)
    monkeypatch.setattr("ssl_bench.pipeline.estimate", lambda plan: pytest.fail("built again"))
    assert cost(plan, given["size"]).flops == given["size"].step_flops * plan.steps


def test_counting_a_run_loads_no_trainer() -> None:
    """Fabric looks for the version of torchmetrics by importing it, and with it transformers, scipy and matplotlib."""
    told = "import sys, ssl_bench.build.estimate; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    assert not {"lightning_fabric", "torchmetrics", "transformers", "matplotlib"} & set(loaded)


@pytest.mark.parametrize(
    ("name", "parameters"),  # timm's with three channels and without classifier, less two channels of the first layer
    [("vit-base", 85_798_656 - 2 * 16 * 16 * 768), ("vit-large", 303_301_632 - 2 * 16 * 16 * 1024),
     ("convnext-base", 87_566_464 - 2 * 4 * 4 * 128)],
)  # fmt: skip
def test_larger_encoders_have_the_parameters_of_the_literature(planned: Planner, name: str, parameters: int) -> None:
    values = {"backbone": {"name": name, "image_size": 224}, "data": {"size": 224}, "method": "simclr"}
    assert count_parameters(dry_build(planned(pretrain={"accumulate": 2}, **values)).encoder) == parameters
