"""``sslbench run``: pretrain, evaluate, and leave a record."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssl_bench.cli.complete import features as features_of
from ssl_bench.cli.complete import names_of, presets
from ssl_bench.cli.flags import given
from ssl_bench.cli.options import (
    Aggregate,
    AsJson,
    FollowLinks,
    OnMissing,
    OnUnlisted,
    Quiet,
    RefuseContaminated,
    Split,
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


def run(
    ctx: typer.Context,
    method: Annotated[
        str | None,
        typer.Option(help="Pretraining method; see sslbench plugins. [msn-ehr]", autocompletion=names_of("method")),
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="EHR features or groups, for example age,sex.", autocompletion=features_of)
    ] = None,
    fusion: Annotated[
        str | None, typer.Option(help="How EHR features join the image features.", autocompletion=names_of("fusion"))
    ] = None,
    ehr_control: Annotated[
        str | None, typer.Option(help="Instead of the real EHR: shuffled, constant or noise. [none]")
    ] = None,
    ehr_dropout: Annotated[
        float | None, typer.Option(help="Share of the EHR values that a training step withholds. [0]")
    ] = None,
    ehr_from: Annotated[
        float | None, typer.Option(help="Share of the pretraining from which on EHR is given. [0]")
    ] = None,
    ehr_until: Annotated[
        float | None, typer.Option(help="Share of the pretraining up to which EHR is given. [1]")
    ] = None,
    ehr_at_eval: Annotated[
        bool | None, typer.Option("--ehr-at-eval", help="Also probe EHR alone, and EHR beside the frozen features.")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="Encoder: vit-tiny, vit-small, ... or any timm model.", autocompletion=names_of("backbone")),
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Weights to start from: a file, or the folder of a run.")] = None,
    init_prefix: Annotated[
        str | None, typer.Option(help="In front of the encoder's keys in that file. [found among the usual ones]")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Method of the weights that pretrained is given: its seeds form an arm.")
    ] = None,
    pretraining_seed: Annotated[int | None, typer.Option(help="Which seed of that group the weights are.")] = None,
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
        typer.Option(help="Folder of the dataset's download; with --resume NAME=PATH: where it lies now, repeatable."),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Label space: native, nih14, chexpert14, common7.")] = None,
    recipe: Annotated[str | None, typer.Option(help="reference, or paper or released (MSN). [reference]")] = None,
    uncertain: Annotated[str | None, typer.Option(help="An uncertain label: ignore, zeros or ones. [zeros]")] = None,
    blank: Annotated[str | None, typer.Option(help="A blank label: ignore or zeros. [zeros]")] = None,
    split: Split = None,
    on_unlisted: OnUnlisted = None,
    test_on: Annotated[
        list[str] | None,
        typer.Option("--test-on", help="Other datasets to test on: NAME=ROOT or NAME:refit=ROOT, comma-separated."),
    ] = None,
    probe_on: Annotated[
        list[str] | None,
        typer.Option("--probe-on", help="Other datasets to fit and test probes on: NAME=ROOT, comma-separated."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="smoke (seconds), demo, demo-long, nih-small, paper or paper-512. [demo]", autocompletion=presets
        ),
    ] = None,
    config: Annotated[
        list[Path] | None, typer.Option(help="YAML or TOML file with any keys; repeatable, later ones on top.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any key, for example method.prototypes=512; repeatable.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    budget: Annotated[str | None, typer.Option(help="What is held equal: epochs, or flops. [epochs]")] = None,
    tflop: Annotated[float | None, typer.Option(help="Training operations in 10^12, for --budget flops.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in a step.")] = None,
    accumulate: Annotated[
        int | None, typer.Option(help="Parts in which encoders get a batch, for memory; the loss sees it whole. [1]")
    ] = None,
    checkpoint_activations: Annotated[
        bool | None,
        typer.Option("--checkpoint-activations", help="Compute activations twice instead of keeping them."),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    probe_every: Annotated[
        float | None, typer.Option(help="Epochs between looks of the online probe on validation images. [0: none]")
    ] = None,
    accelerator: Annotated[str | None, typer.Option(help="Device: auto, cpu or cuda. [auto]")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes on each machine that train together. [1]")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines that train together. [1]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random. [0]")] = None,
    protocols: Annotated[
        str | None,
        typer.Option("--eval", help="Evaluators. [linear,knn]", autocompletion=names_of("evaluator", several=True)),
    ] = None,
    aggregate: Aggregate = None,
    logger: Annotated[
        list[str] | None,
        typer.Option(
            help="tensorboard, wandb or mlflow; several by comma or repeated.",
            autocompletion=names_of("logger", several=True),
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; a new one under runs/ if not given.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    allow_inexact_resume: Annotated[
        bool, typer.Option("--allow-inexact-resume", help="Resume although the bits will differ.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder of prepared images. [~/.cache/sslbench]")] = None,
    on_bad: Annotated[str | None, typer.Option(help="Unreadable images: error, or quarantine. [error]")] = None,
    on_missing: OnMissing = None,
    follow_links: FollowLinks = None,
    refuse_contaminated: RefuseContaminated = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Pretrain a method on a dataset, evaluate its frozen encoder, and leave an encoder, a table and a record."""
    if features is not None and not features.strip():
        raise UsageError("--features expects names such as age,sex; for a run without EHR take method msn")
    from ssl_bench.config.roots import data_flags, encoder_flags, folders_now, only_root, with_probes

    if devices is None and nodes is None:
        devices, nodes = started_outside() or (None, None)
    places, folder = folders_now(root or ()) if resume else ((), only_root(root))
    if split and data and len(data) > 1:
        raise UsageError("--split does not say whose split it is; give it as split of data.more in --config")
    flags = asked(
        {
            "method": method or (PRETRAINED if encoder and not config else None),
            "recipe": recipe,
            "ehr.features": features,
            "fusion": fusion,
            "ehr.control": ehr_control,
            "ehr.dropout": ehr_dropout,
            "ehr.start": ehr_from,
            "ehr.until": ehr_until,
            "evaluate.ehr": ehr_at_eval,
            "backbone.name": backbone,
            "backbone.init": str(init) if init else None,
            "backbone.init_prefix": init_prefix,
            "group": group,
            "pretraining_seed": pretraining_seed,
            **encoder_flags(encoder, pooling, normalise, image_size),
            **data_flags(data, folder),
            **given(ctx),
            "data.labels": labels,
            "data.on_bad": on_bad,
            "data.on_missing": on_missing,
            "data.follow_links": link_places(follow_links),
            "data.uncertain": uncertain,
            "data.blank": blank,
            "data.split": split_file(split),
            "data.on_unlisted": on_unlisted,
            "pretrain.epochs": epochs,
            "pretrain.budget": budget,
            "pretrain.tflop": tflop,
            "pretrain.batch_size": batch_size,
            "pretrain.accumulate": accumulate,
            "pretrain.checkpoint_activations": checkpoint_activations,
            "pretrain.lr": lr,
            "pretrain.probe_every": probe_every,
            "pretrain.accelerator": accelerator,
            "pretrain.devices": devices,
            "pretrain.nodes": nodes,
            "seed": seed,
            "evaluate.protocols": protocols,
            "evaluate.aggregate": aggregate,
            "evaluate.test_on": with_probes(test_on, probe_on),
            "loggers": ",".join(logger) if logger else None,
        },
        settings or [],
    )
    if resume and out:
        raise UsageError("--resume names the run directory; leave out --out")
    if resume:
        from ssl_bench.cli.resume import resumed_config

        chosen, out = resumed_config(resume, flags, preset, config, places), resume
    else:
        from ssl_bench.config import config as configuration
        from ssl_bench.config.recipes import finder
        from ssl_bench.plugin.registry import discover

        chosen = configuration.load(flags, name=preset, file=config, recipe=finder(discover()))
    if dry_run:
        tell_plan(chosen, cache_folder(cache), out, resume=bool(resume), refuse=refuse_contaminated, as_json=as_json)
        return
    from ssl_bench.api.start import start

    start(chosen, cache_folder(cache), out, resume=bool(resume), allow_inexact=allow_inexact_resume,
          refuse=refuse_contaminated, tell=partial(show, as_json=as_json))  # fmt: skip


def tell_plan(config: RunConfig, cache: Path, out: Path | None, *, resume: bool, refuse: bool, as_json: bool) -> None:
    """Print the plan of a run that could start in its folder."""
    from ssl_bench.api.start import free_path, whole_plan
    from ssl_bench.pretrain.signals import leaving
    from ssl_bench.results.rundir import RunDirectory

    directory = RunDirectory(out or free_path(config))
    directory.check_free()
    directory.check(resume=resume)
    with leaving(directory.what_next):
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
