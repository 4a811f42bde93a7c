"""Where a run happened: packages, machine, revision."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of the code that runs."""

PACKAGES = ("sslbench", "torch", "torchvision", "timm", "lightly", "pytorch-lightning", "numpy", "pandas", "scipy",
            "scikit-learn", "pillow", "safetensors")  # fmt: skip


def environment() -> dict[str, Any]:
    """Package versions, hardware and, in a checkout, the git commit."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        **checkout(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Name of the CPU, such as ``AMD EPYC``."""
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def checkout(package: Path = PACKAGE) -> dict[str, Any]:
    """``git_commit`` of the suite's own checkout, and ``git_changed``: whether its code differs from that commit.

    Both None for an installed package: the commit of a repository that it happens to lie in says nothing of it.

    Args:
        package: the folder of the code; the suite's checkout has it at the top, beside its ``pyproject.toml``.
    """
    top = _git(package, "rev-parse", "--show-toplevel")
    tracked = _git(package, "ls-files", "--error-unmatch", "--", "__init__.py")
    if top is None or tracked is None or Path(top).resolve() != package.parent.resolve() or not _is_suite(Path(top)):
        return {"git_commit": None, "git_changed": None}
    changed = _git(package.parent, "status", "--porcelain", "--", package.name, "plugins")
    return {"git_commit": _git(package, "rev-parse", "HEAD"), "git_changed": None if changed is None else bool(changed)}


def _is_suite(top: Path) -> bool:
    try:
        project = tomllib.loads((top / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return False
    return bool(project.get("name") == PACKAGES[0])


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says in a folder; None where it fails. Variables that point git at another repository are left out."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=folder, env=variables, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
