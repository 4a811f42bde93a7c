"""``sslbench new plugin``: packages that are tested and run untouched, and what is refused."""

from __future__ import annotations

import ast
import json
import os
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.scaffold import SCAFFOLDED, TAKEN, Plugin, write_plugin

Cli = Callable[..., Any]


@dataclass(frozen=True)
class Installed:
    """One package of every kind, written, built and installed beside each other."""

    projects: dict[str, Path]
    site: Path
    work: Path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Python in a process that finds the packages."""
        path = os.pathsep.join(filter(None, [str(self.site), *sys.path]))
        environment = {**os.environ, "PYTHONPATH": path, "SSLBENCH_CACHE": str(self.work / "cache"), "COLUMNS": "200"}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=self.work, env=environment, capture_output=True, text=True, check=False)

    def sslbench(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """The program."""
        return self.run("-c", "from ssl_bench.cli import main; main()", *arguments)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder, site = tmp_path_factory.mktemp("projects"), tmp_path_factory.mktemp("site")
    projects = {}
    for kind in SCAFFOLDED:
        plugin = Plugin(f"new-{kind}", kind)
        projects[kind] = folder / plugin.distribution
        write_plugin(plugin, projects[kind])
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=projects[kind], check=True, capture_output=True)
    for path in folder.glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(site)
    return Installed(projects, site, tmp_path_factory.mktemp("work"))


def test_each_is_listed_and_none_is_broken(installed: Installed) -> None:
    listing = json.loads(installed.sslbench("plugins", "--json").stdout)
    assert listing["broken"] == []
    found = {row["name"]: (row["kind"], row["distribution"], row["version"]) for row in listing["components"]}
    for kind in SCAFFOLDED:
        assert found[f"new-{kind}"] == (kind, f"sslbench-new-{kind}", "0.1.0")


@pytest.mark.slow
def test_each_passes_its_own_tests(installed: Installed) -> None:
    folders = [project / "tests" for project in installed.projects.values()]
    done = installed.run("-m", "pytest", "--import-mode=importlib", "-q", "-p", "no:cacheprovider", *folders)
    assert done.returncode == 0, done.stdout
    assert f"{len(SCAFFOLDED)} passed" in done.stdout


@pytest.mark.slow
def test_they_run_together(
    installed: Installed, sslbench: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed.site)
    files = tmp_path / "files"
    files.mkdir()
    runpy.run_path(str(installed.projects["dataset"] / "tests" / "test_dataset.py"))["write_files"](files)
    answer = sslbench(
        "run", "--method", "new-method", "--fusion", "new-fusion", "--features", "age,sex", "--preset", "smoke",
        "--data", "new-dataset", "--root", files, "--eval", "new-evaluator,knn", "--set", "evaluate.replicates=100",
        "--set", "evaluate.metrics=new-metric", "--out", tmp_path / "run",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert {part["name"] for part in record["components"]} >= {
        f"new-{kind}" for kind in SCAFFOLDED if kind != "encoder"
    }
    assert {row["protocol"] for row in record["metrics"]} == {"new-evaluator", "knn"}
    assert any(row["metric"] == "new-metric" and row["value"] is not None for row in record["metrics"])


def test_the_command_writes_a_package_and_says_what_to_do_next(sslbench: Cli) -> None:
    answer = sslbench("new", "plugin", "two-crops", "--kind", "method")
    assert answer.code == 0
    folder = Path("sslbench-two-crops")
    wanted = [
        "README.md", "pyproject.toml", "sslbench_two_crops/__init__.py", "sslbench_two_crops/method.py",
        "sslbench_two_crops/options.py", "tests/test_method.py",
    ]  # fmt: skip
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == wanted
    assert "class TwoCrops(BaseMethod)" in (folder / "sslbench_two_crops/method.py").read_text()
    assert f"pip install -e '{folder}[test]' && pytest {folder}" in answer.out


@pytest.mark.parametrize("kind", SCAFFOLDED)
def test_every_kind_has_the_same_layout_and_is_python(kind: str) -> None:
    files = Plugin("two-words", kind).files()
    assert {path.replace(kind, "KIND") for path in files} == {
        "pyproject.toml", "README.md", "tests/test_KIND.py",
        "sslbench_two_words/__init__.py", "sslbench_two_words/KIND.py", "sslbench_two_words/options.py",
    }  # fmt: skip
    for path, text in files.items():
        assert "{{" not in text
        assert "{%" not in text
        assert text.endswith("\n")
        if path.endswith(".py"):
            ast.parse(text)
    imported = {
        name.name
        for path, text in files.items()
        if path.endswith((f"{kind}.py", "options.py"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    classes = {
        name
        for name in imported
        if name[0].isupper() and not name.isupper() and not name.startswith(("TwoWords", "Base"))
    }
    assert classes <= {*TAKEN, "FeatureSchema", "Field", "Image"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("My_Method", "found 'My_Method'; try 'my-method'"),
        ("BarlowTwins", "found 'BarlowTwins'; try 'barlow-twins'"),
        ("2-crops", "found '2-crops'; try 'crops'"),
        ("--", ""),
        ("msn", "method 'msn' is offered already, by sslbench "),
        ("methods", "a package 'sslbench_methods' is installed already; choose another name, such as 'my-methods'"),
        ("batch", "'Batch' cannot be a class of your own here; choose another name, such as 'my-batch'"),
        ("none", "'None' cannot be a class of your own here; choose another name, such as 'my-none'"),
    ],
)
def test_a_name_that_cannot_be_used(name: str, wanted: str, sslbench: Cli) -> None:
    answer = sslbench("new", "plugin", "--kind", "method", "--", name)
    assert answer.code == 2
    assert wanted in answer.sentence
    assert not list(Path().iterdir())


def test_unknown_words_are_answered_with_the_nearest(sslbench: Cli) -> None:
    answer = sslbench("new", "plugin", "toy", "--kind", "methods")
    assert "unknown kind 'methods'; did you mean 'method'?" in answer.sentence
    assert "unknown thing to write 'plugins'; did you mean 'plugin'?" in sslbench(
        "new", "plugins", "toy", "--kind", "method"
    ).sentence  # fmt: skip


def test_an_existing_folder_is_left_alone(sslbench: Cli, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    answer = sslbench("new", "plugin", "toy", "--kind", "fusion", "--out", kept)
    assert answer.code == 2
    assert answer.sentence == f"{kept} exists already; give another folder by --out, or remove it"
    assert not list(kept.iterdir())


def test_a_folder_that_cannot_be_written(sslbench: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = sslbench("new", "plugin", "toy", "--kind", "fusion", "--out", tmp_path / "file" / "toy")
    assert answer.code == 2
    assert answer.sentence.startswith(f"cannot write {tmp_path / 'file' / 'toy'}: ")
