"""``ssl_bench.run``: what ``sslbench run`` does, as a function that gives the finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_bench.api.runs import Run
from ssl_bench.errors import UsageError


def run(
    method: str | None = None,
    *,
    data: str | Path | Sequence[str] | None = None,
    root: Path | str | None = None,
    features: str | Sequence[str] | None = None,
    fusion: str | None = None,
    backbone: str | None = None,
    encoder: str | None = None,
    protocols: str | Sequence[str] | None = None,
    preset: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    checkpoint_activations: bool | None = None,
    residency: str | None = None,
    accelerator: str | None = None,
    lr: float | None = None,
    seed: int | None = None,
    config: Path | str | None = None,
    settings: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    cache: Path | str | None = None,
    report: bool = True,
    quiet: bool = False,
) -> Run:
    """Pretrain a method on a dataset, evaluate its frozen encoder, and give the run.

    Args:
        method: name of the method; None: ``msn-ehr``, or ``pretrained`` where an encoder is given.
        data: dataset, ``NAME`` or ``NAME=ROOT``, or several; None: the synthetic cohort.
        root: folder of the dataset's download.
        features: EHR features or groups, for example ``("age", "sex")``.
        fusion: how EHR features join the image features.
        backbone: ``vit-tiny``, ``vit-small``, ... or any timm model.
        encoder: weights of others, ``NAME=PATH``.
        protocols: evaluators, for example ``("linear", "knn")``.
        preset: ``smoke`` (seconds), ``demo`` or ``paper``; None: ``demo``.
        epochs: passes over the training images.
        batch_size: images in a step.
        accumulate: parts in which encoders get a batch, for memory; the loss sees it whole.
        checkpoint_activations: compute activations twice instead of keeping them.
        residency: where prepared images lie while it trains: ``auto``, ``device``, ``ram``, ``disk`` or ``sharded``.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
        lr: peak learning rate.
        seed: of everything random.
        config: a YAML or TOML file with any keys.
        settings: any further keys of the configuration with their values, for example ``{"method.prototypes": 512}``.
        out: the run's folder; None: a new one under ``runs/``.
        cache: folder of prepared images; None: ``$SSLBENCH_CACHE``, else ``~/.cache/sslbench``.
        report: write ``report.md``, ``report.html`` and their pictures, too.
        quiet: without progress.

    Raises:
        HandledError: names, options or data are wrong, or training stopped itself; the message is one sentence.
    """
    from ssl_bench.api.settings import cache_folder, merge_flags
    from ssl_bench.api.start import start
    from ssl_bench.config.config import load
    from ssl_bench.config.recipes import finder
    from ssl_bench.config.roots import data_flags, encoder_file
    from ssl_bench.plugin.names import PRETRAINED
    from ssl_bench.plugin.registry import discover
    from ssl_bench.report.hush import hush, hushed

    if settings is not None and not isinstance(settings, Mapping):
        raise UsageError(f"settings: keys of the configuration with their values are expected, found {settings!r}; "
                         "for example {'method.prototypes': 512}")  # fmt: skip
    given = [str(data)] if isinstance(data, str | Path) else data
    flags = {
        "method": _listed(method) or (PRETRAINED if encoder and not config else None),
        **data_flags(given, str(root) if root else None),
        "ehr.features": _listed(features), "fusion": fusion, "backbone.name": backbone,
        "backbone.encoder": encoder_file(encoder), "evaluate.protocols": _listed(protocols),
        "pretrain.epochs": epochs, "pretrain.batch_size": batch_size, "pretrain.lr": lr, "seed": seed,
        "pretrain.accumulate": accumulate, "pretrain.checkpoint_activations": checkpoint_activations,
        "data.residency": residency, "pretrain.accelerator": accelerator,
        **(settings or {}),
    }  # fmt: skip
    chosen = load(merge_flags(flags, []), name=preset, file=Path(config) if config else None,
                  recipe=finder(discover()))  # fmt: skip
    before = hushed()
    hush(quiet)
    try:
        place = Path(out) if out else None
        return Run(start(chosen, cache_folder(Path(cache) if cache else None), place, report=report))
    finally:
        hush(before)


def _listed(names: str | Sequence[str] | None) -> str | None:
    return ",".join(names) if isinstance(names, list | tuple) else str(names) if names is not None else None
