"""``sslbench score PREDICTIONS``: the suite's numbers for anybody's predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssl_bench.cli.options import AsJson
from ssl_bench.pretrain.signals import leaving

if TYPE_CHECKING:
    from ssl_bench.stats.measures import Gauge
    from ssl_bench.stats.predictions import PredictionTable


@leaving(lambda: "nothing finished is lost; start it again")
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
        str | None, typer.Option("--metric", help="Metrics beside AUROC and AUPRC, comma-separated. [the usual ones]")
    ] = None,
    aggregate: Annotated[str | None, typer.Option(help="Score studies by the max or mean of their images.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to keep predictions and record in, for compare, tables, leaderboard.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in tables. [the file's]")] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Resamples of patients.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print metrics with patient-level intervals for the predictions of any model, and keep them beside runs."""
    from ssl_bench.errors import UsageError, unknown
    from ssl_bench.plugin.registry import discover
    from ssl_bench.results.rows import table_rows
    from ssl_bench.results.rundir import RunDirectory
    from ssl_bench.results.scored import Scores
    from ssl_bench.stats.measures import usual
    from ssl_bench.stats.predictions import in_unit_of, read_predictions

    if aggregate not in (None, "none", "max", "mean"):
        raise UsageError(unknown("aggregate", str(aggregate), ("none", "max", "mean")))
    aggregate = None if aggregate == "none" else aggregate
    if name and not out:
        raise UsageError("--name is of the folder that --out keeps; add --out FOLDER")
    asked = usual(discover(), metrics)
    given = read_predictions(predictions, named=bool(aggregate))
    if validation:
        given = replace(given, validation=read_predictions(validation, named=bool(aggregate)))
    table = in_unit_of(given, {"aggregate": aggregate or "none"}, predictions)
    directory = RunDirectory(out) if out else None
    with directory.claimed() if directory else nullcontext():
        unit = {"unit": table.unit, "aggregate": table.aggregate}
        rows = [{**unit, **row} for row in table_rows(table, replicates, seed, asked)]
        notes = [*notes_on(table), *not_measured(table, asked)]
        if directory:
            called = name or predictions.stem
            Scores(predictions, called, given, rows, seed, replicates, notes, table.aggregate).write(directory)
    if as_json:
        print(json.dumps({"predictions": str(predictions), "notes": notes, "metrics": rows}, indent=2))
        return
    from ssl_bench.report.table import print_scores

    counted = f"{len(table.ids)} {'studies' if aggregate else 'rows'} of {len(set(table.patients))} patients"
    print_scores(f"{predictions.name}: {counted}", rows, notes)
    if out:
        print(f"predictions and record.json are in {out}")


def notes_on(table: PredictionTable) -> list[str]:
    """What a reader must know about the scores."""
    if not table.outside:
        decided = [label for label, column in zip(table.labels, table.scores.T, strict=True)
                   if len(set(column[column == column].tolist())) == 2]  # fmt: skip
        told = f"{', '.join(decided)}: two different scores alone, so these look like decisions and no scores"
        return [told] if decided else []
    scores = table.scores[table.scores == table.scores]
    percent = scores.min() >= 0 and scores.max() <= 100
    hint = "; they look like percent, divide by 100" if percent else "; for log-odds give 1 / (1 + exp(-score))"
    return [
        f"{table.outside} scores lie outside [0, 1]: they are ranked as they are and are no probabilities, so nothing "
        f"of calibration is measured{hint} to have it"
    ]


def not_measured(table: PredictionTable, asked: Sequence[Gauge]) -> list[str]:
    """Which metrics need validation images that were not given."""
    if table.validation is not None:
        return []
    names = [gauge.name for gauge in asked if gauge.component.threshold]
    told = f"{', '.join(names)}: not measured; a threshold is chosen on validation images, give them by --validation"
    return [told] if names else []
