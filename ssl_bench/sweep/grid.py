"""A grid of runs as layers of configuration: a product of lists, extra cells, and what is left out. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ssl_bench.config.config import Named, Section, read_file, split_names
from ssl_bench.config.layers import CHOICES, merge, named
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.names import DEFAULT_METHOD
from ssl_bench.plugin.options import validate
from ssl_bench.plugin.registry import Registry
from ssl_bench.sweep.settings import Tuned, Values, nested

FEATURES = "ehr.features"
"""The axis that only methods with a fusion have."""


def one_or_more(value: Any) -> Any:
    """A lone table as a list of one."""
    return [value] if isinstance(value, Mapping) else value


class Grid(Section):
    """A grid file."""

    base: Values = Field(default_factory=dict, description="keys of the configuration that all cells share")
    grid: Annotated[tuple[dict[str, list[Any]], ...], BeforeValidator(one_or_more)] = Field(
        (), description="lists of values by dotted key, whose product is taken; or several such tables"
    )
    cells: tuple[Values, ...] = Field((), description="further cells, each with its keys")
    exclude: tuple[Values, ...] = Field((), description="cells with all of these values are left out")
    settings_from: Path | None = Field(None, description="folder of a tune, whose choices lie over the base")
    launcher: Named | None = Field(None, description="what starts the runs, with its options")
    jobs: int = Field(0, ge=0, description="runs at once, 0 for the launcher's own choice")


def read_grid(path: Path) -> Grid:
    """The grid in a YAML or TOML file.

    Raises:
        UsageError: it cannot be read, or has unknown keys; all of them at once.
    """
    return validate(Grid, read_file(path), f"grid {path}")


def layers(grid: Grid, registry: Registry) -> Iterator[Values]:
    """The configuration of every cell before it is resolved, the product first, equal cells more than once.

    What a tune has chosen for a cell's method lies over the base and under what the cell says itself.

    A method that can join no features (``random``) is given none of the axis ``ehr.features``. One that joins them when
    asked, such as ``msn``, is given them: for ``msn`` without and ``msn-ehr`` with features take two tables.
    """
    tuned = Tuned(grid.settings_from) if grid.settings_from else None
    for axes in grid.grid:
        for chosen in product(*axes.values()):
            own = nested(dict(zip(axes, chosen, strict=True)))
            values = merge(nested(grid.base), own)
            values = tuned.under(values, own, registry) if tuned else values
            if FEATURES in axes and not _joins(values, registry):
                values.pop("ehr")
            if not _excluded(values, grid.exclude):
                yield values
    for extra in grid.cells:
        values, own = merge(nested(grid.base), nested(extra)), nested(extra)
        yield tuned.under(values, own, registry) if tuned else values


def _joins(values: Values, registry: Registry) -> bool:
    """Whether the method of a cell takes EHR features; a name that nobody knows is told of later."""
    name = named(values.get("method", DEFAULT_METHOD)).get("name")
    if name not in registry.names(MethodSpec.kind):
        return True
    method: MethodSpec = registry.get(MethodSpec.kind, name)
    return method.trains and bool(method.fusion or values.get("fusion"))


def _excluded(values: Values, patterns: Iterable[Values]) -> bool:
    return any(_matches(nested(pattern), values) for pattern in patterns)


def _matches(pattern: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether all keys of a pattern have their values."""
    for key, wanted in pattern.items():
        found = values.get(key)
        if key in CHOICES:
            wanted, found = named(wanted), named(found)
        if isinstance(wanted, Mapping):
            if not isinstance(found, Mapping) or not _matches(wanted, found):
                return False
        elif wanted != found and tuple(split_names(wanted) or ()) != tuple(split_names(found) or ()):
            return False
    return True
