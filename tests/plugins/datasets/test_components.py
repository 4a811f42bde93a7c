"""What the package offers to the plugin host, without importing anything heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sslbench_datasets
import sslbench_synthetic
from ssl_bench import DatasetSpec
from ssl_bench.plugin.labels import SPACES
from sslbench_datasets.hospitals.components import HOSPITALS

PACKAGES = (sslbench_datasets, sslbench_synthetic)
COMPONENTS = {component.name: component for package in PACKAGES for component in package.sslbench_components()}


def test_names() -> None:
    own = {"synthetic", "nih14", "chexpert", "table", "mimic-cxr"}
    assert set(COMPONENTS) == own | {component.name for component in HOSPITALS}
    assert len(COMPONENTS) == len(own) + len(HOSPITALS)
    assert all(isinstance(component, DatasetSpec) for component in COMPONENTS.values())


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS)
def test_targets_and_options_load(component: DatasetSpec) -> None:
    dataset = component.load()(component.options_model()())
    assert callable(dataset.locate)
    assert callable(dataset.read)
    assert component.label_space in (*SPACES, "native")
    for name, field in component.options_model().model_fields.items():
        assert field.description, name


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys, sslbench_datasets, sslbench_synthetic\n"
        "[c.options_model() for c in sslbench_datasets.sslbench_components()]\n"
        "[c.options_model() for c in sslbench_synthetic.sslbench_components()]\n"
        "print([name for name in ('torch', 'numpy', 'pandas', 'scipy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.strip() == "[]"


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
