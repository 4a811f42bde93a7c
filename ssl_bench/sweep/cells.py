"""Cells of a sweep: runs that are addressed by the hash of their configuration, all checked before the first starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ssl_bench.components import Method
from ssl_bench.config import RunConfig, load
from ssl_bench.errors import HandledError, Problems, shortened
from ssl_bench.parts import choose_parts
from ssl_bench.plan import Plan, make_plan, pretraining_images, read_schema
from ssl_bench.plugins import Registry
from ssl_bench.recipes import finder, named
from ssl_bench.sweep.grid import Values

NEUTRAL = ("loggers", "data.workers", "data.residency")
"""Keys that change nothing of what a run computes, so that they are left out of its address."""


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Args:
        name: readable, with the hash of the configuration at its end: the run's folder.
        config: as resolved.
    """

    name: str
    config: RunConfig


def address(config: RunConfig) -> str:
    """The name of a run's folder: method, features, seed, and a hash of the whole configuration."""
    values = config.model_dump(mode="json")
    for path in NEUTRAL:
        table, _, key = path.rpartition(".")
        (values[table] if table else values).pop(key, None)
    digest = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    features = "_".join(config.ehr.features).replace(":", "")
    parts = [config.method.name, *([features] if features else []), f"seed{config.seed}", digest]
    return "-".join(parts)


def make_cells(values: Iterable[Values], registry: Registry) -> list[Cell]:
    """The cells of a grid, equal ones once.

    Raises:
        UsageError: unknown keys or values of the wrong type, of all cells at once.
    """
    cells: dict[str, Cell] = {}
    problems, found = Grouped(), finder(registry)

    def recipe(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        # A method that nobody knows is told of with everything else that is wrong.
        return found(asked) if named(asked, "method") in registry.names(Method.kind) else {}

    for cell in values:
        with_problems = problems.run(_label(cell), lambda cell=cell: load(cell, recipe=recipe))  # type: ignore[misc]
        if with_problems is not None:
            name = address(with_problems)
            cells.setdefault(name, Cell(name, with_problems))
    problems.raise_if_any()
    return list(cells.values())


def _label(values: Values) -> str:
    method = values.get("method", "the default method")
    return str(method["name"] if isinstance(method, Mapping) and "name" in method else method)


class Grouped:
    """Problems of many cells, the same sentence once with the cells that have it."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[HandledError, list[str]]] = {}

    def run(self, cell: str, check: Callable[[], Any]) -> Any:
        """What a check returns, None where it found problems."""
        try:
            return check()
        except HandledError as error:
            for single in error.several or (error,):
                self._found.setdefault(str(single), (single, []))[1].append(cell)
            return None

    def raise_if_any(self) -> None:
        """Raise what was found, as :class:`ssl_bench.errors.Problems`."""
        problems = Problems()
        for sentence, (error, cells) in self._found.items():
            places = list(dict.fromkeys(cells))
            problems.add(type(error)(f"{shortened(places, 3)}: {sentence}"))
        problems.raise_if_any()


def plan_cells(cells: Sequence[Cell], registry: Registry, cache: Path) -> dict[str, Plan]:
    """A plan for every cell: everything checked that can be before a run starts, each dataset read once.

    Raises:
        UsageError: cells that cannot run, all at once.
        DataError: what is wrong with the datasets.
    """
    problems = Grouped()
    parts = {cell.name: problems.run(cell.name, lambda cell=cell: choose_parts(cell.config, registry))  # type: ignore[misc]
             for cell in cells}  # fmt: skip
    read = [cell for cell in cells if parts[cell.name] is not None]
    plans: dict[str, Plan] = {}
    for group in _by_data(read):
        most = max(group, key=lambda cell: (cell.config.pretrain.batch_size, len(parts[cell.name].features)))
        shared = problems.run(most.name, lambda most=most: make_plan(most.config, registry, cache))  # type: ignore[misc]
        if shared is not None:
            plans |= {cell.name: _of(cell, shared, parts[cell.name], registry) for cell in group}
    problems.raise_if_any()
    return plans


def _by_data(cells: Iterable[Cell]) -> Iterator[list[Cell]]:
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        read = [
            cell.config.data.model_dump_json(),
            *(other.model_dump_json() for other in cell.config.evaluate.test_on),
        ]
        groups.setdefault(" ".join(read), []).append(cell)
    yield from groups.values()


def _of(cell: Cell, shared: Plan, parts: Any, registry: Registry) -> Plan:
    """The plan of a cell on the cohort that another one with the same data has read."""
    config = cell.config
    schema = read_schema(config, parts, shared.cohort.frame.loc[pretraining_images(config.data, shared.cohort)])
    return replace(shared, config=config, parts=parts, schema=schema, components=parts.provenance(registry))


def rehearse_cells(plans: Mapping[str, Plan]) -> None:
    """Build each kind of network without memory, so that what cannot be built is told before the first run.

    Raises:
        HandledError: all that cannot be built, at once.
    """
    from ssl_bench.estimate import rehearse

    problems, seen = Grouped(), set()
    for name, plan in plans.items():
        key = network(plan)
        if key not in seen:
            seen.add(key)
            problems.run(name, lambda plan=plan: rehearse(plan))  # type: ignore[misc]
    problems.raise_if_any()


def network(plan: Plan) -> str:
    """What makes two cells train the same network on the same shapes, whatever their seed, data and features are."""
    config = plan.config
    fusion = plan.parts.fusion.name if plan.parts.fusion else None
    shapes = [config.pretrain.batch_size, config.pretrain.precision, config.data.size, config.backbone.image_size,
              config.pretrain.processes]  # fmt: skip
    return json.dumps([config.method.model_dump(), fusion, config.backbone.model_dump(mode="json"), shapes])
