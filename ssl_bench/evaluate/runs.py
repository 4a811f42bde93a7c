"""Two runs compared on the same test images and the same resamples of patients. No torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bench.errors import DataError, UsageError, shortened
from ssl_bench.evaluate.compare import adjusted_p, delong
from ssl_bench.evaluate.predictions import PredictionTable, read_predictions
from ssl_bench.results.rows import MACRO, table_differences
from ssl_bench.results.rundir import RunDirectory, options_in, place_name, prediction_file

ENCODERS = ("trained", "given")
"""Whose predictions stand for a run: ``given`` is what ``sslbench probe`` evaluated. All others are baselines."""

RANDOM = "random"
"""The encoder that was never trained, which every run is measured beside."""


@dataclass(frozen=True)
class RunScores:
    """Predictions of a run's encoder on its test split, and on those of other datasets, by protocol."""

    run: Path
    encoder: str
    record: dict[str, Any]
    tables: dict[str, PredictionTable]


def run_scores(path: Path) -> RunScores:
    """The kept test predictions of a finished run: of its trained encoder, or of the baseline that it is.

    Raises:
        UsageError: there is no finished run.
        DataError: predictions that the record names are gone, or others.
    """
    directory = RunDirectory(path)
    record = directory.read_record()
    rows = [row for row in record["metrics"] if row["split"] == "test" and row["label"] == MACRO]
    encoder = standing(record, [row["encoder"] for row in rows])
    tables, home = {}, record["data"]["name"] if "data" in record else rows[0]["dataset"] if rows else ""
    for row in rows:
        whole = row["fraction"] == 1.0 and row["subgroup"] == "all" and row["metric"] == "auroc"
        if row["encoder"] == encoder and whole:
            tables[place_name(row, home)] = read_predictions(
                directory.checked(directory.predictions(encoder, *prediction_file(row)), record)
            )
    return RunScores(path, encoder, record, tables)


def standing(record: Mapping[str, Any], measured: Collection[str]) -> str:
    """The encoder that stands for a run among those measured: the trained one, or the baseline that the run is."""
    own = (*ENCODERS, str(record.get("method", RANDOM)))
    return next((name for name in own if name in measured), RANDOM)


def compare_runs(base: RunScores, other: RunScores, replicates: int, seed: int) -> Iterator[dict[str, Any]]:
    """Other minus base, for every protocol that both have.

    Raises:
        UsageError: they share no protocol.
        DataError: their test images differ, or they share no finding.
    """
    shared = [protocol for protocol in base.tables if protocol in other.tables]
    if not shared:
        raise UsageError(
            f"{base.run} and {other.run} share no protocol: {', '.join(base.tables)} against {', '.join(other.tables)}"
        )
    for protocol in shared:
        first, second = aligned(other.tables[protocol], base.tables[protocol], other.run, base.run)
        for row in table_differences(first, second, replicates, seed):
            yield {"protocol": protocol, **row, "delong_p": _delong(first, second, row)}


def other_findings(base: RunScores, other: RunScores) -> list[str]:
    """What a reader must know where two runs have other findings: which are compared, and which only one has."""
    notes = []
    for protocol in (name for name in base.tables if name in other.tables):
        pair = base.tables[protocol].labels, other.tables[protocol].labels
        common = [label for label in pair[0] if label in pair[1]]
        alone = [[label for label in labels if label not in common] for labels in pair]
        if any(alone):
            told = [f"{shortened(labels)} only in {run.run}" for labels, run in zip(alone, (base, other), strict=True)
                    if labels]  # fmt: skip
            notes.append(f"{protocol}: macro and findings over the {len(common)} that both have; {', '.join(told)}")
    return notes


def other_options(base: RunScores, other: RunScores) -> list[str]:
    """What a reader must know where two runs were measured by one protocol with different options."""
    notes = []
    both = [name.split(",")[0] for name in base.tables if name in other.tables]
    for protocol in dict.fromkeys(both):
        told = [options_in(run.record, "evaluator").get(protocol, {}) for run in (base, other)]
        keys = [key for key in told[0] if told[1].get(key, told[0][key]) != told[0][key]]
        for key in keys:
            first, second = (f"{options[key]} in {run.run}" for options, run in zip(told, (base, other), strict=True))
            notes.append(f"{protocol}: measured with different options, {key} is {first} and {second}")
    return notes


def adjust(comparisons: Iterable[list[dict[str, Any]]]) -> None:
    """Add ``p_holm`` to the macro AUROC rows: Holm over all comparisons that were asked for together."""
    macro = [row for rows in comparisons for row in rows if row["label"] == MACRO and row["metric"] == "auroc"]
    for row, p in zip(macro, adjusted_p([row["p"] for row in macro]), strict=True):
        row["p_holm"] = p


def aligned(
    first: PredictionTable, second: PredictionTable, run_a: Path, run_b: Path
) -> tuple[PredictionTable, PredictionTable]:
    """Both tables with the common labels, their rows in the same order.

    Raises:
        DataError: the images, patients or labels of the two differ.
    """
    only_a, only_b = (sorted(set(x.ids) - set(y.ids)) for x, y in ((first, second), (second, first)))
    if only_a or only_b:
        raise DataError(
            f"runs can be compared on the same test images only; {len(only_a)} are in {run_a} alone "
            f"({shortened(only_a, 3) or 'none'}), {len(only_b)} in {run_b} alone ({shortened(only_b, 3) or 'none'})"
        )
    common = tuple(label for label in first.labels if label in second.labels)
    if not common:
        raise DataError(
            f"{run_a} and {run_b} share no finding: {shortened(first.labels)} against {shortened(second.labels)}"
        )
    ordered = [_sorted(table.select(common)) for table in (first, second)]
    if not np.array_equal(ordered[0].patients, ordered[1].patients):
        raise DataError(f"{run_a} and {run_b} disagree on whose their test images are; use one patient table for both")
    if not np.array_equal(ordered[0].truth, ordered[1].truth, equal_nan=True):
        raise DataError(f"{run_a} and {run_b} disagree on labels of their test images; use one label policy for both")
    return ordered[0], ordered[1]


def _sorted(table: PredictionTable) -> PredictionTable:
    order = np.argsort(table.ids)
    return PredictionTable(
        table.labels, table.ids[order], table.patients[order], table.truth[order], table.scores[order]
    )


def _delong(first: PredictionTable, second: PredictionTable, row: dict[str, Any]) -> float | None:
    """DeLong's p where it holds: AUROC of one finding, one image a patient, two images of each class."""
    if row["metric"] != "auroc" or row["label"] == MACRO or len(set(first.patients)) < len(first.patients):
        return None
    column = first.labels.index(row["label"])
    truth = first.truth[:, column]
    if min((truth == 1).sum(), (truth == 0).sum()) < 2:
        return None
    return delong(truth, first.scores[:, column], second.scores[:, column]).p
