"""Wheels of other people: one with a method is used as a built-in is, a broken one is listed and harms nobody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

PROJECTS = Path(__file__).parent / "third_party"
Sslbench = Callable[..., "subprocess.CompletedProcess[str]"]


def build(project: Path, folder: Path) -> Path:
    """Build the wheel of a copy of a project."""
    copy = shutil.copytree(project, folder / project.name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=copy, check=True, capture_output=True)
    return next(folder.glob(f"sslbench_{project.name}-*.whl"))


@pytest.fixture(scope="module")
def sslbench(tmp_path_factory: pytest.TempPathFactory) -> Sslbench:
    """The program in a process that has both wheels installed."""
    folder, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    for project in ("toy", "broken"):
        with zipfile.ZipFile(build(PROJECTS / project, folder)) as wheel:
            wheel.extractall(site)
    work = tmp_path_factory.mktemp("work")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(site), *sys.path])),
                   "SSLBENCH_CACHE": str(work / "cache"), "COLUMNS": "200"}  # fmt: skip

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from ssl_bench.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)

    return run


def test_the_wheel_holds_the_method_and_its_entry_point(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(PROJECTS / "toy", tmp_path)) as wheel:
        assert {"sslbench_toy/__init__.py", "sslbench_toy/method.py"} <= set(wheel.namelist())
        assert wheel.read("sslbench_toy-1.2.3.dist-info/entry_points.txt").split() == [
            b"[sslbench]", b"toy", b"=", b"sslbench_toy"
        ]  # fmt: skip


def test_the_method_is_listed_with_its_distribution_and_the_broken_one_with_why(sslbench: Sslbench) -> None:
    done = sslbench("plugins", "--json")
    assert done.returncode == 0, done.stderr
    listing = json.loads(done.stdout)
    toy = {"kind": "method", "name": "toy", "distribution": "sslbench-toy", "version": "1.2.3"}
    assert [row for row in listing["components"] if toy.items() <= row.items()]
    assert {"sslbench", "sslbench-toy"} == {row["distribution"] for row in listing["components"]}
    assert listing["broken"] == [
        {"plugin": "sslbench-broken 0.1:broken", "names": [], "reason": "RuntimeError: no licence"}
    ]


def test_its_options_are_shown(sslbench: Sslbench) -> None:
    out = sslbench("show", "method", "toy").stdout
    assert "from sslbench-toy 1.2.3, sslbench_toy.method:Toy" in out
    assert "  method.spread = 1.0\n" in out


def test_the_broken_one_is_an_error_where_it_is_asked_for(sslbench: Sslbench) -> None:
    done = sslbench("show", "method", "broken")
    assert done.returncode == 2
    assert "unknown method 'broken'; " in done.stderr
    assert "broken plugin sslbench-broken 0.1:broken: RuntimeError: no licence" in done.stderr


@pytest.mark.slow
def test_the_method_runs_to_a_record_with_ehr_features(
    sslbench: Sslbench, tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    done = sslbench(
        "run", "--method", "toy", "--set", "method.spread=0.5", "--features", "age,sex", "--fusion", "concat",
        "--preset", "smoke", "--data", "nih14", "--root", tiny_nih(), "--eval", "knn",
        "--set", "evaluate.replicates=100", "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["components"][0] == {
        "kind": "method", "name": "toy", "distribution": "sslbench-toy", "version": "1.2.3"
    }  # fmt: skip
    assert record["options"]["method"]["toy"] == {"spread": 0.5}
    assert {row["encoder"] for row in record["metrics"]} == {"trained", "random", "pixels"}
    assert "toy with age, sex (concat) on nih14" in done.stdout


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of each of 60 patients in the layout of the toy dataset, in two wards; its table lies beside."""
    root, rng = tmp_path_factory.mktemp("ward"), np.random.default_rng(0)
    rows = []
    for number in range(120):
        name, findings = f"{number:03}.png", rng.random(3) < (0.4, 0.3, 0.5)
        pixels = rng.integers(0, 120, (40, 40)) + 100 * findings[0]
        Image.fromarray(pixels.astype(np.uint8)).save(root / name)
        rows.append((name, f"p{number // 2}", "north" if number < 100 else "south", 30 + number % 50,
                     85 + number % 14, ("day", "night")[number % 2], *findings.astype(int)))  # fmt: skip
    heads = ["image", "patient", "ward", "age", "oxygen", "shift", "Fluid seen", "Air trapped", "Shadow"]
    pd.DataFrame(rows, columns=heads).to_csv(root.parent / "ward.csv", index=False)
    return root


def test_flags_of_the_dataset_and_the_method_are_in_the_help_of_each_command(sslbench: Sslbench) -> None:
    data, run = sslbench("data", "check", "--help").stdout, sslbench("run", "--help").stdout
    assert "--ward-table" in data
    assert "--spread" not in data
    assert all(flag in run for flag in ("--ward ", "--ward-table", "--spread", "--ehr-root", "--fuse-branches"))
    assert "--spread" not in sslbench("score", "--help").stdout


def test_its_label_space_is_matched_with_those_of_others(sslbench: Sslbench, ward: Path) -> None:
    done = sslbench("data", "check", "toy-ward", "--root", ward, "--ward-table", ward.parent / "ward.csv")
    assert "unknown" not in done.stderr
    assert "Pleural Effusion (Fluid seen)" in done.stdout
    assert "toy3" in done.stdout


def test_a_dataset_with_features_findings_and_flags_of_its_own_runs_to_a_record(
    sslbench: Sslbench, ward: Path, tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    done = sslbench(
        "run", "--method", "toy", "--spread", "0.5", "--data", "toy-ward", "--root", ward,
        "--ward", "north", "--ward-table", "../ward.csv",
        "--features", "oxygen,shift", "--fusion", "concat", "--labels", "toy3", "--preset", "smoke",
        "--set", "pretrain.epochs=1", "--eval", "knn", "--test-on", f"nih14:head={tiny_nih()}",
        "--set", "evaluate.replicates=100", "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["options"]["method"]["toy"] == {"spread": 0.5}
    options = record["options"]["dataset"]["toy-ward"]
    assert (options["ward"], Path(options["ward_table"]).resolve()) == ("north", ward.parent / "ward.csv")
    assert record["data"]["label_space"] == "toy3"
    assert sum(split["images"] for split in record["data"]["splits"].values()) == 100
    assert record["ehr_columns"] == ["oxygen", "shift=day", "shift=night"]
    rows = [row for row in record["metrics"] if row["encoder"] == "trained" and row["metric"] == "auroc"]
    groups = {row["subgroup"] for row in rows}
    assert groups >= {"all", "shift=day", "shift=night", "oxygen=0-91", "oxygen=92+"}
    external = {row["label"] for row in rows if (row["dataset"], row["fitted_on"]) == ("nih14", "toy-ward")}
    assert external == {"macro", "Pleural Effusion", "Shadow"}
