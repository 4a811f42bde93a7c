"""Where the configuration keeps an option, dotted, as ``--set`` takes it. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ssl_bench.plugin.components import Component

if TYPE_CHECKING:
    from pydantic import BaseModel

PLACES = {
    "dataset": "data.options.",
    "backbone": "backbone.options.",
    "encoder": "backbone.encoder.",
    "evaluator": "evaluate.options.{name}.",
    "metric": "evaluate.metric_options.{name}.",
    "launcher": "",  # a sweep's, by --launcher-set
    "logger": "",  # stands in a list
}
"""Where options of a kind are, if not under its name."""


def place_of(component: Component) -> str:
    """Where the options of a component are, with a dot at the end; empty where ``--set`` does not reach them."""
    return PLACES.get(component.kind, f"{component.kind}.").format(name=component.name)


def places(key: str, model: type[BaseModel], before: str = "") -> list[str]:
    """Where a model of tables has a key of this name, dotted."""
    found = []
    for name, field in model.model_fields.items():
        if name == key:
            found.append(f"{before}{name}")
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            found += places(key, field.annotation, f"{before}{name}.")
    return found


def option_places(key: str) -> list[str]:
    """Where installed components have an option of this name, dotted."""
    from ssl_bench.plugin.registry import discover

    known = (offer.component for offer in discover().offers())
    found = dict.fromkeys(f"{place_of(component)}{key}" for component in known
                          if place_of(component) and key in component.options_model().model_fields)  # fmt: skip
    return list(found)


def places_in(model: type[BaseModel]) -> Callable[[str], list[str]]:
    """From a key to its places: in the model itself, else among the options of what is installed."""
    return lambda key: places(key, model) or option_places(key)
