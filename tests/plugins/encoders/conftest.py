"""Tiny encoders of the publishers' packages, each made once a session, and pictures to embed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from ssl_bench.config.config import BackboneConfig
from ssl_bench.plan.encoders import load_encoder
from ssl_bench.plugin.encoders import BaseEncoder
from ssl_bench.plugin.registry import Registry

NEEDS = {"hf": "transformers", "openclip": "open_clip", "xrv": "torchxrayvision", "onnx": "onnxruntime"}


def _module() -> ModuleType:
    spec = spec_from_file_location("tiny_encoders", Path(__file__).with_name("tiny_encoders.py"))
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules["tiny_encoders"] = module
    spec.loader.exec_module(module)
    return module


TINY = _module()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``name`` runs for every tiny encoder."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", TINY.MAKERS)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, Path]]:
    """Reader and path of a tiny encoder by its name."""
    made: dict[str, Path] = {}

    def of(name: str) -> tuple[str, Path]:
        reader, make = TINY.MAKERS[name]
        if reader in NEEDS:
            pytest.importorskip(NEEDS[reader], reason=f"{NEEDS[reader]} is not installed (extra 'encoders')")
        if name not in made:
            torch.manual_seed(0)
            made[name] = make(tmp_path_factory.mktemp("encoders") / name)
        return reader, made[name]

    return of


@pytest.fixture
def opened(registry: Registry) -> Callable[..., BaseEncoder]:
    """An encoder as a run opens it; further keys are those of ``backbone.encoder``."""

    def open_(reader: str, path: Path, **config: Any) -> BaseEncoder:
        choice = {"name": reader, "path": path, **config}
        return load_encoder(BackboneConfig.model_validate({"encoder": choice}), registry)

    return open_


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """Smooth 8-bit pictures of several shapes, with a texture, larger than the encoders' inputs."""
    rng, found = np.random.default_rng(3), []
    for height, width in ((90, 76), (76, 131), (64, 64)):
        rows, columns = np.mgrid[:height, :width]
        waves = np.sin(rows / rng.uniform(4, 9)) * np.cos(columns / rng.uniform(4, 9))
        found.append(np.clip(128 + 70 * waves + rng.normal(0, 12, (height, width)), 0, 255).astype(np.uint8))
    return found
