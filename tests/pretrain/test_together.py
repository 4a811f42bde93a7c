"""Two processes train, stop, resume and embed as one process does.

Run as a script this file is one of the processes, ``python test_together.py FOLDER ROOT``; the first starts the other.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from ssl_bench.build.modules import build_backbone, build_method
from ssl_bench.build.prepared import PreparedData, prepare_data
from ssl_bench.config.config import load
from ssl_bench.data.source import BatchStream, ImageSource
from ssl_bench.distributed import rank, rank_zero_first
from ssl_bench.errors import Interrupted, UsageError
from ssl_bench.evaluate.embed import embed
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import discover
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.launch import check_started, launched
from ssl_bench.pretrain.loop import ForwardPass
from ssl_bench.pretrain.run import last_checkpoint, pretrain
from ssl_bench.pretrain.sharding import LARGE, share_out, shares
from ssl_bench.results.rundir import RunDirectory

METHODS: dict[str, dict[str, Any]] = {
    "simclr": {"output_dim": 8},
    "msn-ehr": {"prototypes": 8, "hidden_dim": 16, "output_dim": 8, "focal_views": 2},
    "mae": {"decoder_dim": 32, "decoder_depth": 1},
    "dinov2": {"hidden_dim": 16, "output_dim": 8, "bottleneck_dim": 8, "patch_output_dim": 8, "patch_bottleneck_dim": 8,
               "local_views": 2, "drop_path": 0.4},
}  # fmt: skip
"""A head with BatchNorm, one with masks and EHR besides, one without, and one that draws inside its encoder."""

LESS = ("msn-ehr", "dinov2")
"""Methods whose two processes give their encoder a part of their rows at a time and compute activations again."""

SHARED = ("simclr", "msn-ehr", "dinov2")
"""Methods whose two processes also share weights: BatchNorm, moving averages, and draws inside the encoder."""

ROWS, AT_ONCE, DEPTH = 21, 4, 2


class Told:
    """Keeps the losses, and asks one of the processes to stop after a step."""

    def __init__(self, stop_at: int = 0, stopped: int = 1) -> None:
        self.stop_at, self.stopped = stop_at, stopped
        self.losses: list[float] = []

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        self.losses.append(entry["loss"])
        if done == self.stop_at and rank() == self.stopped:
            os.kill(os.getpid(), signal.SIGTERM)

    def warn(self, sentence: str) -> None:
        raise AssertionError(sentence)


class Silent(Told):
    """Takes warnings, too."""

    def warn(self, sentence: str) -> None:
        self.losses += [0.0]


CHANGES = [("one", "fsdp"), ("ddp", "fsdp"), ("fsdp", "ddp"), ("fsdp", "one")]
"""Who trains first, and who goes on: one process, or two with whole weights or shared ones."""


def planned(name: str, root: Path, folder: Path, devices: int, parallel: str = "auto", *, spares: bool = False) -> Plan:
    less = name in LESS and (devices > 1 or spares)
    values = {
        "method": {"name": name, **METHODS[name]},
        "data": {"name": "nih14", "root": str(root)},
        "backbone": {"name": "vit-micro", "options": {"embed_dim": 16, "depth": DEPTH, "num_heads": 2}},
        "pretrain": {"epochs": 2, "batch_size": 12, "log_every": 1, "accelerator": "cpu", "precision": "32-true",
                     "devices": devices, "threads": 1, "accumulate": 3 if less else 1, "checkpoint_activations": less,
                     "parallel": parallel},
    }  # fmt: skip
    return make_plan(load(values, name="smoke"), discover(), folder / "cache")


@contextmanager
def doubled() -> Iterator[None]:
    """Batches in float64, so that differences are mistakes and not rounding."""
    before = BatchStream.batch

    def batch(stream: BatchStream, step: int, images: Tensor | None = None) -> Any:
        made = before(stream, step, images)
        wide = {name: views.double() for name, views in made.views.items()}
        return replace(made, views=wide, ehr=made.ehr.double(), present=made.present.double())

    BatchStream.batch = batch  # type: ignore[method-assign]
    yield
    BatchStream.batch = before  # type: ignore[method-assign]


def trained(plan: Plan, material: PreparedData, fabric: Any, run: Path) -> dict[str, Any]:
    """Losses and final state of a method in float64."""
    method: Any = build_method(plan)
    told = Told()
    with doubled():
        summary = pretrain(plan, RunDirectory(run), method.double(), material, fabric, told)
    return {"losses": told.losses, "state": method.state_dict(), "processes": summary.processes,
            "null": list(method.null_parameters)}  # fmt: skip


def embedded(plan: Plan, material: PreparedData) -> Any:
    return embed(build_backbone(plan), material.source, material.rows[:ROWS], material.grey, batch_size=AT_ONCE)


def work(folder: Path, root: Path) -> None:
    """One of two processes: everything that the tests ask for, in one launch."""
    plans = {name: planned(name, root, folder, 2) for name in METHODS}
    plan = plans["msn-ehr"]
    with launched(plan.config.pretrain) as fabric:
        material = rank_zero_first(lambda: prepare_data(plan, fabric.device, lambda done, total: None))
        found: dict[str, Any] = {name: trained(plans[name], material, fabric, folder / f"{name}-2") for name in METHODS}
        found["embedded"] = embedded(plan, material)
        sharing = with_shares(plans["simclr"])
        shares = rank_zero_first(lambda: prepare_data(sharing, fabric.device, lambda done, total: None))
        found["held"] = shares.source.held.clone()
        found["simclr, shared"] = trained(sharing, shares, fabric, folder / "simclr-shared")
        found["embedded, shared"] = embedded(plan, shares)
        sharing_weights = {name: planned(name, root, folder, 2, "fsdp") for name in SHARED}
        for name, shared in sharing_weights.items():
            found[f"{name}, fsdp"] = trained(shared, material, fabric, folder / f"{name}-fsdp")
        kinds = {"ddp": plan, "fsdp": sharing_weights["msn-ehr"]}
        for name, kind in kinds.items():
            found[f"{name} cut"] = cut(kind, material, fabric, folder / f"begun-{name}")
        for first, then in (change for change in CHANGES if change[1] in kinds):
            run = folder / f"{first}-{then}"
            found[run.name] = continued(kinds[then], material, fabric, folder / f"begun-{first}", run)
        found["parts"] = parts_held(build_method(plan))
        for name, told in (("alone", [Told()]), ("cut", [Told(stop_at=3), Told()])):
            found[name] = [again(plan, material, fabric, RunDirectory(folder / name), teller) for teller in told]
        torch.save(found, folder / f"{rank()}.pt")


def with_shares(plan: Plan) -> Plan:
    """The plan with images of which each process holds its share."""
    data = plan.config.data.model_copy(update={"residency": "sharded"})
    return replace(plan, config=plan.config.model_copy(update={"data": data}))


def cut(plan: Plan, material: PreparedData, fabric: Any, run: Path) -> str:
    """Train in float64 up to a signal after three of four steps."""
    with doubled(), pytest.raises(Interrupted) as told:
        pretrain(plan, RunDirectory(run), doubles(plan), material, fabric, Told(stop_at=3, stopped=0))
    return str(told.value)


def continued(plan: Plan, material: PreparedData, fabric: Any, begun: Path, run: Path) -> Any:
    """The weights at the end of a run that others have begun."""
    if rank() == 0:
        shutil.copytree(begun, run)
    start = rank_zero_first(lambda: last_checkpoint(plan, RunDirectory(run), Silent(), allow_inexact=True))
    assert start is not None
    method = doubles(plan)
    with doubled():
        pretrain(plan, RunDirectory(run), method, material, fabric, Silent(), start=start)
    return {"from": start.step, "state": method.state_dict()}


def doubles(plan: Plan) -> Any:
    return cast("torch.nn.Module", build_method(plan)).double()


def parts_held(method: Any) -> tuple[int, int]:
    """Numbers that this process holds of a method whose weights are shared, and how many there are."""
    total = sum(value.numel() for value in method.parameters())
    share_out(forward := ForwardPass(method), torch.device("cpu"))
    return sum(cast("DTensor", value).to_local().numel() for value in forward.parameters()), total


def again(plan: Plan, material: PreparedData, fabric: Any, run: RunDirectory, told: Told) -> str:
    """Train or go on; what interrupted it."""
    start = rank_zero_first(lambda: last_checkpoint(plan, run, told, allow_inexact=False))
    try:
        pretrain(plan, run, build_method(plan), material, fabric, told, start=start)
    except Interrupted as error:
        return str(error)
    return "" if start is None else f"from {start.step}"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, tiny_nih: Callable[..., Path]) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of the two processes, and what each of them found."""
    folder = tmp_path_factory.mktemp("together")
    plan = planned("msn-ehr", tiny_nih(patients=20), folder, 1, spares=True)
    alone = prepare_data(plan, torch.device("cpu"), lambda done, total: None)
    cut(plan, alone, build_fabric(plan.config.pretrain), folder / "begun-one")
    command = [sys.executable, __file__, str(folder), str(tiny_nih(patients=20))]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=300, check=False)
    assert done.returncode == 0
    return folder, [torch.load(folder / f"{number}.pt", weights_only=False) for number in range(2)]


@pytest.fixture(scope="module")
def material(both: Any, tiny_nih: Callable[..., Path]) -> PreparedData:
    plan = planned("msn-ehr", tiny_nih(patients=20), both[0], 1)
    return prepare_data(plan, torch.device("cpu"), lambda done, total: None)


@pytest.mark.parametrize(
    ("name", "shared"), [*((name, "") for name in METHODS), *((name, ", fsdp") for name in SHARED)]
)
def test_two_processes_train_as_one_does(
    name: str, shared: str, both: Any, material: PreparedData, tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    plan = planned(name, tiny_nih(patients=20), both[0], 1)
    one = trained(plan, material, build_fabric(plan.config.pretrain), tmp_path / "one")
    for found in (process[name + shared] for process in both[1]):
        assert (one["processes"], found["processes"]) == (1, 2)
        assert found["losses"] == pytest.approx(one["losses"], rel=1e-9)
        for key, value in one["state"].items():
            if key not in one["null"] and value.is_floating_point() and not idle(key):
                assert distance(found["state"][key], value) < 1e-6, key


def idle(key: str) -> bool:
    """Whether AdamW blows up rounding there: the keys' bias adds the same to all scores of a softmax."""
    return key.endswith("qkv.bias")


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / (wanted.norm() + 1e-3))


def test_both_processes_end_with_the_same_weights(both: Any) -> None:
    for name in METHODS:
        first_, second = (process[name]["state"] for process in both[1])
        assert all(torch.equal(first_[key], second[key]) for key in first_)


def test_a_signal_to_one_process_stops_both_and_a_resume_ends_in_the_same_bits(both: Any) -> None:
    folder, found = both
    told = f"SIGTERM: saved at step 3 of 4; continue with --resume {folder / 'cut'}"
    assert [process["cut"] for process in found] == [[told, "from 3"]] * 2
    contents = [max((folder / name / "checkpoints").glob("*.safetensors")).read_bytes() for name in ("alone", "cut")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("first", "then"), CHANGES)
def test_a_checkpoint_goes_on_with_other_processes_and_weights_shared_or_not(
    first: str, then: str, both: Any, material: PreparedData, tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    wanted = both[1][0]["msn-ehr"]
    if then == "one":
        plan = planned("msn-ehr", tiny_nih(patients=20), both[0], 1, spares=True)
        fabric = build_fabric(plan.config.pretrain)
        found = [continued(plan, material, fabric, both[0] / f"begun-{first}", tmp_path / "run")]
    else:
        found = [process[f"{first}-{then}"] for process in both[1]]
    for process in found:
        assert process["from"] == 3
        for key, value in wanted["state"].items():
            if key not in wanted["null"] and value.is_floating_point() and not idle(key):
                assert type(process["state"][key]) is Tensor
                assert distance(process["state"][key], value) < 1e-6, key


def test_processes_that_share_weights_hold_half_of_them_each(both: Any) -> None:
    parts = [process["parts"] for process in both[1]]
    assert sum(held for held, _ in parts) == parts[0][1] == parts[1][1]
    assert all(held < 0.55 * total for held, total in parts)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"devices": 1}, "shares the weights among processes, and there is one; add --devices N"),
        ({"compile": True}, "with pretrain.parallel=fsdp has not been tested; leave out one of the two"),
        ({"optimizer": "lars", "lr": 0.1}, "LARS needs norms of whole weights, .*; add --set pretrain.optimizer=adamw"),
    ],
)
def test_what_cannot_share_weights_is_told_in_a_plan(
    changes: dict[str, Any], said: str, tiny_nih: Callable[..., Path]
) -> None:
    values = {"data": {"name": "nih14", "root": str(tiny_nih(patients=20))},
              "pretrain": {"parallel": "fsdp", "devices": 2, **changes}}  # fmt: skip
    with pytest.raises(UsageError, match=said):
        choose_parts(load(values, name="smoke"), discover())


def test_weights_are_shared_on_request_or_from_a_size_on(monkeypatch: pytest.MonkeyPatch) -> None:
    config, large = load({}, name="smoke").pretrain, torch.nn.Linear(LARGE // 1000, 1000, device="meta")
    alike = {name: config.model_copy(update={"parallel": name}) for name in ("auto", "ddp", "fsdp")}
    assert not any(shares(one, large, "adamw") for one in alike.values())
    monkeypatch.setattr("ssl_bench.pretrain.sharding.world_size", lambda: 2)
    found = {(name, net.in_features > 1): shares(one, net, "adamw")
             for name, one in alike.items() for net in (large, torch.nn.Linear(1, 1))}  # fmt: skip
    assert [key for key, shared in found.items() if shared] == [("auto", True), ("fsdp", True), ("fsdp", False)]
    assert not shares(alike["auto"], large, "lars")


def test_embedding_is_shared_and_returns_each_image_once(
    both: Any, material: PreparedData, tiny_nih: Callable[..., Path]
) -> None:
    wanted = embedded(planned("msn-ehr", tiny_nih(patients=20), both[0], 1), material)
    for process in both[1]:
        assert process["embedded"].shape == (ROWS, 16)
        torch.testing.assert_close(torch.from_numpy(process["embedded"]), torch.from_numpy(wanted))


def test_processes_that_hold_half_of_the_images_each_train_and_embed_as_with_all(
    both: Any, material: PreparedData
) -> None:
    images = torch.from_numpy(np.array(material.stores[0].images))
    for number, process in enumerate(both[1]):
        assert torch.equal(process["held"], images[number::2])
        plain, shared = process["simclr"], process["simclr, shared"]
        assert shared["losses"] == plain["losses"]
        assert all(torch.equal(shared["state"][key], value) for key, value in plain["state"].items())
        np.testing.assert_array_equal(process["embedded, shared"], process["embedded"])


def test_one_process_shares_with_nobody(material: PreparedData, tiny_nih: Callable[..., Path], both: Any) -> None:
    plan = with_shares(planned("simclr", tiny_nih(patients=20), both[0], 1))
    alone = prepare_data(plan, torch.device("cpu"), lambda done, total: None)
    assert isinstance(alone.source, ImageSource)
    rows = np.array([3, 0, 5])
    assert torch.equal(alone.source.read(rows), material.source.read(rows))


def test_processes_that_somebody_else_started_must_be_as_many_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    pretrain_config = load({}, name="smoke").pretrain
    check_started(pretrain_config)
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    check_started(pretrain_config.model_copy(update={"devices": 2, "nodes": 2}))
    with pytest.raises(
        UsageError, match=r"^2 processes on each of 2 machines were started, .* add --devices 2 --nodes"
    ):
        check_started(pretrain_config)


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
