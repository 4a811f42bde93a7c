"""``sslbench ablate``: the same method without EHR, with it, and with controls in its place, over paired seeds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssl_bench.cli.cells import carry_out, failed, launcher_of, raise_if_failed, tell_cells, tell_states
from ssl_bench.cli.complete import names_of
from ssl_bench.cli.configured import takes
from ssl_bench.cli.options import (
    AsJson,
    Cache,
    Configs,
    Dataset,
    DryRun,
    FeatureKinds,
    InexactResume,
    Jobs,
    LauncherName,
    LauncherSet,
    MinPatients,
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
from ssl_bench.plugin.names import DEFAULT_LAUNCHER

if TYPE_CHECKING:
    from ssl_bench.config.config import RunConfig
    from ssl_bench.plan.plan import Plan
    from ssl_bench.plugin.registry import Registry
    from ssl_bench.sweep.ablation import AblationCell
    from ssl_bench.sweep.cells import Cell

CLAIM_SEEDS = 5


@takes("out", "method", "features", "features_grid", "seeds", "arms", "fusion", "backbone", "data", "root", "preset",
       "config", "settings", "epochs", "batch_size", "lr", "seed", "protocols", "ehr_at_eval")  # fmt: skip
def ablate(
    flags: dict[str, Any],
    out: Annotated[Path, typer.Option(help="Folder of the ablation: a run directory for every cell, and the table.")],
    features_grid: FeatureKinds = None,
    seeds: Annotated[int, typer.Option(min=1, help="Paired seeds; a claim about methods needs 5.")] = CLAIM_SEEDS,
    arms: Annotated[str, typer.Option(help="Arms; real and shuffled at least.")] = "none,real,shuffled,constant,noise",
    data: Dataset = None,
    root: Root = None,
    preset: Preset = None,
    config: Configs = None,
    settings: Settings = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed; the others follow.")] = 0,
    protocols: Annotated[
        str,
        typer.Option(
            "--eval", help="Evaluators; the first is compared.", autocompletion=names_of("evaluator", several=True)
        ),
    ] = "linear,leakage",
    fewest: MinPatients = 5,
    seed_sd: SeedSD = 0.0117,
    patient_sd: PatientSD = 0.005,
    launcher: LauncherName = None,
    launcher_set: LauncherSet = None,
    jobs: Jobs = None,
    retry_failed: RetryFailed = False,
    allow_inexact_resume: InexactResume = False,
    cache: Cache = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a method without EHR, with it and with controls on paired seeds, and say what the difference supports.

    The cells are those of a sweep; the same command resumes it, and finished cells are left as they are.
    """
    features = flags.pop("ehr.features")
    chosen = asked({**flags, "data.name": data, "data.root": root, "evaluate.protocols": protocols}, settings or [])
    from ssl_bench.config.config import load, split_names
    from ssl_bench.config.layers import merge
    from ssl_bench.config.recipes import finder
    from ssl_bench.plugin.registry import discover
    from ssl_bench.pretrain.signals import shutdown_with
    from ssl_bench.results.rundir import RunDirectory
    from ssl_bench.stats.power import planned as power
    from ssl_bench.sweep.ablation import cells
    from ssl_bench.sweep.loop import private_folder

    registry, store = discover(), cache_folder(cache)

    def configured(values: Mapping[str, Any]) -> RunConfig:
        return load(merge(chosen, values), name=preset, file=config, recipe=finder(registry))

    base = configured({})
    planned = cells(feature_sets(base, registry, features, features_grid), split_names(arms), seeds, out, seed)
    name, options = launcher or DEFAULT_LAUNCHER, asked({}, launcher_set or [])
    launch = launcher_of(name, options, jobs or 0, private_folder(out), registry)
    told = [sentence] if (sentence := power(seeds, seed_sd, patient_sd)) else []
    with shutdown_with(lambda: f"finished cells are kept in {out}; continue with the same command"):
        found, plans = check(planned, out, configured, registry, store)
        if dry_run:
            tell_cells(found, plans, out, launch, store, jobs or 0, told, as_json=as_json)
            return
        if any(not RunDirectory(cell.folder).record.is_file() for cell in planned):
            for note in told:
                print(f"note: {note}", file=sys.stderr)
        states = carry_out(found, out, launch, store, retry_failed=retry_failed, inexact=allow_inexact_resume)
        if failed(states):
            tell_states(states, out, as_json=as_json)
        raise_if_failed(states, out)
        conclude(planned, found[0].config, out, fewest, as_json=as_json)


def feature_sets(
    base: RunConfig, registry: Registry, features: str | None, grid: str | None
) -> dict[str, tuple[str, ...]]:
    """The feature sets of an ablation by name.

    Raises:
        UsageError: there are none, they are asked for in two ways, or the dataset lacks them.
    """
    from ssl_bench.config.config import split_names
    from ssl_bench.plan.attributes import specs_of
    from ssl_bench.plugin.features import expand
    from ssl_bench.sweep.feature_sets import feature_grid

    if base.ehr.control != "none":
        raise UsageError("an ablation sets ehr.control for each arm; leave it out, and choose by --arms")
    if base.pretrain.budget == "flops":
        raise UsageError("an ablation holds epochs equal, so that arms see the same batches; leave out pretrain.budget")
    if grid and features:
        raise UsageError("--features and --features-grid exclude each other; give one of them")
    if grid:
        available = registry.get("dataset", base.data.name).features
        sets = feature_grid(split_names(grid), available)
        left = len(feature_grid(split_names(grid))) - len(sets)
        if left:
            print(f"{left} feature sets are left out: dataset '{base.data.name}' lacks a feature", file=sys.stderr)
        return sets
    chosen = features or ",".join(base.ehr.features or registry.get("method", base.method.name).features)
    if not chosen:
        raise UsageError("an ablation needs EHR features; add --features, for example age,sex")
    return {chosen: expand(split_names(chosen), specs_of(registry, base.data, base.evaluate.test_on))}


def check(
    planned: Sequence[AblationCell],
    out: Path,
    configured: Callable[[Mapping[str, Any]], RunConfig],
    registry: Registry,
    cache: Path,
) -> tuple[list[Cell], dict[str, Plan]]:
    """Every cell, checked with all others before the first one starts.

    Raises:
        HandledError: cells that cannot run, or began with another configuration; all at once.
    """
    from ssl_bench.sweep.ablation import as_sweep, check_begun
    from ssl_bench.sweep.cells import Grouped, dry_build_cells, plan_cells

    problems = Grouped()
    cells = as_sweep(planned, out, configured, problems)
    plans = dry_build_cells(plan_cells(cells, registry, cache, problems), problems)
    check_begun(plans, out, registry, problems)
    problems.raise_if_any()
    return cells, plans


def conclude(
    planned: Sequence[AblationCell], config: RunConfig, out: Path, fewest: int, *, as_json: bool = False
) -> None:
    """Compare the arms, write ``ablation.json`` and ``ablation.md``, and print the latter."""
    from ssl_bench.files import write_json, write_text
    from ssl_bench.report.ablation import page
    from ssl_bench.report.arms import summarise

    result = summarise(planned, config, fewest)
    write_json(out / "ablation.json", result)
    text = page(result)
    write_text(out / "ablation.md", text)
    if as_json:
        from ssl_bench.report.machine import print_json

        print_json(result)
    else:
        print(text, end="")
