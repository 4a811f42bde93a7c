"""What ``auto`` becomes, method by method."""

from __future__ import annotations

from typing import Any

import pytest

from ssl_bench.config import load
from ssl_bench.errors import UsageError
from ssl_bench.parts import choose_parts
from ssl_bench.plugins import Registry
from ssl_bench.settle import settle


def settled(registry: Registry, **flags: Any) -> Any:
    config = load(flags, name="smoke")
    return settle(config, choose_parts(config, registry))


@pytest.mark.parametrize(
    ("method", "asked", "wanted"),
    [("msn", {}, "learnt"), ("dino", {}, "learnt"), ("mae", {}, "sincos"), ("moco-v3", {}, "sincos"),
     ("random", {"positions": "sincos"}, "sincos"), ("mae", {"positions": "learnt"}, "learnt"),
     ("moco-v3", {"name": "resnet18"}, "auto")],
)  # fmt: skip
def test_positions_are_the_methods_own(registry: Registry, method: str, asked: dict[str, str], wanted: str) -> None:
    assert settled(registry, method=method, backbone=asked).backbone.positions == wanted


def test_a_cnn_has_no_positions(registry: Registry) -> None:
    with pytest.raises(UsageError, match="backbone 'resnet18' has no patches, so no positions either"):
        settled(registry, method="simclr", backbone={"name": "resnet18", "positions": "sincos"})
