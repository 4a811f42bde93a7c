"""The two trees: which commit is the base, where it is checked out, and how a process is made to import a tree."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path

CODE = ("ssl_bench", "plugins", "pyproject.toml")
"""What is taken from a tree; benchmarks always come from the working tree."""


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A git command in a checkout."""
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True)


def find_base(root: Path, wanted: str | None) -> str | None:
    """The hash of the commit to compare with: the one asked for, else the last tag, else the parent; None: no such.

    Raises:
        ValueError: the commit that was asked for does not exist.
    """
    tag = git(root, "describe", "--tags", "--abbrev=0").stdout.decode().strip()
    for candidate in [wanted] if wanted else filter(None, [tag, "HEAD~1"]):
        found = git(root, "rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.decode().strip()
    if wanted:
        raise ValueError(f"expected a commit or tag to compare with, found '{wanted}', which git does not know")
    return None


def check_out(root: Path, commit: str, folder: Path) -> Path:
    """The code of a commit in a folder; the checkout itself is left alone."""
    listed = git(root, "ls-tree", "--name-only", commit).stdout.decode().split()
    archive = git(root, "archive", commit, *[name for name in CODE if name in listed])
    if archive.returncode:
        raise ValueError(f"git cannot archive {commit}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def search_path(tree: Path, folder: Path) -> list[str]:
    """Folders that make a process import the packages of a tree, whatever is installed.

    Args:
        tree: a checkout.
        folder: an empty one for the metadata in which plugins are discovered: the first distribution of a name counts.
    """
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    metadata = folder / f"{project['name']}-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    lines = [
        line
        for group, points in project.get("entry-points", {}).items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return [str(folder), str(tree), str(tree / "plugins")]
