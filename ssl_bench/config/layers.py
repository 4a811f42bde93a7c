"""Layers of a configuration: tables laid over each other, later ones on top. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CHOICES = ("method", "fusion")
"""Keys whose value may be a bare component name."""


def named(value: Any) -> Any:
    """``"msn"`` as ``{"name": "msn"}``; other values unchanged."""
    return {"name": value} if isinstance(value, str) else value


def merge(base: Mapping[str, Any], over: Mapping[str, Any], choices: tuple[str, ...] = CHOICES) -> dict[str, Any]:
    """``base`` with the values of ``over`` on top, tables merged key by key.

    A table that names another component replaces the options of the one before.
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        old, value = (named(old), named(value)) if key in choices else (old, value)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            same = "name" not in value or value["name"] == old.get("name")
            merged[key] = merge(old if same or key not in choices else {}, value, ())
        else:
            merged[key] = value
    return merged


def layered(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of the layers, later ones on top."""
    values: dict[str, Any] = {}
    for layer in layers:
        values = merge(values, layer)
    return values
