"""``sslbench score PREDICTIONS``: the suite's numbers for anybody's predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssl_bench.pretrain.signals import leaving

if TYPE_CHECKING:
    from ssl_bench.evaluate.predictions import PredictionTable


@leaving(lambda: "nothing finished is lost; start it again")
def score(
    predictions: Annotated[
        Path, typer.Argument(help="CSV or Parquet with image_id, patient_id, y_<label> (blank: unknown), p_<label>.")
    ],
    aggregate: Annotated[str | None, typer.Option(help="Score studies by the max or mean of their images.")] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Resamples of patients.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Print AUROC and AUPRC with patient-level intervals for the predictions of any model."""
    from ssl_bench.errors import UsageError, unknown
    from ssl_bench.evaluate.predictions import read_predictions
    from ssl_bench.results.rows import table_rows

    if aggregate not in (None, "max", "mean"):
        raise UsageError(unknown("aggregate", str(aggregate), ("max", "mean")))
    table = read_predictions(predictions, aggregate)  # type: ignore[arg-type]
    rows = list(table_rows(table, replicates, seed))
    notes = notes_on(table)
    if as_json:
        print(json.dumps({"predictions": str(predictions), "notes": notes, "metrics": rows}, indent=2))
        return
    from ssl_bench.report.table import print_scores

    print_scores(f"{predictions.name}: {len(table.ids)} rows of {len(set(table.patients))} patients", rows, notes)


def notes_on(table: PredictionTable) -> list[str]:
    """What a reader must know about the scores."""
    if not table.outside:
        return []
    return [f"{table.outside} scores lie outside [0, 1]: they are ranked as they are and are no probabilities"]
