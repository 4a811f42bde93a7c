"""Two runs compared on the same test images and the same resamples of patients. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bench.errors import DataError, UsageError, shortened
from ssl_bench.results.rows import CONSTANT, GUESSES, MACRO, table_differences
from ssl_bench.results.rundir import RunDirectory, options_in, place_name, prediction_file
from ssl_bench.results.scored import SCORED, same_names
from ssl_bench.results.standing import standing
from ssl_bench.stats.family import BLIND, SAME, Test, adjust, described, mark
from ssl_bench.stats.intervals import FEWEST, NAMES, Difference
from ssl_bench.stats.measures import Gauge
from ssl_bench.stats.predictions import IMAGES, PredictionTable, in_unit_of, read_predictions
from ssl_bench.stats.significance import delong

PIXELS = "pixels"
"""The thumbnails: what training has to clear. No seed changes them."""


@dataclass(frozen=True)
class RunScores:
    """Predictions of a run's encoder on its test split, and on those of other datasets, by protocol."""

    run: Path
    encoder: str
    record: dict[str, Any]
    tables: dict[str, PredictionTable]

    @property
    def identity(self) -> str:
        """Hash of its weights, or of its features; empty where the record has none."""
        return str(self.record.get("encoders", {}).get(self.encoder, {}).get("sha256", ""))

    def guesses(self, protocol: str) -> bool:
        """Whether the encoder's features are constant, so that numbers by a protocol are those of guessing."""
        return any(row.get("note") == CONSTANT for row in self.record["metrics"]
                   if (row["encoder"], row["protocol"]) == (self.encoder, protocol.split(",")[0]))  # fmt: skip


def run_scores(path: Path, *, validated: bool = False) -> RunScores:
    """The kept test predictions of a finished run: of its trained encoder, or of the baseline that it is.

    Args:
        path: of its folder.
        validated: with predictions of the validation images, on which thresholds are chosen.

    Raises:
        UsageError: there is no finished run.
        DataError: predictions that the record names are gone, or others.
    """
    directory = RunDirectory(path)
    record = directory.read_record()
    rows = [row for row in record["metrics"] if row["split"] == "test" and row["label"] == MACRO]
    encoder = standing(record, [row["encoder"] for row in rows])
    tables, internal = {}, record["data"]["name"] if "data" in record else rows[0]["dataset"] if rows else ""
    for row in rows:
        whole = row["fraction"] == 1.0 and row["subgroup"] == "all" and row["metric"] == "auroc"
        if row["encoder"] == encoder and whole:
            kept = directory.checked(directory.predictions(encoder, *prediction_file(row)), record)
            table = in_unit_of(read_predictions(kept, own=True), row, kept)
            chosen = validation_of(directory, row, record, table.labels) if validated else None
            tables[place_name(row, internal)] = replace(table, validation=chosen)
    return RunScores(path, encoder, record, tables)


def validation_of(
    directory: RunDirectory, row: Mapping[str, Any], record: Mapping[str, Any], labels: tuple[str, ...]
) -> PredictionTable | None:
    """The predictions of the validation images by the protocol behind a row; None where none of these findings is."""
    internal = {**row.get("kept_as", row), "split": "validate"}
    path = directory.predictions(row["encoder"], *prediction_file({**internal, "dataset": internal["fitted_on"]}))
    if not path.is_file():
        return None
    table = in_unit_of(read_predictions(directory.checked(path, record), own=True), row, path)
    return table.select(labels) if set(labels) <= set(table.labels) else None


def compare_runs(
    base: RunScores,
    other: RunScores,
    replicates: int,
    seed: int,
    fewest: int = FEWEST,
    metrics: Sequence[Gauge] = (),
) -> Iterator[dict[str, Any]]:
    """Other minus base, for every protocol that both have; ``untested`` says why a protocol has no p.

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
        reason = untestable(base, other, protocol)
        for row in table_differences(first, second, replicates, seed, fewest, metrics):
            p = {"p": None, "delong_p": None} if reason else {"delong_p": _delong(first, second, row)}
            ends = [key for key in row if key.endswith(("_low", "_high"))] if reason.endswith(GUESSES) else []
            yield {"protocol": protocol, **row, **dict.fromkeys(ends), **p, "untested": reason}


def untestable(base: RunScores, other: RunScores, protocol: str) -> str:
    """Why nothing can differ between two runs by a protocol; empty where it can."""
    if any(protocol.split(",")[0] in run.record.get("without_encoder", ()) for run in (base, other)):
        return BLIND
    guess = next((run.run.name for run in (base, other) if run.guesses(protocol)), "")
    if guess:
        return f"{guess} {GUESSES}"
    return SAME if same_scores(base, other, protocol) else ""


def same_scores(base: RunScores, other: RunScores, protocol: str) -> bool:
    """Whether two runs hold one encoder: by its hash, or by predictions that are the same to the last digit."""
    if base.identity and base.identity == other.identity:
        return True
    if protocol not in base.tables or protocol not in other.tables:
        return False
    one, two = _sorted(base.tables[protocol]), _sorted(other.tables[protocol])
    same_rows = one.labels == two.labels and np.array_equal(one.ids, two.ids)
    return same_rows and np.array_equal(one.scores, two.scores, equal_nan=True)


def compare_all(
    runs: Sequence[RunScores], replicates: int, seed: int, fewest: int = FEWEST, metrics: Sequence[Gauge] = ()
) -> dict[str, Any]:
    """Every run minus the first: ``comparisons`` with adjusted p, and ``notes`` on what was tested together.

    Raises:
        UsageError, DataError: as :func:`compare_runs`.
    """
    tables = same_names([(SCORED in run.record, run.tables) for run in runs])
    base, *others = [replace(run, tables=own) for run, own in zip(runs, tables, strict=True)]
    found = []
    for number, other in enumerate(others):
        rows = list(compare_runs(base, other, replicates, seed, fewest, metrics))
        for row in rows:
            twin = next((one for one in others[:number] if same_scores(one, other, row["protocol"])), None)
            if twin is not None and not row["untested"]:
                row.update(p=None, delong_p=None, untested=f"{SAME} as {twin.run}, which is tested above")
        notes = [*other_findings(base, other), *other_options(base, other)]
        notes += [f"{row['protocol']}: not tested: {row['untested']}" for row in rows if row["untested"]]
        found.append(
            {"run": str(other.run), "against": str(base.run), "notes": list(dict.fromkeys(notes)), "rows": rows}
        )
    return {"comparisons": found, "notes": adjust_all(found, str(base.run))}


def adjust_all(found: Sequence[dict[str, Any]], reference: str) -> list[str]:
    """Add ``p_holm`` and ``mark`` to the rows, and say which tests were made together.

    Macro means and single findings are families of their own, for each metric.
    """
    told: list[str] = []
    pairs = [(one["run"], row) for one in found for row in one["rows"]]
    for metric in dict.fromkeys(row["metric"] for _, row in pairs):
        for of_macro in (True, False):
            family = [(run, row) for run, row in pairs if (row["metric"], row["label"] == MACRO) == (metric, of_macro)]
            tests = [_test(run, row) for run, row in family]
            for (_, row), test, p in zip(family, tests, adjust(tests), strict=True):
                row["p_holm"], row["mark"] = p, mark(test, p)
            if metric == NAMES[0] and of_macro:
                told += described(reference, tests)
            elif metric == NAMES[0] and (made := sum(test.made for test in tests)):
                told.append(f"p of {made} single findings is adjusted in a family of their own")
    return told


def _test(run: str, row: Mapping[str, Any]) -> Test:
    called = f"{run} by {row['protocol']}"
    return Test(Difference(row["value"], p=row["p"]), "encoders", called=called, metric=row["metric"])


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


def aligned(
    first: PredictionTable, second: PredictionTable, run_a: Path, run_b: Path
) -> tuple[PredictionTable, PredictionTable]:
    """Both tables with the common labels, their rows in the same order.

    Raises:
        DataError: the images, patients or labels of the two differ.
    """
    pair = _sorted(first), _sorted(second)
    common = check_alike(*pair, run_a, run_b)
    return pair[0].select(common), pair[1].select(common)


def check_alike(first: PredictionTable, second: PredictionTable, run_a: Path, run_b: Path) -> tuple[str, ...]:
    """The labels that two tables share, which are in the order of their ids and of the same images.

    Raises:
        DataError: the images, patients or labels of the two differ.
    """
    if first.aggregate != second.aggregate:
        told = (f"{run} is scored by {'image' if table.aggregate == IMAGES else f'study ({table.aggregate})'}"
                for run, table in ((run_a, first), (run_b, second)))  # fmt: skip
        raise DataError(f"{' and '.join(told)}; evaluate one of them again with the --aggregate of the other")
    if not np.array_equal(first.ids, second.ids):
        only_a, only_b = (sorted(set(x.ids) - set(y.ids)) for x, y in ((first, second), (second, first)))
        raise DataError(
            f"runs can be compared on the same test images only; {len(only_a)} are in {run_a} alone "
            f"({shortened(only_a, 3) or 'none'}), {len(only_b)} in {run_b} alone ({shortened(only_b, 3) or 'none'})"
        )
    common = tuple(label for label in first.labels if label in second.labels)
    if not common:
        raise DataError(
            f"{run_a} and {run_b} share no finding: {shortened(first.labels)} against {shortened(second.labels)}"
        )
    if not np.array_equal(first.patients, second.patients):
        raise DataError(f"{run_a} and {run_b} disagree on whose their test images are; use one patient table for both")
    if not np.array_equal(first.select(common).truth, second.select(common).truth, equal_nan=True):
        raise DataError(f"{run_a} and {run_b} disagree on labels of their test images; use one label policy for both")
    return common


def _sorted(table: PredictionTable) -> PredictionTable:
    return table.rows(np.argsort(table.ids))


def _delong(first: PredictionTable, second: PredictionTable, row: dict[str, Any]) -> float | None:
    """DeLong's p where it holds: AUROC of one finding, one image a patient, two images of each class."""
    if row["metric"] != "auroc" or row["label"] == MACRO or len(set(first.patients)) < len(first.patients):
        return None
    column = first.labels.index(row["label"])
    truth = first.truth[:, column]
    if min((truth == 1).sum(), (truth == 0).sum()) < 2:
        return None
    return delong(truth, first.scores[:, column], second.scores[:, column]).p
