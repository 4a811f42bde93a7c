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

import pytest

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
