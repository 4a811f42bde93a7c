"""``sslbench compare RUN_A RUN_B ...``: paired differences between the encoders of finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.options import AsJson, FurtherMetrics, MinPatients, Replicates, SeedSD
from ssl_bench.pretrain.signals import shutdown_with


@shutdown_with(lambda: "nothing finished is lost; start it again")
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories; the others are compared with the first.")],
    replicates: Replicates = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    fewest: MinPatients = 5,
    metrics: FurtherMetrics = "",
    seed_sd: SeedSD = 0.0117,
    seeds: Annotated[int, typer.Option(min=5, help="Paired seeds of the methods, for the power calculation.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Compare encoders on the same test images and the same resamples of patients."""
    from ssl_bench.api.comparing import compare as compared

    found = compared(
        runs, metrics=metrics, replicates=replicates, seed=seed, min_patients=fewest, seed_sd=seed_sd, seeds=seeds
    )
    if as_json:
        print(json.dumps(found.values, indent=2))
        return
    from ssl_bench.api.comparing import SAYING
    from ssl_bench.report.run_tables import print_comparison

    for comparison in found.pairs:
        print_comparison(comparison, replicates)
    for note in (*found.together, SAYING):
        print(f"note: {note}")
