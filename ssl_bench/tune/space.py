"""The search space of a method: what its options and its training declare, less what the user has fixed. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ssl_bench.config.config import RunConfig
from ssl_bench.errors import UsageError, unknown
from ssl_bench.plan.backbones import choose_backbone
from ssl_bench.plan.settle import official, settle
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.registry import Registry
from ssl_bench.plugin.search import Search, declared

RATES = ("lr", "weight_decay")
FIXED = "fixed"
"""What a user writes for a hyperparameter that is not to be searched."""


@dataclass(frozen=True)
class Dimension:
    """A hyperparameter of a space.

    Args:
        key: dotted, as the configuration has it.
        search: where it is looked for.
        default: the official value, or the preset's.
        end: the official weight decay at the end of the training, which follows that at the start; else None.
    """

    key: str
    search: Search
    default: Any
    end: float | None = None

    def settings(self, share: float) -> dict[str, Any]:
        """Keys of the configuration at a share of the range."""
        value = self.search.value(share, self.default)
        found = {self.key: list(value) if isinstance(value, tuple) else value}
        if self.end is not None and self.default:
            found["pretrain.weight_decay_end"] = self.end * value / self.default
        return found


@dataclass(frozen=True)
class Space:
    """What is searched for one study."""

    dimensions: tuple[Dimension, ...]

    @property
    def names(self) -> list[str]:
        """Keys of the dimensions."""
        return [dimension.key for dimension in self.dimensions]

    def default(self) -> dict[str, float]:
        """Shares of the official default."""
        return {one.key: one.search.share(one.default) for one in self.dimensions}

    def settings(self, shares: Mapping[str, float]) -> dict[str, Any]:
        """Keys of the configuration for shares of all ranges."""
        return {key: value for one in self.dimensions for key, value in one.settings(shares[one.key]).items()}

    def edges(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """The hyperparameters whose values lie at an end of their range, with the end."""
        found = {one.key: one.search.edge(settings[one.key], one.default) for one in self.dimensions
                 if one.key in settings}  # fmt: skip
        return {key: end for key, end in found.items() if end}

    def told(self) -> list[dict[str, Any]]:
        """Key, default and range of each dimension."""
        return [{"key": one.key, "default": one.default, "range": one.search.told()} for one in self.dimensions]

    @property
    def digest(self) -> str:
        """Hash of what is searched."""
        return sha256(json.dumps(self.told(), sort_keys=True, default=str).encode()).hexdigest()[:12]


def space_of(
    config: RunConfig, registry: Registry, fixed: Iterable[str] = (), asked: Mapping[str, Search | None] | None = None
) -> Space:
    """The space of a run's method.

    Args:
        config: of the run with its defaults.
        registry: of the installed plugins.
        fixed: keys that the user has set, which are therefore no part of it.
        asked: searches of the user's by key, in the place of what is declared; None: not searched.

    Raises:
        UsageError: an option is wrong, or a choice is none that the option takes.
    """
    settled = settle(config, registry)
    asked, held = asked or {}, set(fixed)
    found = [*_rates(settled, registry), *_options(settled, registry, asked)]
    kept = [one for one in found if one.key not in held or asked.get(one.key)]
    chosen = [Dimension(one.key, asked.get(one.key, one.search) or one.search, one.default, one.end)
              for one in kept if asked.get(one.key, one.search) is not None]  # fmt: skip
    return Space(tuple(chosen))


def _rates(config: RunConfig, registry: Registry) -> Iterable[Dimension]:
    """Rate and decay, of a method that is trained."""
    method: MethodSpec = registry.get(MethodSpec.kind, config.method.name)
    if not method.trains:
        return
    searches = official(config, method, choose_backbone(registry, config.backbone.name)).search
    for key in RATES:
        if (search := searches.get(key)) is not None:
            default, end = getattr(config.pretrain, key), config.pretrain.weight_decay_end
            follows = end if key == "weight_decay" and isinstance(end, float) else None
            yield Dimension(f"pretrain.{key}", search, default, follows)


def _options(config: RunConfig, registry: Registry, asked: Mapping[str, Search | None]) -> Iterable[Dimension]:
    """Options of the method that declare a search, or that the user asks for."""
    options = registry.options(MethodSpec.kind, config.method.name, config.method.options, config.preset)
    for name, field in type(options).model_fields.items():
        search = asked.get(f"method.{name}") or declared(field.metadata)
        if search is not None:
            yield Dimension(f"method.{name}", search, getattr(options, name))


def check_known(asked: Iterable[str], spaces: Iterable[Space], registry: Registry, methods: Iterable[str]) -> None:
    """Every hyperparameter that a user names is one of some method.

    Raises:
        UsageError: it is of none; the nearest match is told.
    """
    known = {name for space in spaces for name in space.names}
    for method in methods:
        fields = registry.get(MethodSpec.kind, method).options_model().model_fields
        known |= {f"method.{name}" for name in fields}
    known |= {f"pretrain.{key}" for key in RATES}
    for key in asked:
        if key not in known:
            raise UsageError(unknown("hyperparameter", key, sorted(known)))
