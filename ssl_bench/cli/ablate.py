"""``sslbench ablate``: the same method without EHR, with it, and with controls in its place, over paired seeds."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.configured import takes
from ssl_bench.cli.options import (
    AsJson,
    Cache,
    Configs,
    Dataset,
    FeatureKinds,
    MinPatients,
    PatientSD,
    Preset,
    Quiet,
    Root,
    SeedSD,
    Settings,
    asked,
    cache_folder,
)
from ssl_bench.errors import UsageError
from ssl_bench.report.hush import progress

if TYPE_CHECKING:
    from ssl_bench.config.config import RunConfig
    from ssl_bench.plugin.registry import Registry
    from ssl_bench.results.rundir import RunDirectory
    from ssl_bench.sweep.ablation import AblationCell

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
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a method without EHR, with it and with controls on paired seeds, and say what the difference supports.

    Given the same command again it goes on where it was: finished cells are left as they are.
    """
    features = flags.pop("ehr.features")
    chosen = asked({**flags, "data.name": data, "data.root": root, "evaluate.protocols": protocols}, settings or [])
    from ssl_bench.config.config import load, split_names
    from ssl_bench.config.layers import merge
    from ssl_bench.config.recipes import finder
    from ssl_bench.plugin.registry import discover
    from ssl_bench.pretrain.signals import shutdown_with
    from ssl_bench.stats.power import planned as power
    from ssl_bench.sweep.ablation import cells

    registry = discover()
    recipe = finder(registry)
    base = load(chosen, name=preset, file=config, recipe=recipe)
    sets = feature_sets(base, registry, features, features_grid)
    planned = cells(sets, split_names(arms), seeds, out, seed)
    configs = [load(merge(chosen, cell.flags), name=preset, file=config, recipe=recipe) for cell in planned]
    with shutdown_with(lambda: f"finished cells are kept in {out}; continue with the same command"):
        run_cells(planned, configs, registry, cache_folder(cache), power(seeds, seed_sd, patient_sd))
        conclude(planned, configs[0], out, fewest, as_json=as_json)


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


def run_cells(
    planned: Sequence[AblationCell], configs: Sequence[RunConfig], registry: Registry, cache: Path, told: str
) -> None:
    """Run what is not finished; everything is planned before anything runs, and told before the first that does."""
    from ssl_bench.build.estimate import dry_build
    from ssl_bench.pipeline import execute
    from ssl_bench.plan.plan import make_plan
    from ssl_bench.plan.settle import settle
    from ssl_bench.results.rundir import RunDirectory

    for number in {cell.arm + cell.features: number for number, cell in enumerate(planned)}.values():
        dry_build(make_plan(configs[number], registry, cache))
    settled = [settle(config, registry) for config in configs]
    for number, (cell, config) in enumerate(zip(planned, settled, strict=True), 1):
        directory = RunDirectory(cell.folder)
        begun = check_same(directory, make_plan(config, registry, cache).config)
        if directory.record.is_file():
            continue
        if told:
            print(f"note: {told}", file=sys.stderr)
            told = ""
        progress(f"cell {number} of {len(planned)}: {cell.folder}")
        with directory.claimed(resume=begun):
            execute(make_plan(config, registry, cache), directory, Warnings(directory), resume=begun)


def check_same(directory: RunDirectory, config: RunConfig) -> bool:
    """Whether a cell has begun; it must have had the same configuration.

    Raises:
        UsageError: it had another one; the first differences are in the message.
    """
    if not directory.config.is_file():
        return False
    from ssl_bench.config.changeable import differences
    from ssl_bench.config.config import read_file, resolve

    kept, now = resolve([read_file(directory.config)]).model_dump(mode="json"), config.model_dump(mode="json")
    changed = [f"{key}: {old!r} -> {new!r}" for key, old, new in differences(kept, now)]
    if changed:
        raise UsageError(
            f"{directory.path} was run with another configuration ({'; '.join(changed[:3])}); repeat the first "
            "command, or choose another --out"
        )
    return True


class Warnings:
    """Writes the training log of a cell and prints warnings alone."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def stage(self, sentence: str) -> None:
        """A new part of the flow: nothing to say."""

    def prepared(self, done: int, total: int) -> None:
        """Images in the store: nothing to say."""

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        """Log a training step."""
        self.directory.append_log(dict(entry))

    def warn(self, sentence: str) -> None:
        """Print a warning."""
        print(f"warning: {sentence}", file=sys.stderr)


def conclude(
    planned: Sequence[AblationCell], config: RunConfig, out: Path, fewest: int, *, as_json: bool = False
) -> None:
    """Compare the arms, write ``ablation.json`` and ``ablation.md``, and print the latter."""
    from ssl_bench.files import write_json, write_text
    from ssl_bench.report.ablation import markdown
    from ssl_bench.report.arms import summarise

    result = summarise(planned, config, fewest)
    write_json(out / "ablation.json", result)
    page = markdown(result)
    write_text(out / "ablation.md", page)
    if as_json:
        from ssl_bench.report.machine import print_json

        print_json(result)
    else:
        print(page, end="")
