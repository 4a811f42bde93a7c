"""Where a run happened, as it stands on its record."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ssl_bench.results.environment import PACKAGE, checkout

NEITHER = {"git_commit": None, "git_changed": None}


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def repository(folder: Path, name: str) -> Path:
    """A repository of a project with a package ``ssl_bench`` at its top; returns the package."""
    package = folder / "ssl_bench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return package


def test_a_checkout_of_the_suite_names_its_commit_and_whether_the_code_differs(tmp_path: Path) -> None:
    package = repository(tmp_path, "sslbench")
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    assert checkout(package) == {"git_commit": head, "git_changed": False}
    (tmp_path / "notes.txt").write_text("no code")
    assert checkout(package) == {"git_commit": head, "git_changed": False}
    (package / "new.py").write_text("")
    assert checkout(package) == {"git_commit": head, "git_changed": True}


@pytest.mark.parametrize("place", [".venv/lib/python3.12/site-packages/ssl_bench", "vendor/ssl_bench"])
@pytest.mark.parametrize("tracked", [False, True])
def test_a_copy_inside_another_repository_has_no_commit(tmp_path: Path, place: str, tracked: bool) -> None:
    repository(tmp_path, "study")
    package = tmp_path / place
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    if tracked:
        git(tmp_path, "add", "-f", ".")
        git(tmp_path, "commit", "-qm", "all of it")
    assert checkout(package) == NEITHER


def test_a_package_at_the_top_of_another_project_has_no_commit(tmp_path: Path) -> None:
    assert checkout(repository(tmp_path, "study")) == NEITHER


def test_variables_that_point_git_elsewhere_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = repository(tmp_path / "suite", "sslbench")
    repository(tmp_path / "study", "study")
    right = checkout(package)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "study/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "study"))
    assert checkout(package) == right
    assert checkout(tmp_path / "study/ssl_bench") == NEITHER


def test_the_code_under_test_is_looked_at_by_default() -> None:
    assert checkout() == checkout(PACKAGE)
