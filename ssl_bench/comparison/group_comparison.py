"""All that is compared at one setting: one row an encoder or a group, on the same images, findings and resamples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ssl_bench.comparison.agreement import check_record, measured
from ssl_bench.comparison.beside import beside, beside_drawn, chance, direction
from ssl_bench.comparison.lines import Line, Refused, by_seed, guessing
from ssl_bench.comparison.pairs import check_alike
from ssl_bench.comparison.run import EncoderRun, Setting
from ssl_bench.errors import DataError, HandledError
from ssl_bench.results.row import MACRO
from ssl_bench.results.rows import GUESSES
from ssl_bench.stats.bootstrap import Floats
from ssl_bench.stats.family import BLIND, SAME, Test
from ssl_bench.stats.intervals import (
    FEWEST,
    NAMES,
    Difference,
    Interval,
    Support,
    label_difference,
    label_interval,
    macro_difference,
    macro_interval,
    macro_parts,
    supported,
    supports,
)
from ssl_bench.stats.measures import Gauge
from ssl_bench.stats.predictions import PredictionTable, fitted
from ssl_bench.stats.resampled import Resampled, by_metric
from ssl_bench.stats.significance import SEEDS, few_seeds, over_seeds


@dataclass
class GroupComparison:
    """Rows of one place with what is computed of their predictions.

    Args:
        setting: protocol and datasets.
        lines: the reference first.
        replicates: resamples of patients.
        fewest: positive and negative patients of a finding that a macro claim rests on.
        asked: metrics beside AUROC and AUPRC.

    Raises:
        DataError: test images, patients or labels differ, predictions are gone, the record disagrees with them, or no
            finding is in all.
    """

    setting: Setting
    lines: list[Line]
    replicates: int
    fewest: int = FEWEST
    asked: tuple[Gauge, ...] = ()
    _points: dict[EncoderRun, dict[str, Floats]] = field(default_factory=dict)
    _own: dict[EncoderRun, PredictionTable] = field(default_factory=dict)
    _drawn: dict[EncoderRun, dict[str, Resampled]] = field(default_factory=dict)
    _defined: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Findings that all rows have scores of."""
        common = self._common(self.lines)
        if not common:
            raise DataError(f"the runs share no finding by {self.setting[0]} on {self.setting[1]}")
        return common

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Findings that any row has."""
        tables = [self.own(run) for line in self.lines for run in line.runs.values()]
        return tuple(dict.fromkeys(label for table in tables for label in table.labels))

    @cached_property
    def base(self) -> tuple[Support, ...]:
        """What the findings rest on."""
        return supports(self.first.truth, self.first.patients)

    @property
    def first(self) -> PredictionTable:
        """Predictions of the first row for the findings of all; labels, patients and the unit are those of all rows."""
        return self.table(next(iter(self.lines[0].runs.values())))

    def chance(self, labels: Sequence[str], metric: str) -> float | None:
        """The mean over findings of what scores that say nothing have; None where it is not known."""
        level = chance(self.asked, metric)
        shares = [self._prevalence(label) if level == "prevalence" else level for label in labels]
        known = [share for share in shares if share is not None]
        return float(np.mean(known)) if known else None

    def _prevalence(self, label: str) -> float | None:
        """The share of positives among the known of a finding; its labels are those of every row that has it."""
        tables = (self.own(run) for line in self.lines for run in line.runs.values())
        truth = next(table.truth[:, table.labels.index(label)] for table in tables if label in table.labels)
        return None if np.isnan(truth).all() else float(np.nanmean(truth))

    def defined(self, metric: str = NAMES[0]) -> tuple[str, ...]:
        """Findings that have a value in every row that has the metric at all."""
        if metric not in self._defined:
            every = np.array([values for line in self.lines if self.has(line, metric)
                              for values in self._values(line, metric)])  # fmt: skip
            common = np.isfinite(every).all(axis=0) if len(every) else np.zeros(len(self.labels), bool)
            self._defined[metric] = tuple(label for label, kept in zip(self.labels, common, strict=True) if kept)
        return self._defined[metric]

    def held(self, metric: str = NAMES[0]) -> tuple[str, ...]:
        """Findings that the macro means are over: those with patients enough, or all where none has."""
        enough = [self.labels[k] for k in supported(self.base, self.fewest)]
        return tuple(label for label in self.defined(metric) if label in enough) or self.defined(metric)

    def has(self, line: Line, metric: str) -> bool:
        """Whether every encoder of a row has a value of a metric for any finding."""
        return all(np.isfinite(values).any() for values in self._values(line, metric))

    def _values(self, line: Line, metric: str) -> list[Floats]:
        return [self.points(run)[metric] for run in line.runs.values()]

    def direction(self, metric: str) -> int:
        """1 where a higher value is better, -1 where a lower one is, 0 where neither."""
        return direction(self.asked, metric)

    def own(self, run: EncoderRun) -> PredictionTable:
        """Predictions of a run with its own findings.

        Raises:
            DataError: they are gone, or the images differ from those of the first run.
        """
        if run not in self._own:
            table = run.predictions(self.setting, validated=bool(self.asked))
            if self._own:
                first = next(iter(self._own))
                check_alike(table, self._own[first], run.path, first.path)
            self._points[run] = measured(table) | beside(table, self.asked)
            check_record(run, self.setting, table.labels, self._points[run])
            self._own[run] = table
        return self._own[run]

    def points(self, run: EncoderRun) -> dict[str, Floats]:
        """Every metric (L,) of a run for the findings of all, NaN where it is undefined."""
        own = self.own(run)
        columns = [own.labels.index(label) for label in self.labels]
        return {metric: values[columns] for metric, values in self._points[run].items()}

    def admit(self, line: Line) -> None:
        """Add a row.

        Raises:
            DataError: it cannot stand beside the first.
        """
        try:
            if not self._common([*self.lines[:1], line]):
                raise DataError(f"{line.name} and {self.lines[0].name} share no finding")
        except HandledError:
            for run in line.runs.values():
                self._own.pop(run, None)
            raise
        self.lines.append(line)

    def _common(self, lines: Sequence[Line]) -> tuple[str, ...]:
        tables = [self.own(run) for line in lines for run in line.runs.values()]
        scored = [{label for label, kept in zip(table.labels, fitted(table.scores), strict=True) if kept}
                  for table in tables]  # fmt: skip
        both = set.intersection(*scored)
        return tuple(label for label in tables[0].labels if label in both)

    def table(self, run: EncoderRun) -> PredictionTable:
        """Predictions of a run for the findings of all."""
        return self.own(run).select(self.labels)

    def drawn(self, run: EncoderRun, metric: str) -> Resampled:
        """A metric of a run with its resamples of patients; computed once, however many tests it is in."""
        if run not in self._drawn:
            table, points = self.table(run), self.points(run)
            usual = by_metric(table, self.replicates, 0, known=(points, self.base))
            self._drawn[run] = usual | beside_drawn(table, self.asked, self.replicates, points, self.base)
        return self._drawn[run][metric]

    def keep(self, lines: Sequence[Line]) -> None:
        """Go on with some of the rows, on the findings of all of them, and drop what was read of the others."""
        _ = self.labels, self.known, self.base  # of all rows, read before some of them go
        for metric in (*NAMES, *(gauge.name for gauge in self.asked)):
            self.defined(metric)
        kept = {run for line in lines for run in line.runs.values()}
        for store in (self._own, self._points, self._drawn):
            for run in store.keys() - kept:
                del store[run]
        self.lines = list(lines)

    def forget(self, line: Line) -> None:
        """Drop the resamples of a row that is done; those of thousands of rows would fill the memory."""
        for run in line.runs.values():
            self._drawn.pop(run, None)

    def values(self, line: Line, metric: str, *, every: bool = False) -> list[float]:
        """The macro mean of each encoder of a row; ``every``: over all findings with a value."""
        columns = [self.labels.index(label) for label in (self.defined(metric) if every else self.held(metric))]
        return [float(self.points(run)[metric][columns].mean()) for run in line.runs.values()]

    def level(self, line: Line, metric: str) -> Interval:
        """The value of a row with its interval: of an encoder, or of the mean over seeds with the seed as random."""
        values = self.values(line, metric)
        if not self.held(metric) or np.isnan(values).any():
            return Interval(None, note="no finding has both classes" if metric in NAMES else "not measured")
        if len(values) == 1:
            return self._one(next(iter(line.runs.values())), metric, values[0])
        if len(values) < SEEDS:
            return Interval(float(np.mean(values)))
        found = [self.drawn(run, metric) for run in line.runs.values()]
        return self._over_seeds(found, metric)

    def _one(self, run: EncoderRun, metric: str, value: float) -> Interval:
        """Of the record where it is of the same findings, else measured anew."""
        row = run.row(self.setting, MACRO, metric)
        if row is not None and set(row.macro_labels) == set(self.held(metric)):
            return Interval(value, row.ci_low, row.ci_high, note=row.note)
        one = self._alike(self.drawn(run, metric), metric)
        parts = macro_parts(one.values, one.replicates, one.base, self.fewest)
        return macro_interval(parts) if self._unit(metric) else macro_difference(parts)

    def of_label(self, run: EncoderRun, label: str, metric: str) -> Interval:
        """The value of one finding: of the record, or of a metric that was asked for measured anew."""
        if metric in NAMES:
            row = run.row(self.setting, label, metric)
            return Interval(row.value, row.ci_low, row.ci_high, note=row.note) if row else Interval(None)
        if label not in self.labels:
            return Interval(None, note="not in all rows")
        one, k = self.drawn(run, metric), self.labels.index(label)
        made = label_interval if self._unit(metric) else label_difference
        return made(float(one.values[k]), one.replicates[:, k], one.base[k])

    def _unit(self, metric: str) -> bool:
        return all(gauge.component.bounds == "unit" for gauge in self.asked if gauge.name == metric)

    def _alike(self, one: Resampled, metric: str) -> Resampled:
        """A metric for the findings alone that all rows have it of, so that no two means are over different ones."""
        common = np.isin(one.labels, self.defined(metric))
        return replace(one, values=np.where(common, one.values, np.nan))

    def test(self, line: Line, reference: Line, metric: str) -> Test:
        """The difference of two rows in the macro metric, paired by seed."""
        if line.blind or reference.blind:
            return Test(Difference(None), None, BLIND)
        constant = next((one.name for one in (line, reference) if guessing(one, self.setting)), None)
        if constant is not None:
            return Test(Difference(None), None, f"{constant} {GUESSES}")
        if line.same(reference):
            return Test(Difference(None), None, f"{line.name} and {reference.name} hold {SAME}")
        if not (self.has(line, metric) and self.has(reference, metric)):
            return Test(Difference(None), None, f"{metric} is not measured of {line.name} and {reference.name} alike")
        called = f"{line.name} by {self.setting[0]} on {self.setting[1]}"
        first, second = by_seed(line, reference), by_seed(reference, line)
        if len(line.runs) == len(reference.runs) == 1:
            difference = self._minus(next(iter(first.values())), next(iter(second.values())), metric)
            parts = macro_parts(difference.values, difference.replicates, difference.base, self.fewest)
            return Test(macro_difference(parts), "encoders", called=called, metric=metric)
        paired = sorted(set(first) & set(second))
        if few_seeds(len(paired)):
            return Test(Difference(None), None, few_seeds(len(paired)))
        pairs = [self._minus(first[seed], second[seed], metric) for seed in paired]
        return Test(self._over_seeds(pairs, metric), "methods", called=called, metric=metric)

    def _minus(self, one: EncoderRun, other: EncoderRun, metric: str) -> Resampled:
        a, b = self._alike(self.drawn(one, metric), metric), self.drawn(other, metric)
        return replace(a, values=a.values - b.values, replicates=a.replicates - b.replicates)

    def _over_seeds(self, seeds: Sequence[Resampled], metric: str) -> Difference:
        values, replicates = np.stack([one.values for one in seeds]), np.stack([one.replicates for one in seeds])
        common = np.isin(self.labels, self.defined(metric))
        return over_seeds(np.where(common, values, np.nan), replicates, seeds[0].base, self.fewest)[0]


def admitted(
    lines: Iterable[Line], setting: Setting, replicates: int, fewest: int = FEWEST, asked: tuple[Gauge, ...] = ()
) -> tuple[GroupComparison, Refused]:
    """A comparison of the rows that can stand beside the first, and the others with the reason."""
    comparison = GroupComparison(setting, [], replicates, fewest, asked)
    refused: Refused = []
    for line in lines:
        try:
            comparison.admit(line)
        except HandledError as error:
            refused.append((line.name, error))
    return comparison, refused
