"""``sslbench compare RUN_A RUN_B ...``: paired differences between the encoders of finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.options import AsJson, FurtherMetrics, MinPatients, SeedSD
from ssl_bench.pretrain.signals import leaving

SAYING = (
    "a difference speaks of these two encoders, not of their methods: runs of one method that differ in the seed alone "
    "often differ as much"
)


@leaving(lambda: "nothing finished is lost; start it again")
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories; the others are compared with the first.")],
    replicates: Annotated[int, typer.Option(min=100, help="Resamples of patients.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    fewest: MinPatients = 5,
    metrics: FurtherMetrics = "",
    seed_sd: SeedSD = 0.0117,
    seeds: Annotated[int, typer.Option(min=5, help="Paired seeds of the methods, for what they would find.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Compare encoders on the same test images and the same resamples of patients."""
    from ssl_bench.compare.runs import compare_all, run_scores
    from ssl_bench.errors import UsageError
    from ssl_bench.plugin.registry import discover
    from ssl_bench.stats.measures import usual

    if len(runs) < 2:
        raise UsageError(f"compare needs at least two run directories, found {len(runs)}")
    asked = usual(discover(), metrics)
    scores = [run_scores(path, validated=bool(asked)) for path in runs]
    from ssl_bench.stats.power import of_pair

    result = compare_all(scores, replicates, seed, fewest, asked)
    macro = (row for one in result["comparisons"] for row in one["rows"]
             if (row["label"], row["metric"]) == ("macro", "auroc") and not row["untested"])  # fmt: skip
    result["notes"] += list(filter(None, (of_pair(row, seed_sd, seeds) for row in [*macro][:1])))
    if as_json:
        print(json.dumps({"note": SAYING, **result}, indent=2))
        return
    from ssl_bench.report.table import print_comparison

    for comparison in result["comparisons"]:
        print_comparison(comparison, replicates)
    for note in (*result["notes"], SAYING):
        print(f"note: {note}")
