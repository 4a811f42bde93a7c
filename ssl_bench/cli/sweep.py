"""``sslbench sweep``: many runs from one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssl_bench.cli.cells import carry_out, launcher_of, raise_if_failed, tell_cells, tell_states
from ssl_bench.cli.complete import names_of
from ssl_bench.cli.configured import takes
from ssl_bench.cli.options import (
    AsJson,
    Cache,
    Dataset,
    DryRun,
    FeatureKinds,
    InexactResume,
    Jobs,
    LauncherName,
    LauncherSet,
    PatientSD,
    Preset,
    Quiet,
    RetryFailed,
    Root,
    SeedSD,
    Settings,
    asked,
    cache_folder,
)
from ssl_bench.errors import UsageError
from ssl_bench.plugin.names import DEFAULT_DATASET, DEFAULT_LAUNCHER

if TYPE_CHECKING:
    from ssl_bench.plan.plan import Plan
    from ssl_bench.plugin.registry import Registry
    from ssl_bench.sweep.cells import Cell
    from ssl_bench.sweep.grid import Grid


@takes("grid", "method", "features", "features_grid", "fusion", "backbone", "seeds", "data", "root", "preset",
       "settings", "settings_from", "protocols")  # fmt: skip
def sweep(
    flags: dict[str, Any],
    grid: Annotated[Path | None, typer.Argument(help="YAML or TOML file with base, grid, cells, exclude.")] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Methods, for example simclr,msn,msn-ehr.", autocompletion=names_of("method", several=True)),
    ] = None,
    features: Annotated[str | None, typer.Option(help="Feature sets, for example 'age;sex;age,sex'.")] = None,
    features_grid: FeatureKinds = None,
    fusion: Annotated[
        str | None, typer.Option(help="Fusions, comma-separated.", autocompletion=names_of("fusion", several=True))
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Encoders, comma-separated.", autocompletion=names_of("backbone", several=True))
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of seeds, counted from 0.")] = None,
    data: Dataset = None,
    root: Root = None,
    preset: Preset = None,
    settings: Settings = None,
    settings_from: Annotated[
        Path | None, typer.Option("--settings-from", help="Folder of a tune, whose choices the methods start from.")
    ] = None,
    logger: Annotated[
        str | None, typer.Option(help="Loggers of all cells.", autocompletion=names_of("logger", several=True))
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep. [runs/<name of the grid>]")] = None,
    launcher: LauncherName = None,
    launcher_set: LauncherSet = None,
    jobs: Jobs = None,
    retry_failed: RetryFailed = False,
    allow_inexact_resume: InexactResume = False,
    cache: Cache = None,
    seed_sd: SeedSD = 0.0117,
    patient_sd: PatientSD = 0.005,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run every cell of a grid, skip what is finished, and show one table; the same command resumes after a kill."""
    from ssl_bench.plugin.registry import discover
    from ssl_bench.sweep.loop import private_folder

    registry = discover()
    shared = asked({**flags, "preset": preset, "data.name": data, "data.root": root,
                    "loggers": logger}, settings or [])  # fmt: skip
    axes = {"method": _listed(method), "ehr.features": _sets(features), "fusion": _listed(fusion),
            "backbone.name": _listed(backbone), "seed": None if seeds is None else list(range(seeds))}  # fmt: skip
    if seeds is not None and seeds < 1:
        raise UsageError(f"--seeds expects how many seeds to run, 1 or more, found {seeds}")
    whole = _grid(grid, shared, {key: values for key, values in axes.items() if values})
    if settings_from:
        whole = whole.model_copy(update={"settings_from": settings_from})
    if features_grid:
        whole = _with_feature_grid(whole, features_grid, registry)
    if launcher or launcher_set:
        chosen = launcher or (whole.launcher.name if whole.launcher else DEFAULT_LAUNCHER)
        kept = whole.launcher.options if whole.launcher and whole.launcher.name == chosen else {}
        whole = whole.model_validate({**whole.model_dump(), "launcher": {
            "name": chosen, **kept, **asked({}, launcher_set or [])}})  # fmt: skip
    folder = out or Path("runs") / (grid.stem if grid else "sweep")
    store = cache_folder(cache)
    cells, plans = check(whole, registry, store, folder)
    name, options = (whole.launcher.name, whole.launcher.options) if whole.launcher else (DEFAULT_LAUNCHER, {})
    jobs = jobs or whole.jobs
    launch = launcher_of(name, options, jobs, private_folder(folder), registry)
    if dry_run:
        tell_cells(cells, plans, folder, launch, store, jobs, tell_power(cells, seed_sd, patient_sd), as_json=as_json)
        return
    states = carry_out(cells, folder, launch, store, retry_failed=retry_failed, inexact=allow_inexact_resume)
    tell_states(states, folder, as_json=as_json)
    raise_if_failed(states, folder)


def _listed(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _sets(text: str | None) -> list[str] | None:
    """Feature sets are separated by semicolons, because the features of one are by commas; none is an empty one."""
    return [part.strip() for part in text.split(";")] if text is not None else None


def _grid(path: Path | None, shared: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> Grid:
    """The grid of a file with the flags on top, or of the flags alone."""
    from ssl_bench.config.layers import merge
    from ssl_bench.sweep.grid import Grid, read_grid
    from ssl_bench.sweep.settings import nested

    kept = read_grid(path) if path else Grid()
    if not (path or axes):
        raise UsageError("a sweep expects a grid file, or lists such as --method simclr,msn --seeds 3")
    base = merge(nested(kept.base), shared)
    return kept.model_copy(update={"base": base, "grid": tuple({**table, **axes} for table in kept.grid or ({},))})


def _with_feature_grid(grid: Grid, kinds: str, registry: Registry) -> Grid:
    from ssl_bench.config.config import split_names
    from ssl_bench.sweep.feature_sets import feature_grid
    from ssl_bench.sweep.grid import FEATURES

    name = grid.base.get("data", {}).get("name", DEFAULT_DATASET)
    available = registry.get("dataset", name).features
    sets = [",".join(features) for features in feature_grid(split_names(kinds), available).values()]
    tables = ({**table, FEATURES: [*table.get(FEATURES, []), *sets]} for table in grid.grid or ({},))
    return grid.model_copy(update={"grid": tuple(tables)})


def check(grid: Grid, registry: Registry, cache: Path, folder: Path) -> tuple[list[Cell], dict[str, Plan]]:
    """Every cell, checked with all others before the first one starts.

    Raises:
        HandledError: unknown keys and cells that cannot run, all at once.
    """
    from ssl_bench.sweep.cells import Grouped, dry_build_cells, make_cells, plan_cells
    from ssl_bench.sweep.grid import layers
    from ssl_bench.sweep.loop import found_again

    problems = Grouped()
    cells = found_again(make_cells(layers(grid, registry), registry, problems), folder)
    plans = dry_build_cells(plan_cells(cells, registry, cache, problems), problems)
    problems.raise_if_any()
    if not cells:
        raise UsageError("the grid has no cell left; exclude fewer")
    return cells, plans


def tell_power(cells: Sequence[Cell], seed_sd: float, patient_sd: float) -> list[str]:
    """What the seeds that all configurations of a sweep share would find between two of them; nothing of one alone."""
    from ssl_bench.comparison.run import seedless
    from ssl_bench.stats.power import planned
    from ssl_bench.sweep.cells import paired_seeds

    configurations, seeds = paired_seeds(cells, seedless())
    if configurations < 2:
        return []
    shared = f"{configurations} configurations" + ("" if seeds else " share no seed")
    return [f"{shared}: {told}" for told in (planned(seeds, seed_sd, patient_sd),) if told]
