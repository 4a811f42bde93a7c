"""``sslbench score PREDICTIONS``: the suite's numbers for anybody's predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.options import AsJson, Replicates
from ssl_bench.pretrain.signals import shutdown_with


@shutdown_with(lambda: "nothing finished is lost; start it again")
def score(
    predictions: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV, Excel, Parquet, Feather or NPZ with image_id, patient_id, y_<label> (blank: unknown), "
            "p_<label>."
        ),
    ],
    validation: Annotated[
        Path | None, typer.Option(help="The same of validation images, on which thresholds are chosen.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="Metrics beside AUROC and AUPRC, comma-separated. [the usual ones]",
            autocompletion=names_of("metric", several=True),
        ),
    ] = None,
    aggregate: Annotated[str | None, typer.Option(help="Score studies by the max or mean of their images.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to keep predictions and record in, for compare, tables, leaderboard.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in tables. [the file's]")] = None,
    replicates: Replicates = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print metrics with patient-level intervals for the predictions of any model, and keep them beside runs."""
    from ssl_bench.api.scoring import score as scored
    from ssl_bench.errors import UsageError

    if name and not out:
        raise UsageError("--name is of the folder that --out keeps; add --out FOLDER")
    found = scored(
        predictions, validation=validation, metrics=metrics, aggregate=aggregate, out=out, name=name,
        replicates=replicates, seed=seed,
    )  # fmt: skip
    if as_json:
        print(json.dumps({"predictions": str(predictions), "notes": found.notes, "metrics": found.rows}, indent=2))
        return
    from ssl_bench.report.run_tables import print_scores

    print_scores(f"{predictions.name}: {found.counted}", found.measured, found.notes)
    if out:
        print(f"predictions and record.json are in {out}")
