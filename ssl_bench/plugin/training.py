"""What a method declares of its training: the authors' rates, and recipes, choices that belong together.

Nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ssl_bench.plugin.search import Search

REFERENCE = "reference"
"""The recipe that every method has: official losses and schedules."""

FORMER_NAMES: Mapping[str, str] = MappingProxyType({"corrected": REFERENCE})
"""What recipes were called before; records, configurations and commands may still say it."""


def recipe_name(name: str) -> str:
    """Today's name of a recipe."""
    return FORMER_NAMES.get(name, name)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Choices that belong together, which a method offers under one name: over the preset, under the user's values.

    Args:
        summary: whose choices they are.
        settings: configuration values, nested as in a configuration file.
        dataset: options for the dataset; those that it does not have are left out and named on the record.
        backbones: arguments by backbone.
    """

    summary: str
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    dataset: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    backbones: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))


AROUND: Mapping[str, Search] = MappingProxyType(
    {key: Search(low=0.1, high=10, scale="log", relative=True) for key in ("lr", "weight_decay")}
)
"""A decade to either side of the official value."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What the authors of a method train it with: what ``pretrain.lr``, ``weight_decay`` and its end are as ``auto``.

    The defaults are for a method that says nothing, on AdamW: those of a ViT in DeiT (arXiv 2012.12877), by batch.

    Args:
        lr: peak learning rate at ``batch`` images.
        batch: images in a step that ``lr`` is meant for.
        scaling: how the rate follows the batch.
        weight_decay: at the start.
        weight_decay_end: at the end, along a cosine; None: it is constant.
        presets: peak rates by preset, in the place of the scaled one: chosen on validation for trainings of few steps.
        source: where the authors say so, for the record.
        search: where a tune looks for ``lr`` and ``weight_decay``; multiples of the values above, unless declared
            otherwise.
    """

    lr: float = 5e-4
    batch: int = 512
    scaling: Literal["linear", "sqrt"] = "linear"
    weight_decay: float = 0.05
    weight_decay_end: float | None = None
    presets: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    source: str = ""
    search: Mapping[str, Search] = field(default_factory=lambda: AROUND)

    def rate(self, batch: int) -> float:
        """The rate for a batch of another size."""
        share = batch / self.batch
        return self.lr * (share if self.scaling == "linear" else share**0.5)


UNSTATED: Mapping[str, Training] = MappingProxyType({
    "adamw": Training(presets={"smoke": 1e-3, "demo": 2e-3}),
    "lars": Training(lr=0.2, batch=256, weight_decay=1e-6),
})  # fmt: skip
"""By optimiser, for a method whose authors state nothing for it."""
