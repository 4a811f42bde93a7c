"""``sslbench tune``: equal budgets of trials for all methods, a rule that selects, fresh seeds with the choice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssl_bench.cli.cells import launcher_of
from ssl_bench.cli.complete import names_of, words
from ssl_bench.cli.configured import takes
from ssl_bench.cli.options import (
    AsJson,
    Cache,
    Dataset,
    DryRun,
    InexactResume,
    Jobs,
    LauncherName,
    LauncherSet,
    Preset,
    Quiet,
    Root,
    Settings,
    asked,
    cache_folder,
)
from ssl_bench.errors import HandledError, UsageError
from ssl_bench.plugin.names import DEFAULT_LAUNCHER

if TYPE_CHECKING:
    from ssl_bench.plugin.registry import Registry
    from ssl_bench.plugin.services import Launcher
    from ssl_bench.tune.run import Tune
    from ssl_bench.tune.studies import Asked, StudyPlan

BASELINES = "auto"


@takes("method", "out", "trials", "budget", "seeds", "rule", "sampler", "pruner", "search", "shared", "controls",
       "baselines", "features", "backbone", "data", "root", "test_on", "preset", "settings", "protocols")  # fmt: skip
def tune(
    flags: dict[str, Any],
    method: Annotated[
        str,
        typer.Option(
            help="Methods to tune, for example simclr,msn,msn-ehr.", autocompletion=names_of("method", several=True)
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tune: trials, final runs, tune.json and tune.html.")],
    trials: Annotated[
        int | None, typer.Option(help="Trials of a method, the official default among them. [20]")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="What a method's trials may cost instead: gpu-hours=25 or flops=1e18.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh seeds for the selected setting.")] = 5,
    rule: Annotated[
        str, typer.Option(help="What selects: validation, validation:DATASET, or oracle (test: not comparable).")
    ] = "validation",
    sampler: Annotated[
        str,
        typer.Option(
            help="How trials are drawn: sobol, halton, random or tpe.",
            autocompletion=words("sobol", "halton", "random", "tpe"),
        ),
    ] = "sobol",
    pruner: Annotated[
        str,
        typer.Option(
            help="Ends trials below the median: none, rank (no labels) or probe (validation).",
            autocompletion=words("none", "rank", "probe"),
        ),
    ] = "none",
    search: Annotated[
        list[str] | None,
        typer.Option(help="A range of your own: KEY=LOW..HIGH, KEY=LOW..HIGH:log, KEY=a|b, KEY=fixed; repeatable."),
    ] = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(help="Methods that share the trials and so the setting, for example msn,msn-ehr; repeatable."),
    ] = None,
    controls: Annotated[
        str | None, typer.Option(help="Controls of methods with EHR, as arms of their own: shuffled,constant,noise.")
    ] = None,
    baselines: Annotated[
        str, typer.Option(help="Baselines that get the same budget; none; auto: those that have options.")
    ] = BASELINES,
    features: Annotated[
        str | None, typer.Option(help="EHR features, for example age,sex, of the methods made for some; else of all.")
    ] = None,
    data: Dataset = None,
    root: Root = None,
    test_on: Annotated[
        str | None, typer.Option("--test-on", help="Other datasets that the final runs are tested on: NAME=ROOT.")
    ] = None,
    preset: Preset = None,
    settings: Settings = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sequence of trials.")] = 0,
    launcher: LauncherName = None,
    launcher_set: LauncherSet = None,
    jobs: Jobs = None,
    allow_inexact_resume: InexactResume = False,
    cache: Cache = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tune methods with equal budgets and run the choice on fresh seeds; the same command resumes after a kill."""
    from ssl_bench.plugin.registry import discover
    from ssl_bench.tune.asked import budget_of, searches_of
    from ssl_bench.tune.points import check_sampler
    from ssl_bench.tune.prune import check_pruner
    from ssl_bench.tune.run import private_folder
    from ssl_bench.tune.studies import Asked, studies_of

    registry = discover()
    base = asked({**flags, "preset": preset, "data.name": data, "data.root": root,
                  "evaluate.test_on": test_on}, settings or [])  # fmt: skip
    wanted = Asked(
        methods_of(method, baselines, registry), base, budget_of(budget, trials), seeds, check_sampler(sampler),
        check_pruner(pruner), chosen_rule(rule, base), features or "", controls_of(controls),
        tuple(tuple(_names(group)) for group in shared or ()), searches_of(search or ()), seed,
    )  # fmt: skip
    studies = studies_of(wanted, registry)
    if wanted.pruner != "none" and any(len(study.members) > 1 for study in studies):
        raise UsageError("a pruner looks at one training, and methods share a study here; leave out one of the two")
    folder, store = out, cache_folder(cache)
    if dry_run:
        tell_search(studies, wanted, as_json=as_json)
        return
    check(wanted, studies, registry, store)
    options = asked({}, launcher_set or [])
    starter = launcher_of(launcher or DEFAULT_LAUNCHER, options, jobs or 0, private_folder(folder), registry)
    further = ["--allow-inexact-resume"] if allow_inexact_resume else []
    with begun(wanted, studies, folder, starter, registry, store, further) as running:
        running.search()
        states = running.evaluate()
        conclude(running, folder, as_json=as_json)
    failed = [name for name, state in states.items() if state.phase == "failed"]
    if failed:
        raise HandledError(
            f"{len(failed)} of {len(states)} final runs failed, their output is in {folder / 'final' / '.sweep'}; "
            "the same command tries them again"
        )


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def methods_of(text: str, baselines: str, registry: Registry) -> tuple[str, ...]:
    """The methods to tune, with the baselines that get the same budget.

    Raises:
        UsageError: none is named, one is named twice, or one is unknown.
    """
    from ssl_bench.plugin.search import declared

    named = _names(text)
    if not named:
        raise UsageError("--method expects methods to tune, for example simclr,msn,msn-ehr")
    if len(set(named)) < len(named):
        raise UsageError(f"--method names a method twice: {', '.join(named)}; name each once")
    if baselines == BASELINES:
        of_all = [registry.get("method", name) for name in registry.names("method")]
        beside = [one.name for one in of_all if one.uses_labels or (one.baseline and any(
            declared(field.metadata) for field in one.options_model().model_fields.values()))]  # fmt: skip
    else:
        beside = [] if baselines == "none" else _names(baselines)
    for name in (*named, *beside):
        registry.get("method", name)
    return tuple(dict.fromkeys((*named, *beside)))


def controls_of(text: str | None) -> tuple[str, ...]:
    """The controls of EHR features that are arms of their own.

    Raises:
        UsageError: one is unknown.
    """
    from ssl_bench.errors import unknown
    from ssl_bench.tune.studies import CONTROLS

    names = _names(text or "")
    for name in names:
        if name not in CONTROLS:
            raise UsageError(unknown("control", name, CONTROLS))
    return tuple(names)


def chosen_rule(name: str, base: dict[str, Any]) -> Any:
    """The rule, with the datasets that the configuration tests on."""
    from ssl_bench.config.config import load
    from ssl_bench.tune.rules import rule_of

    others = load(base).evaluate.test_on if base.get("evaluate", {}).get("test_on") else ()
    return rule_of(name, tuple(name for part in others for name in dict.fromkeys((part.called, part.name)) if name))


def check(asked: Asked, studies: Sequence[StudyPlan], registry: Registry, cache: Path) -> None:
    """The default of every method, as a trial and as a final run, checked before the first one starts.

    The labels of the run's own test split stay unread even here, under every rule but ``oracle``.

    Raises:
        HandledError: what cannot run, all at once.
    """
    from ssl_bench.config.layers import merge
    from ssl_bench.plan.external import read_external
    from ssl_bench.plan.parts import choose_parts
    from ssl_bench.sweep.cells import Grouped, dry_build_cells, make_cells, plan_cells
    from ssl_bench.sweep.settings import nested
    from ssl_bench.tune.cells import trial_cells

    problems, unread = Grouped(), nested({**asked.rule.settings(), "evaluate.test_on": []})
    members = [values for study in studies for values in study.members.values()]
    cells = make_cells((merge(values, unread) for values in members), registry, problems)
    problems.raise_if_any()
    for study in studies:
        first = problems.run(study.name, partial(trial_cells, study, {}, asked.rule, asked.pruner, registry))
        cells += (first or {}).values()
    plans = dry_build_cells(plan_cells(cells, registry, cache, problems), problems)
    problems.raise_if_any()
    config, sources = studies[0].config, next(iter(plans.values())).sources
    problems.run("final runs", lambda: read_external(config, choose_parts(config, registry), sources, cache))
    problems.raise_if_any()


@contextmanager
def begun(
    wanted: Asked, studies: Sequence[StudyPlan], folder: Path, launcher: Callable[[], Launcher], registry: Registry,
    cache: Path, flags: Sequence[str],
) -> Iterator[Tune]:  # fmt: skip
    """A tune that holds its folder and shows what its runs do."""
    from ssl_bench.report.sweep import SweepBoard
    from ssl_bench.tune.request import check_same, request
    from ssl_bench.tune.run import Tune, held

    with held(folder), SweepBoard() as board:
        check_same(folder, request(wanted, studies))
        yield Tune(wanted, studies, folder, launcher, registry, cache, board.show, flags=flags)


def tell_search(studies: Sequence[StudyPlan], asked: Asked, *, as_json: bool) -> None:
    """Print what would be searched."""
    from ssl_bench.report.machine import print_json
    from ssl_bench.report.tune_text import print_spaces

    if as_json:
        told = [{"name": one.name, "members": list(one.members), "space": one.space.told()} for one in studies]
        print_json({"studies": told, "budget": asked.budget.told, "final_seeds": asked.seeds})
    else:
        print_spaces(studies, asked.budget.told, asked.seeds)


def conclude(tune: Tune, folder: Path, *, as_json: bool) -> None:
    """Write ``tune.json`` and ``tune.html``, and print what was chosen."""
    from ssl_bench.files import write_json
    from ssl_bench.report.machine import print_json
    from ssl_bench.report.tune_page import write_page
    from ssl_bench.report.tune_text import print_result
    from ssl_bench.sweep.settings import FILE
    from ssl_bench.tune.result import result

    found = result(tune)
    write_json(folder / FILE, found)
    write_page(found, folder)
    if as_json:
        print_json({"folder": folder, **found})
    else:
        print_result(found)
    print(f"the page is in {folder / 'tune.html'}", file=sys.stderr)
