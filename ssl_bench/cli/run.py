"""``sslbench run``: pretrain, evaluate, and leave a record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssl_bench.cli.options import (
    Aggregate,
    FollowLinks,
    OnMissing,
    OnUnlisted,
    RefuseContaminated,
    Split,
    asked,
    cache_folder,
    link_places,
    split_file,
)
from ssl_bench.errors import UsageError
from ssl_bench.ranks import started_outside

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from ssl_bench.config import RunConfig
    from ssl_bench.plan import Plan
    from ssl_bench.report.terminal import Terminal
    from ssl_bench.results.rundir import RunDirectory


def run(
    method: Annotated[str | None, typer.Option(help="Pretraining method; see sslbench plugins. [msn-ehr]")] = None,
    features: Annotated[str | None, typer.Option(help="EHR features or groups, for example age,sex.")] = None,
    fusion: Annotated[str | None, typer.Option(help="How EHR features join the image features.")] = None,
    fuse_branches: Annotated[
        str | None, typer.Option(help="one or both views of SimCLR and VICReg get EHR features. [one]")
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
    backbone: Annotated[str | None, typer.Option(help="Encoder: vit-tiny, vit-small, ... or any timm model.")] = None,
    init: Annotated[Path | None, typer.Option(help="Weights to start from: a file, or the folder of a run.")] = None,
    init_prefix: Annotated[
        str | None, typer.Option(help="In front of the encoder's keys in that file. [found among the usual ones]")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Method of the weights that pretrained is given: its seeds form an arm.")
    ] = None,
    pretraining_seed: Annotated[int | None, typer.Option(help="Which seed of that group the weights are.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Weights of others: NAME=PATH such as rad-dino=DIR, hf=DIR, timm=FILE.")
    ] = None,
    pooling: Annotated[str | None, typer.Option(help="class, mean, own or class+mean. [the encoder's own]")] = None,
    normalise: Annotated[
        str | None, typer.Option(help="imagenet, half, clip or MEAN,STD. [encoder: the encoder's own]")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the encoder's input in px. [its own]")] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Dataset, NAME or NAME=ROOT; repeatable for several at once. [synthetic]")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the dataset's download.")] = None,
    columns: Annotated[Path | None, typer.Option(help="Column map of the dataset table, a YAML file.")] = None,
    labels: Annotated[str | None, typer.Option(help="Label space: native, nih14, chexpert14, common7.")] = None,
    recipe: Annotated[str | None, typer.Option(help="corrected, or paper or released (MSN). [corrected]")] = None,
    uncertain: Annotated[str | None, typer.Option(help="An uncertain label: ignore, zeros or ones. [zeros]")] = None,
    blank: Annotated[str | None, typer.Option(help="A blank label: ignore or zeros. [zeros]")] = None,
    views: Annotated[str | None, typer.Option(help="Views to keep, where the dataset lets choose; all: each.")] = None,
    label_source: Annotated[str | None, typer.Option(help="Labeller, where the dataset has several.")] = None,
    split: Split = None,
    on_unlisted: OnUnlisted = None,
    ehr_root: Annotated[Path | None, typer.Option(help="Folder of MIMIC-IV, if it is not below --root.")] = None,
    ehr_join: Annotated[str | None, typer.Option(help="Stays hold the second of a study, or its day.")] = None,
    test_on: Annotated[
        list[str] | None,
        typer.Option("--test-on", help="Other datasets to test on: NAME=ROOT or NAME:refit=ROOT, comma-separated."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="smoke (seconds), demo, nih-small or paper. [demo]")] = None,
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
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    probe_every: Annotated[
        float | None, typer.Option(help="Epochs between looks of the online probe on validation images. [0: none]")
    ] = None,
    accelerator: Annotated[str | None, typer.Option(help="Device: auto, cpu or cuda. [auto]")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes on each machine that train together. [1]")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines that train together. [1]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random. [0]")] = None,
    protocols: Annotated[str | None, typer.Option("--eval", help="Evaluators. [linear,knn]")] = None,
    aggregate: Aggregate = None,
    logger: Annotated[
        list[str] | None, typer.Option(help="tensorboard, wandb or mlflow; several by comma or repeated.")
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
) -> None:
    """Pretrain a method on a dataset, evaluate its frozen encoder, and leave an encoder, a table and a record."""
    if features is not None and not features.strip():
        raise UsageError("--features expects names such as age,sex; for a run without EHR take method msn")
    from ssl_bench.roots import data_flags, encoder_flags

    if devices is None and nodes is None:
        devices, nodes = started_outside() or (None, None)
    if split and data and len(data) > 1:
        raise UsageError("--split does not say whose split it is; give it as split of data.more in --config")
    flags = asked(
        {
            "method": method or ("pretrained" if encoder and not config else None),
            "recipe": recipe,
            "ehr.features": features,
            "fusion": fusion,
            "method.fuse_branches": fuse_branches,
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
            **data_flags(data, str(root) if root else None),
            "data.options.columns": str(columns.absolute()) if columns else None,
            "data.labels": labels,
            "data.on_bad": on_bad,
            "data.on_missing": on_missing,
            "data.follow_links": link_places(follow_links),
            "data.uncertain": uncertain,
            "data.blank": blank,
            "data.options.views": views,
            "data.options.label_source": label_source,
            "data.split": split_file(split),
            "data.on_unlisted": on_unlisted,
            "data.options.ehr_root": str(ehr_root.absolute()) if ehr_root else None,
            "data.options.ehr_join": ehr_join,
            "pretrain.epochs": epochs,
            "pretrain.budget": budget,
            "pretrain.tflop": tflop,
            "pretrain.batch_size": batch_size,
            "pretrain.lr": lr,
            "pretrain.probe_every": probe_every,
            "pretrain.accelerator": accelerator,
            "pretrain.devices": devices,
            "pretrain.nodes": nodes,
            "seed": seed,
            "evaluate.protocols": protocols,
            "evaluate.aggregate": aggregate,
            "evaluate.test_on": test_on or None,
            "loggers": ",".join(logger) if logger else None,
        },
        settings or [],
    )
    if resume and out:
        raise UsageError("--resume names the run directory; leave out --out")
    if resume:
        from ssl_bench.cli.resume import resumed_config

        again = resumed_config(resume, flags, preset, config)
        start(again, cache_folder(cache), resume, dry_run=dry_run, resume=True, allow_inexact=allow_inexact_resume,
              refuse=refuse_contaminated)  # fmt: skip
        return
    from ssl_bench import config as configuration
    from ssl_bench.plugins import discover
    from ssl_bench.recipes import finder

    chosen = configuration.load(flags, name=preset, file=config, recipe=finder(discover()))
    start(chosen, cache_folder(cache), out, dry_run=dry_run, refuse=refuse_contaminated)


def start(
    config: RunConfig,
    cache: Path,
    out: Path | None,
    *,
    dry_run: bool,
    resume: bool = False,
    allow_inexact: bool = False,
    refuse: bool = False,
) -> None:
    """Plan a run, and carry it out unless this is a dry run."""
    from ssl_bench.pretrain.signals import leaving
    from ssl_bench.results.rundir import RunDirectory

    if (config.pretrain.processes > 1 or started_outside()) and not dry_run:
        start_together(config, cache, out, resume=resume, allow_inexact=allow_inexact, refuse=refuse)
        return
    directory = RunDirectory(out or free_path(config))
    directory.check_free()
    directory.check(resume=resume)
    with leaving(directory.what_next):
        plan = checked_plan(config, cache, refuse=refuse)
        if config.pretrain.budget == "flops":
            from ssl_bench.budget import fitted

            plan = fitted(plan)
        if dry_run:
            from ssl_bench.report.plan_text import print_plan

            print_plan(plan)
        else:
            carry_out(plan, directory, resume=resume, allow_inexact=allow_inexact)


def start_together(
    config: RunConfig,
    cache: Path,
    out: Path | None,
    *,
    resume: bool = False,
    allow_inexact: bool = False,
    refuse: bool = False,
) -> None:
    """Plan a run of several processes and carry it out; the first of them checks and prepares before the others."""
    from ssl_bench.budget import fitted
    from ssl_bench.distributed import first, is_first
    from ssl_bench.parts import choose_parts
    from ssl_bench.plugins import discover
    from ssl_bench.pretrain.launch import launched
    from ssl_bench.pretrain.signals import leaving
    from ssl_bench.results.rundir import RunDirectory

    choose_parts(config, discover())  # what is wrong without a look at the data is told by one process alone
    with launched(config.pretrain) as fabric:
        directory = RunDirectory(fabric.broadcast(out or free_path(config)))

        def check_and_plan() -> Plan:
            if is_first():
                directory.check_free()
                directory.check(resume=resume)
            return fitted(checked_plan(config, cache, refuse=refuse))

        with leaving(directory.what_next):
            plan = first(check_and_plan)
            carry_out(plan, directory, resume=resume, allow_inexact=allow_inexact, fabric=fabric)


def checked_plan(config: RunConfig, cache: Path, *, refuse: bool) -> Plan:
    """The plan of a run; ``refuse`` that its encoder has seen test images."""
    from ssl_bench.plan import make_plan
    from ssl_bench.plugins import discover
    from ssl_bench.results.ledger import refuse_seen

    plan = make_plan(config, discover(), cache)
    if refuse:
        refuse_seen(plan)
    return plan


def free_path(config: RunConfig) -> Path:
    """A new folder under ``runs/``."""
    from ssl_bench.results.rundir import new_run_path

    names = "+".join((config.data.name, *(source.name for source in config.data.more)))
    return new_run_path(Path("runs"), f"{config.method.name}-{names}-seed{config.seed}")


def carry_out(
    plan: Plan,
    directory: RunDirectory,
    *,
    resume: bool = False,
    allow_inexact: bool = False,
    fabric: Fabric | None = None,
) -> None:
    """Execute a plan in its folder and show the table; of several processes the first one claims and shows."""
    from ssl_bench.distributed import is_first
    from ssl_bench.estimate import rehearse
    from ssl_bench.loggers import Loggers
    from ssl_bench.pipeline import execute
    from ssl_bench.plugins import tell_observers
    from ssl_bench.report.terminal import Quiet, Terminal

    rehearse(plan)
    if not is_first():
        execute(plan, directory, Quiet(), resume=resume, allow_inexact=allow_inexact, fabric=fabric)
        return
    with directory.claimed(resume=resume):
        terminal = Terminal(directory)
        terminal.loggers = Loggers(plan.parts.loggers, directory, terminal.warn)
        with terminal:
            record = execute(plan, directory, terminal, resume=resume, allow_inexact=allow_inexact, fabric=fabric)
        terminal.show(record)
        for failure in tell_observers(record, directory.path):
            terminal.warn(failure)
        leave_report(directory, terminal)


def leave_report(directory: RunDirectory, terminal: Terminal) -> None:
    """Write the report; the run is finished and on record before it, so no fault here may end it as a failure."""
    try:
        from ssl_bench.report.report import write_report

        terminal.stage("writing the report")
        written = write_report(directory)
        terminal.stage(f"report: {written.files[0]}")
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        terminal.warn(f"no report ({reason}); the run is whole, try: sslbench report {directory.path}")
