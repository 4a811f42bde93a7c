"""Cells of a sweep: runs that are addressed by the hash of their configuration, all checked before the first starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from ssl_bench.config.config import EhrConfig, RunConfig, load
from ssl_bench.config.recipes import finder, named
from ssl_bench.errors import HandledError, Problems, shortened
from ssl_bench.plan.cohorts import check_demands
from ssl_bench.plan.parts import RunComponents, choose_parts
from ssl_bench.plan.plan import Plan, make_plan, pretraining_images, read_schema
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.features import USUAL
from ssl_bench.plugin.registry import Registry
from ssl_bench.sweep.settings import Values

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
    for table, key in ((values, "tuning"), (values["evaluate"], "withhold")):
        if table[key] is None:  # a run that no tune has to do with keeps the address that it had before there were any
            del table[key]
    for path in NEUTRAL:
        table, _, key = path.rpartition(".")
        (values[table] if table else values).pop(key, None)
    digest = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    features = "_".join(config.ehr.features).replace(":", "")
    parts = [config.method.name, *([features] if features else []), f"seed{config.seed}", digest]
    return "-".join(parts)


def paired_seeds(cells: Iterable[Cell], seedless: Container[str] = ()) -> tuple[int, int]:
    """How many configurations a sweep has that differ in more than the seed, and how many seeds all of them share.

    Args:
        cells: of the sweep.
        seedless: methods that no seed changes, which are paired with every seed of the others and not counted.
    """
    seeds: dict[str, set[int]] = {}
    for cell in cells:
        if cell.config.method.name in seedless:
            continue
        rest = json.dumps(cell.config.model_dump(mode="json", exclude={"seed"}), sort_keys=True)
        seeds.setdefault(rest, set()).add(cell.config.seed)
    return len(seeds), len(set.intersection(*seeds.values())) if seeds else 0


def make_cells(values: Iterable[Values], registry: Registry, problems: Grouped) -> list[Cell]:
    """The cells of a grid, equal ones once; unknown keys and values of the wrong type are added to the problems."""
    cells: dict[str, Cell] = {}
    found = finder(registry)

    def recipe(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        # A method that nobody knows is told of with everything else that is wrong.
        return found(asked) if named(asked, "method") in registry.names(MethodSpec.kind) else {}

    for cell in values:
        config = problems.run(_label(cell), partial(load, cell, recipe=recipe))
        if config is not None:
            name = address(config)
            cells.setdefault(name, Cell(name, config))
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


def plan_cells(cells: Sequence[Cell], registry: Registry, cache: Path, problems: Grouped) -> dict[str, Plan]:
    """A plan for every cell that can run: all is checked that can be without a model, each dataset read once."""
    parts = {cell.name: problems.run(cell.name, partial(choose_parts, cell.config, registry)) for cell in cells}
    plans: dict[str, Plan] = {}
    for group in _by_data(cell for cell in cells if parts[cell.name] is not None):
        least = min(group, key=lambda cell: cell.config.pretrain.batch_size)
        shared = problems.run(least.name, partial(_undemanding, least, parts[least.name], registry, cache))
        for cell in group if shared else ():
            plan = problems.run(cell.name, partial(_of, cell, shared, parts[cell.name], registry))
            plans |= {cell.name: plan} if plan else {}
    return plans


def _undemanding(cell: Cell, parts: RunComponents, registry: Registry, cache: Path) -> Plan:
    """A plan that asks nothing of its data but to be whole; what a cell asks of them is told for each cell."""
    config = cell.config.model_copy(update={"ehr": EhrConfig()})
    return make_plan(config, registry, cache, replace(parts, features=()))


def _by_data(cells: Iterable[Cell]) -> Iterator[list[Cell]]:
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        read = [
            cell.config.data.model_dump_json(),
            *(other.model_dump_json() for other in cell.config.evaluate.test_on),
            *(name for name in cell.config.ehr.features if name not in USUAL),  # read only where they are asked for
        ]
        groups.setdefault(" ".join(read), []).append(cell)
    yield from groups.values()


def _of(cell: Cell, shared: Plan, parts: RunComponents, registry: Registry) -> Plan:
    """The plan of a cell on the cohort that another one with the same data has read.

    Raises:
        HandledError: the cohort lacks what the cell asks for.
    """
    config = cell.config
    check_demands(shared.sources, shared.cohort, parts.features, config.pretrain.batch_size)
    seen = shared.cohort.frame.loc[pretraining_images(config.data, shared.cohort)]
    schema = read_schema(config, parts, seen, shared.cohort.specs)
    return replace(shared, config=config, parts=parts, schema=schema, components=parts.provenance(registry))


def dry_build_cells(plans: Mapping[str, Plan], problems: Grouped) -> dict[str, Plan]:
    """Build each kind of network without memory, so that what cannot be built is told before the first run.

    Returns:
        The plans with as many epochs as their budgets pay for.
    """
    from ssl_bench.build.budget import with_budget
    from ssl_bench.build.estimate import dry_build

    built: dict[str, bool] = {}
    ready: dict[str, Plan] = {}
    for name, plan in plans.items():
        key = network(plan)
        if key not in built:
            built[key] = problems.run(name, partial(dry_build, plan)) is not None
        if built[key] and (paid := problems.run(name, partial(with_budget, plan))):
            ready[name] = paid
    return ready


def network(plan: Plan) -> str:
    """What makes two cells train the same network on the same shapes, whatever their seed, data and features are."""
    config = plan.config
    fusion = plan.parts.fusion.name if plan.parts.fusion else None
    shapes = [config.pretrain.batch_size, config.pretrain.precision, config.data.size, config.backbone.image_size,
              config.pretrain.processes]  # fmt: skip
    return json.dumps([config.method.model_dump(), fusion, config.backbone.model_dump(mode="json"), shapes])
