"""Recipes: the choices of a paper, or of the code it came with, laid over a preset. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ssl_bench.config.config import RunConfig
from ssl_bench.config.layers import merge
from ssl_bench.errors import UsageError, among
from ssl_bench.plugin.components import DatasetSpec, MethodSpec
from ssl_bench.plugin.registry import Registry
from ssl_bench.plugin.training import REFERENCE, Recipe, recipe_name


def find(method: MethodSpec, name: str) -> Recipe | None:
    """A recipe of a method, None for ``reference``.

    Raises:
        UsageError: the method does not offer it.
    """
    name = recipe_name(name)
    if name == REFERENCE:
        return None
    if name not in method.recipes:
        raise UsageError(f"method '{method.name}' has no recipe '{name}'; {among(name, [REFERENCE, *method.recipes])}")
    return method.recipes[name]


def finder(registry: Registry) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """What :func:`ssl_bench.config.config.load` asks for the values of a recipe, given those of all other layers."""

    def values(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        method = named(asked, "method")
        recipe = find(registry.get(MethodSpec.kind, method), str(asked.get("recipe", REFERENCE)))
        if recipe is None:
            return {}
        data = {"options": held(registry, recipe, named(asked, "data"))}
        backbone = {"options": dict(recipe.backbones.get(named(asked, "backbone"), {}))}
        # The options of a method go under its name: without one they would join whatever method stood there before.
        settings = merge({"method": {"name": method}}, recipe.settings)
        return merge(settings, {"data": data, "backbone": backbone})

    return values


def named(values: Mapping[str, Any], section: str) -> str:
    """The component that a section names, in either form: ``method: msn`` or ``method: {name: msn}``."""
    chosen = values.get(section)
    return str(chosen.get("name", "")) if isinstance(chosen, Mapping) else str(chosen or "")


def held(registry: Registry, recipe: Recipe, dataset: str) -> dict[str, Any]:
    """The recipe's dataset options that a dataset has."""
    known = registry.get(DatasetSpec.kind, dataset or RunConfig().data.name).options_model().model_fields
    return {key: value for key, value in recipe.dataset.items() if key in known}


def missing(method: MethodSpec, name: str, known: Mapping[str, Any]) -> list[str]:
    """The recipe's dataset options that are not among a dataset's ``known`` ones, as text."""
    recipe = find(method, name)
    wanted = recipe.dataset if recipe else {}
    return [f"{key} {_text(value)}" for key, value in wanted.items() if key not in known]


def _text(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
