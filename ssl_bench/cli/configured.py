"""Flags that are keys of the configuration, each declared once for all commands that build runs or evaluate them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from ssl_bench.cli.complete import features, names_of, values_of, words
from ssl_bench.cli.options import Aggregate, OnMissing, OnUnlisted

Text = str | None
Texts = list[str] | None


@dataclass(frozen=True)
class ConfigFlag:
    """A flag of a command.

    Args:
        key: what it sets, dotted; empty: the command makes a value of it.
        type: of the parameter, with its help.
    """

    key: str
    type: Any


def flag(key: str, of: Any, help: str, *names: str, complete: Any = None) -> ConfigFlag:
    """A flag by its type and its help."""
    return ConfigFlag(key, Annotated[of, typer.Option(*names, help=help, autocompletion=complete or values_of(key))])


FLAGS = {
    "method": flag("method", Text, "Pretraining method; see sslbench plugins. [msn-ehr]", complete=names_of("method")),
    "features": flag("ehr.features", Text, "EHR features or groups, for example age,sex.", complete=features),
    "fusion": flag("fusion", Text, "How EHR features join the image features.", complete=names_of("fusion")),
    "ehr_control": flag("ehr.control", Text, "Instead of the real EHR: shuffled, constant or noise. [none]"),
    "ehr_dropout": flag("ehr.dropout", float | None, "Share of the EHR values that a training step withholds. [0]"),
    "ehr_from": flag("ehr.start", float | None, "Share of the pretraining from which on EHR is given. [0]"),
    "ehr_until": flag("ehr.until", float | None, "Share of the pretraining up to which EHR is given. [1]"),
    "ehr_at_eval": flag(
        "evaluate.ehr", bool | None, "Also probe EHR alone, and EHR beside the frozen features.", "--ehr-at-eval"
    ),
    "backbone": flag(
        "backbone.name", Text, "Encoder: vit-tiny, vit-small, ... or any timm model.", complete=names_of("backbone")
    ),
    "init": flag("backbone.init", Path | None, "Weights to start from: a file, or the folder of a run."),
    "init_prefix": flag(
        "backbone.init_prefix", Text, "Prefix of the encoder's keys in that file. [found among the usual ones]"
    ),
    "group": flag("group", Text, "Method of the weights that pretrained is given: its seeds form an arm."),
    "pretraining_seed": flag("pretraining_seed", int | None, "Which seed of that group the weights are."),
    "labels": flag("data.labels", Text, "Label space: native, nih14, chexpert14, common7.",
                   complete=words("native", "nih14", "chexpert14", "common7")),
    "recipe": flag("recipe", Text, "reference, or paper or released (MSN). [reference]",
                   complete=words("reference", "paper", "released")),
    "uncertain": flag("data.uncertain", Text, "An uncertain label: ignore, zeros or ones. [zeros]"),
    "blank": flag("data.blank", Text, "A blank label: ignore or zeros. [zeros]"),
    "on_unlisted": ConfigFlag("data.on_unlisted", OnUnlisted),
    "on_bad": flag("data.on_bad", Text, "Unreadable images: error, or quarantine. [error]"),
    "on_missing": ConfigFlag("data.on_missing", OnMissing),
    "epochs": flag("pretrain.epochs", int | None, "Passes over the training images."),
    "budget": flag("pretrain.budget", Text, "What is held equal: epochs, or flops. [epochs]"),
    "tflop": flag("pretrain.tflop", float | None, "Training operations in 10^12, for --budget flops."),
    "batch_size": flag("pretrain.batch_size", int | None, "Images in a step."),
    "accumulate": flag(
        "pretrain.accumulate", int | None,
        "Parts in which encoders get a batch, for memory; the loss sees it whole. [1]",
    ),
    "checkpoint_activations": flag(
        "pretrain.checkpoint_activations", bool | None, "Compute activations twice instead of keeping them.",
        "--checkpoint-activations",
    ),
    "lr": flag("pretrain.lr", float | None, "Peak learning rate."),
    "probe_every": flag(
        "pretrain.probe_every", float | None,
        "Epochs between looks of the online probe on validation images. [0: none]",
    ),
    "accelerator": flag("pretrain.accelerator", Text, "Device: auto, cpu or cuda. [auto]"),
    "devices": flag("pretrain.devices", int | None, "Processes on each machine that train together. [1]"),
    "nodes": flag("pretrain.nodes", int | None, "Machines that train together. [1]"),
    "seed": flag("seed", int | None, "Seed of everything random. [0]"),
    "protocols": flag(
        "evaluate.protocols", Text, "Evaluators, comma-separated; see plugins. [linear,knn]", "--eval",
        complete=names_of("evaluator", several=True),
    ),
    "aggregate": ConfigFlag("evaluate.aggregate", Aggregate),
    "label_fraction": flag(
        "evaluate.label_fractions", Text, "Shares of the training patients, for example 0.01,0.1,1.0."
    ),
    "draws": flag("evaluate.label_draws", int | None, "Random draws of each share below 1."),
}  # fmt: skip
"""By the name of the parameter."""


def takes(*order: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command flags of :data:`FLAGS`; it gets their values as ``flags``, by key of the configuration.

    Args:
        order: names of flags, among them parameters of the command itself, in the order of its help; its others follow.
    """

    def extended(command: Callable[..., Any]) -> Callable[..., Any]:
        own = dict(inspect.signature(command, eval_str=True).parameters)
        del own["flags"]
        shared = [name for name in order if name not in own]
        names = [*(name for name in own if name == "ctx"), *order]
        parameters = {
            name: own[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) if name in own else _parameter(name)
            for name in [*names, *own]
        }

        @wraps(command)
        def run(**values: Any) -> Any:
            flags = {FLAGS[name].key: _plain(values.pop(name)) for name in shared}
            return command(flags=flags, **values)

        run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        run.__annotations__ = {name: one.annotation for name, one in parameters.items()}
        return run

    return extended


def _parameter(name: str) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=FLAGS[name].type)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
