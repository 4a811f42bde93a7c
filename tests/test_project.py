"""The project around the code: workflows, forms, markers, versions; each says what the others say."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

import ssl_bench

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FORGE = ROOT / ".github"
pytestmark = pytest.mark.skipif(not FORGE.is_dir(), reason="no checkout: an sdist has no workflows")
WORKFLOWS: dict[str, Any] = {path.stem: yaml.safe_load(path.read_text()) for path in FORGE.glob("workflows/*.yml")}
TOX = (ROOT / "tox.ini").read_text()


def steps(name: str) -> list[str]:
    return [step["run"] for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_workflows_cover_what_the_project_promises() -> None:
    tests = WORKFLOWS["ci"]["jobs"]["tests"]["strategy"]["matrix"]
    promised = {name.rpartition(" ")[2] for name in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", name)}
    assert set(tests["python"]) == promised
    systems = {tests["os"][0], *(one["os"] for one in tests["include"])}
    assert systems == {"ubuntu-latest", "macos-latest"}
    assert all("timeout-minutes" in job for flow in WORKFLOWS.values() for job in flow["jobs"].values())
    assert any("twine check --strict" in step for step in steps("ci"))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_environment_that_a_workflow_runs_exists(name: str) -> None:
    asked = [env for step in steps(name) for envs in re.findall(r"tox -e ([\w,]+)", step) for env in envs.split(",")]
    assert [env for env in asked if f"[testenv:{env}]" not in TOX] == []


def test_a_release_is_published_without_a_password_and_by_nobody_else() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    assert WORKFLOWS["release"]["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (FORGE / "workflows" / "release.yml").read_text()
    # yaml reads the key "on" as a truth
    assert WORKFLOWS["release"][True] == {"push": {"tags": ["v*"]}}


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    heading = re.search(
        r"^## (\S+) \((unreleased|\d{4}-\d{2}-\d{2})\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert heading
    assert citation["version"] == heading[1] == ssl_bench.__version__


def test_no_folder_of_tests_is_passed_over() -> None:
    passed_over = PROJECT["tool"]["pytest"]["ini_options"]["norecursedirs"]  # in place of pytest's own list, with build
    folders = {part for file in (ROOT / "tests").rglob("test_*.py") for part in file.relative_to(ROOT).parts[:-1]}
    assert "build" in folders
    assert [name for name in folders for pattern in passed_over if fnmatch(name, pattern)] == []


def test_every_marker_is_described() -> None:
    named = [marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == named


@pytest.mark.parametrize("form", sorted(FORGE.glob("ISSUE_TEMPLATE/*.yml")), ids=lambda path: path.stem)
def test_a_form_asks_something(form: Path) -> None:
    values = yaml.safe_load(form.read_text())
    if form.stem != "config":
        assert {"name", "description", "body"} <= set(values)
        assert any(part.get("validations", {}).get("required") for part in values["body"])


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "README.md"])
def test_links_of_the_pages_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text())
    assert [target for target in targets if not (ROOT / target).exists()] == []
    assert name == "README.md" or name[:-3] in "".join(PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
