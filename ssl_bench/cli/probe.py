"""``sslbench probe EMBEDDINGS``: the suite's protocols on anybody's features."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.options import AsJson, Quiet, Replicates
from ssl_bench.pretrain.signals import shutdown_with
from ssl_bench.report.hush import progress


@shutdown_with(lambda: "nothing finished is lost; start it again")
def probe(
    embeddings: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet with image_id, patient_id, split, y_<label> (blank: unknown), e_0, e_1, ...; NPZ; or "
            "a run, or the folder of one encoder in its embeddings."
        ),
    ],
    protocols: Annotated[
        str,
        typer.Option(
            "--eval", help="Evaluators that need embeddings alone.", autocompletion=names_of("evaluator", several=True)
        ),
    ] = "linear,knn",
    called: Annotated[
        str | None, typer.Option("--name", help="Name of the data, as in the runs to stand beside. [the file's]")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Pretraining method of the encoder, whose seeds form an arm of tables.")
    ] = None,
    pretraining_seed: Annotated[int | None, typer.Option(min=0, help="Which seed of that group it is.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to keep predictions and record in, for compare.")] = None,
    replicates: Replicates = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of protocols and resamples.")] = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate the features of any model with the suite's protocols and print the same tables."""
    from ssl_bench.config.config import split_names
    from ssl_bench.evaluate.features import read_features
    from ssl_bench.evaluate.provided import Probe, choose_protocols, declaration, name_of, write_probe
    from ssl_bench.plugin.registry import discover
    from ssl_bench.results.rundir import RunDirectory
    from ssl_bench.stats.measures import usual

    began = time.monotonic()
    declared = declaration(group, pretraining_seed)
    registry = discover()
    chosen = choose_protocols(split_names(protocols), registry)
    tables = read_features(embeddings)
    name, told = name_of(embeddings)
    name = called or name
    directory = RunDirectory(out) if out else None
    with directory.claimed() if directory else nullcontext():
        measured = Probe(name, tables, chosen, seed, replicates, _device(), usual(registry, None))
        rows = measured.run(directory, progress)
        record = measured.record(embeddings, rows, began).but(**told)
        record = record.but(config=record.config | declared)
        if directory:
            write_probe(directory, record)
    if as_json:
        print(json.dumps(record.as_json(), indent=2))
        return
    from ssl_bench.report.probed import print_probe

    print_probe(record, out)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
