"""Each further hospital, written once in little, and copies of it to spoil."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.data.synthetic import write_layout
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.registry import Registry, discover

SMALL = {"patients": 24, "size": 32}


def read_cohort(name: str, root: Path, **options: Any) -> Cohort:
    """The cohort of a folder, by the installed dataset of that name."""
    component = discover().get("dataset", name)
    reader = component.load()(component.options_model()(**options))
    cohort: Cohort = reader.read(reader.locate(root, root))
    return cohort


@pytest.fixture(scope="session")
def hospitals(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Callable[[str], Path]:
    """``hospitals("brax")``: a folder in that layout, the same one every time, to be left as it is."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("hospital") / name
            write_layout(registry, name, SMALL, made[name])
        return made[name]

    return make


@pytest.fixture
def copy(hospitals: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """``copy("brax")``: a copy to spoil; its files are links until they are written anew."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(hospitals(name), tmp_path / name, copy_function=os.link))

    return make


@pytest.fixture(scope="session")
def read() -> Callable[..., Cohort]:
    """``read("brax", root, files="dicom")``: the cohort of a folder in that layout."""
    return read_cohort
