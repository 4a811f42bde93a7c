"""``sslbench compare RUN_A RUN_B ...``: paired differences between the encoders of finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

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
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Compare encoders on the same test images and the same resamples of patients."""
    from ssl_bench.errors import UsageError
    from ssl_bench.evaluate.runs import adjust, compare_runs, other_findings, other_options, run_scores

    if len(runs) < 2:
        raise UsageError(f"compare needs at least two run directories, found {len(runs)}")
    base, *others = [run_scores(path) for path in runs]
    found: list[dict[str, Any]] = [
        {
            "run": str(other.run),
            "against": str(base.run),
            "notes": [*other_findings(base, other), *other_options(base, other)],
            "rows": list(compare_runs(base, other, replicates, seed)),
        }
        for other in others
    ]
    adjust([comparison["rows"] for comparison in found])
    if as_json:
        print(json.dumps({"note": SAYING, "comparisons": found}, indent=2))
        return
    from ssl_bench.report.table import print_comparison

    for comparison in found:
        print_comparison(comparison, replicates)
    print(f"note: {SAYING}")
