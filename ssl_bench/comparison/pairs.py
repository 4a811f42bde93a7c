"""Two runs compared on the same test images and the same resamples of patients. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bench.errors import DataError, UsageError, shortened
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, Comparison, Estimate, MetricRow, Number, Part
from ssl_bench.results.rows import CONSTANT, GUESSES, table_differences
from ssl_bench.results.rundir import RunDirectory, place_name, prediction_file
from ssl_bench.results.scored import same_names
from ssl_bench.results.standing import standing
from ssl_bench.stats.family import BLIND, SAME, Test, adjust, described, mark
from ssl_bench.stats.intervals import FEWEST, NAMES, Difference
from ssl_bench.stats.measures import Gauge
from ssl_bench.stats.predictions import IMAGES, PredictionTable, in_unit_of, read_predictions
from ssl_bench.stats.significance import delong


class DifferenceName(Part):
    """What a difference of two runs is of."""

    protocol: str
    metric: str
    label: str


class RunDifference(Estimate, DifferenceName):
    """A number of one run minus that of another by one protocol; ``untested`` says why it has no p."""

    p: Number | None = None
    delong_p: Number | None = None
    untested: str = ""
    p_holm: Number | None = None
    mark: str = ""


@dataclass(frozen=True)
class RunPair:
    """All differences of a run to another."""

    run: str
    against: str
    notes: tuple[str, ...]
    rows: tuple[RunDifference, ...]

    def as_json(self) -> dict[str, Any]:
        """As ``sslbench compare --json`` prints it."""
        rows = [row.as_json() for row in self.rows]
        return {"run": self.run, "against": self.against, "notes": list(self.notes), "rows": rows}


@dataclass(frozen=True)
class Compared:
    """Runs compared with the first of them, and what was tested together."""

    pairs: tuple[RunPair, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RunScores:
    """Predictions of a run's encoder on its test split, and on those of other datasets, by protocol."""

    run: Path
    encoder: str
    record: Record
    tables: dict[str, PredictionTable]

    @property
    def identity(self) -> str:
        """Hash of its weights, or of its features; empty where the record has none."""
        return self.record.identity_of(self.encoder)

    def guesses(self, protocol: str) -> bool:
        """Whether the encoder's features are constant, so that numbers by a protocol are those of guessing."""
        return any(row.note == CONSTANT for row in self.record.metrics
                   if (row.encoder, row.protocol) == (self.encoder, protocol.split(",")[0]))  # fmt: skip


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
    rows = [row for row in record.metrics if row.split == "test" and row.label == MACRO]
    encoder = standing(record, [row.encoder for row in rows])
    tables, internal = {}, record.data.name or (rows[0].dataset if rows else "")
    for row in rows:
        whole = row.fraction == 1.0 and row.subgroup == "all" and row.metric == "auroc"
        if row.encoder == encoder and whole:
            kept = directory.checked(directory.predictions(encoder, *prediction_file(row.kept)), record)
            table = in_unit_of(read_predictions(kept, own=True), row.aggregate, kept)
            chosen = validation_of(directory, row, record, table.labels) if validated else None
            tables[place_name(row, internal)] = replace(table, validation=chosen)
    return RunScores(path, encoder, record, tables)


def validation_of(
    directory: RunDirectory, row: MetricRow, record: Record, labels: tuple[str, ...]
) -> PredictionTable | None:
    """The predictions of the validation images by the protocol behind a row; None where none of these findings is."""
    internal = row.kept.but(split="validate", dataset=row.kept.fitted_on)
    path = directory.predictions(row.encoder, *prediction_file(internal))
    if not path.is_file():
        return None
    table = in_unit_of(read_predictions(directory.checked(path, record), own=True), row.aggregate, path)
    return table.select(labels) if set(labels) <= set(table.labels) else None


def compare_runs(
    base: RunScores,
    other: RunScores,
    replicates: int,
    seed: int,
    fewest: int = FEWEST,
    metrics: Sequence[Gauge] = (),
) -> Iterator[RunDifference]:
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
            ends = ("ci_low", "ci_high", "percentile_low", "percentile_high") if reason.endswith(GUESSES) else ()
            told = row.but(**dict.fromkeys(ends), **p)
            yield RunDifference(protocol=protocol, **told.as_json(), untested=reason)


def untestable(base: RunScores, other: RunScores, protocol: str) -> str:
    """Why nothing can differ between two runs by a protocol; empty where it can."""
    if any(protocol.split(",")[0] in run.record.without_encoder for run in (base, other)):
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
) -> Compared:
    """Every run minus the first, with adjusted p.

    Raises:
        UsageError, DataError: as :func:`compare_runs`.
    """
    tables = same_names([(run.record.scored, run.tables) for run in runs])
    base, *others = [replace(run, tables=own) for run, own in zip(runs, tables, strict=True)]
    found = []
    for number, other in enumerate(others):
        rows = []
        for row in compare_runs(base, other, replicates, seed, fewest, metrics):
            twin = next((one for one in others[:number] if same_scores(one, other, row.protocol)), None)
            told = f"{SAME} as {twin.run}, which is tested above" if twin else ""
            rows.append(row.but(p=None, delong_p=None, untested=told) if told and not row.untested else row)
        notes = [*other_findings(base, other), *other_options(base, other)]
        notes += [f"{row.protocol}: not tested: {row.untested}" for row in rows if row.untested]
        found.append(RunPair(str(other.run), str(base.run), tuple(dict.fromkeys(notes)), tuple(rows)))
    return adjust_all(found, str(base.run))


def adjust_all(found: Sequence[RunPair], reference: str) -> Compared:
    """The pairs with ``p_holm`` and ``mark`` in their rows, and which tests were made together.

    Macro means and single findings are families of their own, for each metric.
    """
    told: list[str] = []
    pairs = [(one.run, row) for one in found for row in one.rows]
    marked: dict[int, RunDifference] = {}
    for metric in dict.fromkeys(row.metric for _, row in pairs):
        for of_macro in (True, False):
            family = [(run, row) for run, row in pairs if (row.metric, row.label == MACRO) == (metric, of_macro)]
            tests = [_test(run, row) for run, row in family]
            for (_, row), test, p in zip(family, tests, adjust(tests), strict=True):
                marked[id(row)] = row.but(p_holm=p, mark=mark(test, p))
            if metric == NAMES[0] and of_macro:
                told += described(reference, tests)
            elif metric == NAMES[0] and (made := sum(test.made for test in tests)):
                told.append(f"p of {made} single findings is adjusted as a separate family")
    adjusted = tuple(replace(one, rows=tuple(marked[id(row)] for row in one.rows)) for one in found)
    return Compared(adjusted, tuple(told))


def _test(run: str, row: RunDifference) -> Test:
    called = f"{run} by {row.protocol}"
    return Test(Difference(row.value, p=row.p), "encoders", called=called, metric=row.metric)


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
        told = [run.record.options_of("evaluator").get(protocol, {}) for run in (base, other)]
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


def _delong(first: PredictionTable, second: PredictionTable, row: Comparison) -> float | None:
    """DeLong's p where it holds: AUROC of one finding, one image a patient, two images of each class."""
    if row.metric != "auroc" or row.label == MACRO or len(set(first.patients)) < len(first.patients):
        return None
    column = first.labels.index(row.label)
    truth = first.truth[:, column]
    if min((truth == 1).sum(), (truth == 0).sum()) < 2:
        return None
    return delong(truth, first.scores[:, column], second.scores[:, column]).p
