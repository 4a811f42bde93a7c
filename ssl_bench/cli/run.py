"""``sslbench run``: pretrain, evaluate, and leave a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.configured import takes
from ssl_bench.cli.flags import provided
from ssl_bench.cli.options import (
    AsJson,
    Cache,
    Configs,
    DryRun,
    FollowLinks,
    InexactResume,
    Preset,
    ProbeOn,
    Quiet,
    RefuseContaminated,
    Settings,
    Split,
    TestOn,
    asked,
    cache_folder,
    link_places,
    split_file,
)
from ssl_bench.errors import UsageError
from ssl_bench.plugin.names import PRETRAINED
from ssl_bench.ranks import started_outside

if TYPE_CHECKING:
    from ssl_bench.config.config import RunConfig
    from ssl_bench.report.terminal import Terminal
    from ssl_bench.results.record import Record


@takes(
    "method", "features", "fusion", "ehr_control", "ehr_dropout", "ehr_from", "ehr_until", "ehr_at_eval", "backbone",
    "init", "init_prefix", "group", "pretraining_seed", "encoder", "pooling", "normalise", "image_size", "data", "root",
    "labels", "recipe", "uncertain", "blank", "split", "on_unlisted", "test_on", "probe_on", "preset", "config",
    "settings", "epochs", "budget", "tflop", "batch_size", "accumulate", "checkpoint_activations", "lr", "probe_every",
    "accelerator", "devices", "nodes", "seed", "protocols", "aggregate", "logger", "out", "resume",
    "allow_inexact_resume", "cache", "on_bad", "on_missing", "follow_links",
)  # fmt: skip
def run(
    ctx: typer.Context,
    flags: dict[str, Any],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Weights of others: NAME=PATH such as rad-dino=DIR, hf=DIR, timm=FILE.",
            autocompletion=names_of("encoder"),
        ),
    ] = None,
    pooling: Annotated[str | None, typer.Option(help="class, mean, own or class+mean. [the encoder's own]")] = None,
    normalise: Annotated[
        str | None, typer.Option(help="imagenet, half, clip or MEAN,STD. [encoder: the encoder's own]")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the encoder's input in px. [its own]")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Dataset, NAME or NAME=ROOT; repeatable for several at once. [synthetic]",
            autocompletion=names_of("dataset"),
        ),
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder of the dataset's download, or its URL; with --resume NAME=PATH: where it is now, repeatable."
        ),
    ] = None,
    split: Split = None,
    test_on: TestOn = None,
    probe_on: ProbeOn = None,
    preset: Preset = None,
    config: Configs = None,
    settings: Settings = None,
    logger: Annotated[
        list[str] | None,
        typer.Option(
            help="tensorboard, wandb or mlflow; several by comma or repeated.",
            autocompletion=names_of("logger", several=True),
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; a new one under runs/ if not given.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Resume the run in this folder.")] = None,
    allow_inexact_resume: InexactResume = False,
    cache: Cache = None,
    follow_links: FollowLinks = None,
    refuse_contaminated: RefuseContaminated = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Pretrain a method on a dataset, evaluate its frozen encoder, and leave an encoder, a table and a record."""
    from ssl_bench.config.roots import data_flags, encoder_flags, folders_now, only_root, with_probes

    check_together(flags["ehr.features"], split, data)
    places, folder = folders_now(root or ()) if resume else ((), only_root(root))
    if encoder and not config:
        flags["method"] = flags["method"] or PRETRAINED
    chosen = asked(
        {
            **on_nodes(flags),
            **encoder_flags(encoder, pooling, normalise, image_size),
            **data_flags(data, folder),
            **provided(ctx),
            "data.follow_links": link_places(follow_links),
            "data.split": split_file(split),
            "evaluate.test_on": with_probes(test_on, probe_on),
            "loggers": ",".join(logger) if logger else None,
        },
        settings or [],
    )
    if resume and out:
        raise UsageError("--resume names the run directory; leave out --out")
    if resume:
        from ssl_bench.cli.resume import resumed_config

        whole, out = resumed_config(resume, chosen, preset, config, places), resume
    else:
        from ssl_bench.config import config as configuration
        from ssl_bench.config.recipes import finder
        from ssl_bench.plugin.registry import discover

        whole = configuration.load(chosen, name=preset, file=config, recipe=finder(discover()))
    if dry_run:
        tell_plan(whole, cache_folder(cache), out, resume=bool(resume), refuse=refuse_contaminated, as_json=as_json)
        return
    from ssl_bench.api.start import start

    start(whole, cache_folder(cache), out, resume=bool(resume), allow_inexact=allow_inexact_resume,
          refuse=refuse_contaminated, tell=partial(show, as_json=as_json))  # fmt: skip


def check_together(features: str | None, split: str | None, data: Sequence[str] | None) -> None:
    """What flags mean together.

    Raises:
        UsageError: no feature is named by ``--features``, or one split is given for several datasets.
    """
    if features is not None and not features.strip():
        raise UsageError("--features expects names such as age,sex; for a run without EHR use method msn")
    if split and data and len(data) > 1:
        raise UsageError("--split does not state whose split it is; give it as split of data.more in --config")


def on_nodes(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags, with as many processes as a launcher has started where none are named."""
    keys = ("pretrain.devices", "pretrain.nodes")
    started = started_outside() if all(flags[key] is None for key in keys) else None
    return {**flags, **dict(zip(keys, started or (), strict=False))}


def tell_plan(config: RunConfig, cache: Path, out: Path | None, *, resume: bool, refuse: bool, as_json: bool) -> None:
    """Print the plan of a run that could start in its folder."""
    from ssl_bench.api.start import free_path, whole_plan
    from ssl_bench.pretrain.signals import shutdown_with
    from ssl_bench.results.rundir import RunDirectory

    directory = RunDirectory(out or free_path(config))
    directory.check_free()
    directory.check(resume=resume)
    with shutdown_with(directory.what_next):
        plan = whole_plan(config, cache, refuse=refuse)
        if as_json:
            from ssl_bench.report.machine import plan_values, print_json

            print_json(plan_values(plan))
        else:
            from ssl_bench.report.plan_text import print_plan

            print_plan(plan)


def show(terminal: Terminal, record: Record, *, as_json: bool) -> None:
    """Print the result of a run."""
    if as_json:
        from ssl_bench.report.machine import print_json, result_values

        print_json(result_values(record, terminal.directory.path))
    else:
        terminal.show(record)
