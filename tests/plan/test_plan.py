"""A plan: everything that a run needs to know before a model is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ssl_bench.config.config import load
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import Registry

Make = Callable[..., Path]


def plan(registry: Registry, root: Path, preset: str = "smoke", **values: Any) -> Plan:
    values["data"] = {"name": "nih14", "root": str(root), **values.get("data", {})}
    return make_plan(load({"method": "msn-ehr", **values}, name=preset), registry, root / "no cache")


def respell(root: Path, change: Callable[[pd.DataFrame], object]) -> None:
    """Change the label file of a dataset."""
    path = root / "Data_Entry_2017_v2020.csv"
    table = pd.read_csv(path, dtype=str)
    change(table)
    table.to_csv(path, index=False)


def test_a_plan_knows_its_data(registry: Registry, tiny_nih: Make) -> None:
    made = plan(registry, tiny_nih())
    assert len(made.cohort) == 120
    assert {name: len(made.cohort.split(name)) for name in ("train", "validate", "test")} == {
        "train": 88, "validate": 8, "test": 24
    }  # fmt: skip
    assert {name: len(ids) for name, ids in made.manifest["patients"].items()} == {
        "train": 44, "validate": 4, "test": 12
    }  # fmt: skip
    assert made.schema.columns == ("age", "sex=M", "sex=F")
    assert made.steps == 2 * (88 // 16)
    assert not made.synthetic
    assert made.notes == []


def test_planning_writes_nothing(registry: Registry, tiny_nih: Make, tmp_path: Path) -> None:
    before = sorted(tiny_nih().rglob("*"))
    make_plan(load({"data": {"name": "nih14", "root": str(tiny_nih())}}, name="smoke"), registry, tmp_path / "cache")
    assert sorted(tiny_nih().rglob("*")) == before
    assert not (tmp_path / "cache").exists()


def test_a_baseline_that_is_not_trained_takes_no_steps(registry: Registry, tiny_nih: Make) -> None:
    assert plan(registry, tiny_nih(), method="random").steps == 0


def test_the_schema_is_learnt_on_the_training_split_alone(registry: Registry, tiny_nih: Make) -> None:
    spoilt = tiny_nih(fresh=True)
    held_out = pd.Series((spoilt / "test_list.txt").read_text().split())
    respell(spoilt, lambda table: table.__setitem__(
        "Patient Age", table["Patient Age"].mask(table["Image Index"].isin(held_out), "99")))  # fmt: skip
    impute = {"ehr": {"impute": "train", "features": "age,sex"}}
    fills = plan(registry, spoilt, **impute).schema.fills
    assert fills == plan(registry, tiny_nih(), **impute).schema.fills
    assert fills.keys() == {"age", "sex"}


def test_synthetic_results_say_so(registry: Registry, tmp_path: Path) -> None:
    config = load({"data": {"options": {"images": 200, "size": 32}}, "pretrain": {"batch_size": 4}}, name="smoke")
    made = make_plan(config, registry, tmp_path)
    assert made.synthetic
    assert "synthetic" in made.notes[0]


def test_an_open_leakage_gate_is_noted(registry: Registry, tiny_nih: Make) -> None:
    made = plan(registry, tiny_nih(), data={"allow_test_in_pretraining": True})
    assert made.notes == ["test patients were allowed in pretraining"]


def test_pretraining_on_all_splits_needs_the_gate_open(registry: Registry, tiny_nih: Make) -> None:
    with pytest.raises(UsageError, match=r"brings test patients into it; set data\.allow_test_in_pretraining=true too"):
        plan(registry, tiny_nih(), data={"pretrain_on": "all"})
    made = plan(registry, tiny_nih(), data={"pretrain_on": "all", "allow_test_in_pretraining": True})
    assert made.steps == 2 * (120 // 16)
    assert "test patients were allowed in pretraining" in made.notes


def test_identity_follows_configuration_patients_and_components(registry: Registry, tiny_nih: Make) -> None:
    first = plan(registry, tiny_nih()).identity()
    assert plan(registry, tiny_nih()).identity() == first
    assert plan(registry, tiny_nih(), seed=1).identity()["config"] != first["config"]
    assert plan(registry, tiny_nih(patients=70)).identity()["splits"] != first["splits"]
    assert plan(registry, tiny_nih(), method="msn").identity()["components"] != first["components"]


def test_labels_are_settled_in_the_space_asked_for(registry: Registry, tiny_nih: Make) -> None:
    made = plan(registry, tiny_nih(), data={"labels": "common7"})
    assert "Pleural Effusion" in made.cohort.labels
    assert made.cohort.frame[list(made.cohort.labels)].isin((0.0, 1.0)).all().all()


def test_fault_11_a_split_without_images_is_refused(registry: Registry, tiny_nih: Make) -> None:
    root = tiny_nih(fresh=True)
    with (root / "train_val_list.txt").open("a") as train:
        train.write("\n" + (root / "test_list.txt").read_text())
    (root / "test_list.txt").write_text("")
    with pytest.raises(DataError, match="every split needs images; 'nih14' has none in test"):
        plan(registry, root)


def test_all_faults_of_the_files_are_told_at_once(registry: Registry, tiny_nih: Make) -> None:
    root = tiny_nih(fresh=True)
    (root / "images" / "00000001_000.png").unlink()
    respell(root, lambda table: table.__setitem__("Patient ID", table["Patient ID"].replace("6", "5")))
    with pytest.raises(DataError, match=r"(?s)^3 problems\n.*1 of 120 images.*in two splits.*needs as many training"):
        plan(registry, root, pretrain={"batch_size": 500})


def test_the_paper_preset_plans_at_its_own_size(registry: Registry, tiny_nih: Make) -> None:
    made = plan(registry, tiny_nih(), preset="paper")
    assert made.parts.backbone.name == "vit-tiny"
    assert made.parts.image_size == 224
    assert made.steps == 100 * (88 // 64)
