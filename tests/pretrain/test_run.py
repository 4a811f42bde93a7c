"""Pretraining of a plan: the right rows, and a resume that checks what it goes on from."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ssl_bench.build.modules import build_method
from ssl_bench.build.prepared import PreparedData, prepare_data, pretraining_positions
from ssl_bench.config.config import load
from ssl_bench.errors import Interrupted, UsageError
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.features import encode
from ssl_bench.plugin.registry import Registry
from ssl_bench.pretrain import checkpoint as checkpoints
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.run import batch_stream, last_checkpoint, pretrain
from ssl_bench.results.rundir import RunDirectory

CPU = torch.device("cpu")
STEPS = 4


@dataclass
class Told:
    """A reporter that writes the log as a run does, and is killed politely at a step."""

    run: RunDirectory
    stop_at: int = 0
    warnings: list[str] = field(default_factory=list)

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        self.run.append_log(entry)
        if done == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)


def make(root: Path, registry: Registry, cache: Path, **flags: Any) -> Plan:
    values: dict[str, Any] = {
        "method": {"name": "msn-ehr", "prototypes": 8, "hidden_dim": 16, "output_dim": 8},
        "data": {"name": "nih14", "root": str(root), "on_bad": "quarantine", "bad_limit": 0.1},
        "backbone": {"name": "vit-micro", "options": {"embed_dim": 16, "depth": 1, "num_heads": 2}},
        "pretrain": {"epochs": 2, "batch_size": 12, "log_every": 1, "accelerator": "cpu", "precision": "32-true"},
    }
    return make_plan(load(values | flags, name="smoke"), registry, cache)


@pytest.fixture
def plan(tiny_nih: Callable[..., Path], registry: Registry, tmp_path: Path) -> Plan:
    plan = make(tiny_nih(patients=20), registry, tmp_path / "cache")
    assert plan.steps == STEPS
    return plan


@pytest.fixture
def material(plan: Plan) -> PreparedData:
    return prepare_data(plan, CPU, lambda done, total: None)


def directory(path: Path) -> RunDirectory:
    path.mkdir()
    return RunDirectory(path)


def start(plan: Plan, material: PreparedData, run: RunDirectory, told: Told, *, resume: bool = False) -> Any:
    method = build_method(plan)
    fabric = build_fabric(plan.config.pretrain)
    found = last_checkpoint(plan, run, told, allow_inexact=False) if resume else None
    pretrain(plan, run, method, material, fabric, told, start=found)
    return method


@pytest.fixture
def cut(plan: Plan, material: PreparedData, tmp_path: Path) -> RunDirectory:
    """A run that was interrupted after three of its four steps, so with checkpoints at two and three."""
    run = directory(tmp_path / "cut")
    with pytest.raises(Interrupted):
        start(plan, material, run, Told(run, stop_at=3))
    return run


def test_batches_hold_the_ehr_and_labels_of_their_images(plan: Plan, material: PreparedData) -> None:
    stream = batch_stream(plan, build_method(plan), material)
    frame = plan.cohort.frame.set_index("image_id")
    for step in (0, 3):
        batch, rows = stream.batch(step), frame.loc[stream.names(step)]
        assert (rows["split"] == "train").all()
        assert [material.stores[0].image_ids[row] for row in batch.index] == stream.names(step)
        wanted = encode(rows, plan.schema)
        np.testing.assert_array_equal(batch.ehr, wanted.values)
        np.testing.assert_array_equal(batch.present, wanted.present)
        np.testing.assert_array_equal(batch.labels, rows[list(plan.cohort.labels)].to_numpy(np.float32))


def test_a_control_stands_in_for_the_real_ehr_and_is_noted(
    tiny_nih: Callable[..., Path], registry: Registry, tmp_path: Path, material: PreparedData
) -> None:
    root = tiny_nih(patients=20)
    batches = {}
    for kind in ("none", "shuffled", "constant", "noise"):
        plan = make(root, registry, tmp_path, ehr={"control": kind})
        method = build_method(plan)
        batches[kind] = [batch_stream(plan, method, material).batch(step) for step in (0, 1)]
        assert [f"the control '{kind}'" in note for note in plan.notes] == ([] if kind == "none" else [True])
        assert sum(value.numel() for value in method.fusion.parameters()) > 0
    for kind in ("shuffled", "constant", "noise"):
        assert not torch.equal(batches[kind][0].ehr, batches["none"][0].ehr)
        assert torch.equal(batches[kind][0].index, batches["none"][0].index)
    assert len(batches["constant"][0].ehr.unique(dim=0)) == 1


def test_ehr_is_withheld_where_the_plan_says_so(
    tiny_nih: Callable[..., Path], registry: Registry, tmp_path: Path, material: PreparedData
) -> None:
    plan = make(tiny_nih(patients=20), registry, tmp_path, ehr={"start": 0.5})
    stream = batch_stream(plan, build_method(plan), material)
    assert [bool(stream.batch(step).present.any()) for step in range(STEPS)] == [False, False, True, True]
    assert plan.notes == ["EHR was given from 50% to 100% of the pretraining"]


def test_a_quarantined_image_takes_its_ehr_with_it(
    tiny_nih: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    root = tiny_nih(patients=20, fresh=True)
    whole = make(root, registry, tmp_path)
    bad = whole.cohort.split("train")["image_id"].iloc[3]
    (root / "images" / bad).write_bytes(b"no image")
    plan = make(root, registry, tmp_path)
    material = prepare_data(plan, CPU, lambda done, total: None)
    assert list(material.rejected) == [bad]
    assert len(material.cohort) == len(plan.cohort) - 1
    stream = batch_stream(plan, build_method(plan), material)
    everything = stream.image_ids
    assert bad not in everything
    assert len(everything) == len(pretraining_positions(plan, material.cohort)) == len(whole.cohort.split("train")) - 1
    batch, frame = stream.batch(1), plan.cohort.frame.set_index("image_id")
    np.testing.assert_array_equal(batch.ehr, encode(frame.loc[stream.names(1)], plan.schema).values)


def test_a_resumed_run_ends_in_the_same_bits(
    plan: Plan, material: PreparedData, cut: RunDirectory, tmp_path: Path
) -> None:
    run = directory(tmp_path / "alone")
    alone = start(plan, material, run, Told(run)).state_dict()
    told = Told(cut)
    resumed = start(plan, material, cut, told, resume=True).state_dict()
    assert told.warnings == []
    assert alone.keys() == resumed.keys()
    assert all(torch.equal(alone[name], resumed[name]) for name in alone)
    assert [line.split(",")[0] for line in cut.log.read_text().splitlines()] == [
        f'{{"step": {step}' for step in range(1, STEPS + 1)
    ]


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(plan: Plan, cut: RunDirectory) -> None:
    weights = cut.checkpoints / "step-00000003.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    told = Told(cut)
    found = last_checkpoint(plan, cut, told, allow_inexact=False)
    assert found is not None
    assert found.step == 2
    assert len(told.warnings) == 1
    assert "checkpoint refused, using the one before it: step-00000003: its hash is" in told.warnings[0]
    assert len(cut.log.read_text().splitlines()) == 3  # as it was, for the resume may still be refused
    cut.forget_log_after(found.step)
    assert len(cut.log.read_text().splitlines()) == 2  # the log is cut back to it


def test_a_run_killed_before_its_first_checkpoint_starts_again(plan: Plan, tmp_path: Path) -> None:
    run = directory(tmp_path / "early")
    run.append_log({"step": 1})
    assert last_checkpoint(plan, run, Told(run), allow_inexact=False) is None
    assert run.log.read_text() == '{"step": 1}\n'  # as it was, for the resume may still be refused
    run.forget_log_after(0)
    assert run.log.read_text() == ""


def test_other_conditions_are_refused_unless_allowed(
    plan: Plan, cut: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = checkpoints.conditions()
    monkeypatch.setattr(checkpoints, "conditions", lambda: here | {"threads": 64, "torch": "9.9"})
    found = f"torch {here['torch']} -> 9.9, threads {here['threads']} -> 64"
    with pytest.raises(
        UsageError,
        match=f"would not be identical bit for bit \\({found}\\).*--allow-inexact-resume".replace("+", r"\+"),
    ):
        last_checkpoint(plan, cut, Told(cut), allow_inexact=False)
    told = Told(cut)
    assert last_checkpoint(plan, cut, told, allow_inexact=True).step == 3
    assert told.warnings == [
        f"resumed at step 3 under other conditions, so results are not identical bit for bit: {found}"
    ]


def test_other_splits_or_plugins_are_refused(plan: Plan, cut: RunDirectory) -> None:
    moved = replace(plan, manifest={**plan.manifest, "sha256": "0"})
    newer = replace(plan, components=[{**plan.components[0], "version": "9"}, *plan.components[1:]])
    for other in (moved, newer):
        with pytest.raises(UsageError, match="was started with other data splits or plugin versions"):
            last_checkpoint(other, cut, Told(cut), allow_inexact=True)
