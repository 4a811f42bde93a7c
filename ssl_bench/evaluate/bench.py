"""All that is compared at one place: one row an encoder or an arm, on the same images, findings and resamples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ssl_bench.errors import DataError, HandledError, shortened
from ssl_bench.evaluate.arms import Arm, same_predictions
from ssl_bench.evaluate.compare import SEEDS, few_seeds, over_seeds
from ssl_bench.evaluate.family import BLIND, SAME, Test
from ssl_bench.evaluate.intervals import (
    FEWEST,
    NAMES,
    Difference,
    Interval,
    Support,
    held,
    macro_difference,
    macro_interval,
    macro_parts,
    supported,
    supports,
)
from ssl_bench.evaluate.members import Member, Place
from ssl_bench.evaluate.predictions import PredictionTable
from ssl_bench.evaluate.resample import Floats, point
from ssl_bench.evaluate.resampled import Resampled, by_metric
from ssl_bench.evaluate.runs import check_alike
from ssl_bench.results.rows import MACRO, fitted

AGREE = 1e-6
"""How far a number on the record may lie from the one that its kept predictions give."""


@dataclass(frozen=True, eq=False)
class Line:
    """What is one row at a place: an arm with its different encoders by seed.

    Attributes:
        arm: of the runs.
        members: the different encoders by seed.
        name: of the row.
        blind: the protocol looks at no encoder, so nothing here is ranked or tested.
    """

    arm: Arm
    members: Mapping[int, Member]
    name: str
    blind: bool = False

    def same(self, other: Line) -> bool:
        """Whether an encoder of one is an encoder of the other."""
        mine, others = ({member.identity for member in line.members.values()} - {""} for line in (self, other))
        return bool(mine & others)


Refused = list[tuple[str, HandledError]]
"""Rows that cannot stand at a place, with the reason."""


def lines_of(arms: Iterable[Arm], place: Place, refused: Refused | None = None) -> tuple[list[Line], list[str]]:
    """The rows of a place, and what a reader must know of encoders that stand behind several runs or names.

    Args:
        arms: the reference first.
        place: protocol and datasets.
        refused: gets the arms that cannot stand here; None: the first of them is raised.

    Raises:
        UsageError: two runs of an arm have one seed and different encoders.
        DataError: predictions that must be looked at are gone.
    """
    here: list[tuple[Arm, dict[int, Member]]] = []
    lines: list[Line] = []
    notes: list[str] = []
    seen: Seen = {}
    for arm in arms:
        try:
            found = arm.at(place)
            alone = _distinct(found, place)
            own, twin = _apart(alone, seen, place)
        except HandledError as error:
            if refused is None:
                raise
            refused.append((arm.name, error))
            continue
        if found:
            here.append((arm, found))
        if own:
            lines.append(Line(arm, own, arm.name))
            for member in own.values():
                seen.setdefault(member.values(place), []).append((lines[-1], member))
        notes += _told(arm, alone, own, twin, place)
    if any(place[0] in member.record.get("without_encoder", ()) for _, found in here for member in found.values()):
        return _blind(here, place)
    return lines, list(dict.fromkeys(notes))


def _told(
    arm: Arm, alone: Mapping[int, Member], own: Mapping[int, Member], twin: Line | None, place: Place
) -> Iterator[str]:
    """Which encoders of an arm several runs or rows hold."""
    runs = [member for member in arm.members if place in member.by_place and not member.baseline]
    if 0 < len(alone) < len(runs):
        yield (f"{arm.name}: {len(runs)} runs hold {_count(len(alone))} by {place[0]}; a replicate is a new "
               "pretraining, so each counts once")  # fmt: skip
    if twin is not None and len(own) < len(alone):
        what = "an encoder of" if own else "the same encoder as"
        yield f"{arm.name} holds {what} {twin.name}, which stands there alone"


def _count(encoders: int) -> str:
    return "1 encoder" if encoders == 1 else f"{encoders} encoders"


def _distinct(found: Mapping[int, Member], place: Place) -> dict[int, Member]:
    """Without encoders that predict to the last digit what an earlier one does."""
    alone: dict[int, Member] = {}
    by_values: dict[tuple[object, ...], list[Member]] = {}
    for seed, member in found.items():
        alike = by_values.setdefault(member.values(place), [])
        if not any(same_predictions(other, member, place) for other in alike):
            alone[seed] = member
            alike.append(member)
    return alone


Seen = dict[tuple[object, ...], list[tuple[Line, Member]]]
"""Encoders of the rows so far, by their numbers."""


def _apart(found: Mapping[int, Member], seen: Seen, place: Place) -> tuple[dict[int, Member], Line | None]:
    """The encoders that do not predict what those of earlier rows do, and the row that has the others."""
    own: dict[int, Member] = {}
    twin = None
    for seed, member in found.items():
        alike = (line for line, other in seen.get(member.values(place), ()) if same_predictions(other, member, place))
        line = next(alike, None)
        if line is None:
            own[seed] = member
        twin = line or twin
    return own, twin


def _blind(here: Sequence[tuple[Arm, Mapping[int, Member]]], place: Place) -> tuple[list[Line], list[str]]:
    """One row for each set of EHR features: by such a protocol encoders cannot differ."""
    groups: dict[str, tuple[Arm, Member]] = {}
    for arm, found in here:
        for member in found.values():
            groups.setdefault(", ".join(member.record["features"]), (arm, member))
    several = len(groups) > 1
    lines = [Line(arm, {member.seed: member}, f"every encoder{f' ({features})' if several else ''}", blind=True)
             for features, (arm, member) in groups.items()]  # fmt: skip
    return lines, [f"{place[0]} looks at no encoder: one row, not ranked and not tested"]


@dataclass
class Bench:
    """Rows of one place with what is computed of their predictions.

    Args:
        place: protocol and datasets.
        lines: the reference first.
        replicates: resamples of patients.
        fewest: positive and negative patients of a finding that a macro claim rests on.

    Raises:
        DataError: test images, patients or labels differ, predictions are gone, the record disagrees with them, or no
            finding is in all.
    """

    place: Place
    lines: list[Line]
    replicates: int
    fewest: int = FEWEST
    _points: dict[Member, dict[str, Floats]] = field(default_factory=dict)
    _own: dict[Member, PredictionTable] = field(default_factory=dict)
    _drawn: dict[Member, dict[str, Resampled]] = field(default_factory=dict)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Findings that all rows have scores of."""
        common = self._common(self.lines)
        if not common:
            raise DataError(f"the runs share no finding by {self.place[0]} on {self.place[1]}")
        return common

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Findings that any row has."""
        tables = [self.own(member) for line in self.lines for member in line.members.values()]
        return tuple(dict.fromkeys(label for table in tables for label in table.labels))

    @cached_property
    def base(self) -> tuple[Support, ...]:
        """What the findings rest on."""
        table = self.table(next(iter(self.lines[0].members.values())))
        return supports(table.truth, table.patients)

    @cached_property
    def defined(self) -> tuple[str, ...]:
        """Findings that have a value in every row."""
        every = [self.points(member)["auroc"] for line in self.lines for member in line.members.values()]
        return tuple(self.labels[k] for k in held(np.mean(every, axis=0)))

    @cached_property
    def held(self) -> tuple[str, ...]:
        """Findings that the macro means are over: those with patients enough, or all where none has."""
        enough = [self.labels[k] for k in supported(self.base, self.fewest)]
        return tuple(label for label in self.defined if label in enough) or self.defined

    def own(self, member: Member) -> PredictionTable:
        """Predictions of a run with its own findings.

        Raises:
            DataError: they are gone, or the images differ from those of the first run.
        """
        if member not in self._own:
            table = member.predictions(self.place)
            if self._own:
                first = next(iter(self._own))
                check_alike(table, self._own[first], member.path, first.path)
            self._points[member] = measured(table)
            check_record(member, self.place, table.labels, self._points[member])
            self._own[member] = table
        return self._own[member]

    def points(self, member: Member) -> dict[str, Floats]:
        """AUROC and AUPRC (L,) of a run for the findings of all."""
        own = self.own(member)
        columns = [own.labels.index(label) for label in self.labels]
        return {metric: values[columns] for metric, values in self._points[member].items()}

    def admit(self, line: Line) -> None:
        """Add a row.

        Raises:
            DataError: it cannot stand beside the first.
        """
        try:
            if not self._common([*self.lines[:1], line]):
                raise DataError(f"{line.name} and {self.lines[0].name} share no finding")
        except HandledError:
            for member in line.members.values():
                self._own.pop(member, None)
            raise
        self.lines.append(line)

    def _common(self, lines: Sequence[Line]) -> tuple[str, ...]:
        tables = [self.own(member) for line in lines for member in line.members.values()]
        scored = [{label for label, kept in zip(table.labels, fitted(table.scores), strict=True) if kept}
                  for table in tables]  # fmt: skip
        both = set.intersection(*scored)
        return tuple(label for label in tables[0].labels if label in both)

    def table(self, member: Member) -> PredictionTable:
        """Predictions of a run for the findings of all."""
        return self.own(member).select(self.labels)

    def drawn(self, member: Member, metric: str) -> Resampled:
        """A metric of a run with its resamples of patients; computed once, however many tests it is in."""
        if member not in self._drawn:
            given = self.points(member), self.base
            self._drawn[member] = by_metric(self.table(member), self.replicates, 0, known=given)
        return self._drawn[member][metric]

    def forget(self, line: Line) -> None:
        """Drop the resamples of a row that is done; those of thousands of rows would fill the memory."""
        for member in line.members.values():
            self._drawn.pop(member, None)

    def values(self, line: Line, metric: str, *, every: bool = False) -> list[float]:
        """The macro mean of each encoder of a row; ``every``: over all findings with a value."""
        columns = [self.labels.index(label) for label in (self.defined if every else self.held)]
        return [float(self.points(member)[metric][columns].mean()) for member in line.members.values()]

    def level(self, line: Line, metric: str) -> Interval:
        """The value of a row with its interval: of an encoder, or of the mean over seeds with the seed as random."""
        values = self.values(line, metric)
        if not self.held or np.isnan(values).any():
            return Interval(None, note="no finding has both classes")
        if len(values) == 1:
            return self._one(next(iter(line.members.values())), metric, values[0])
        if len(values) < SEEDS:
            return Interval(float(np.mean(values)))
        found = [self.drawn(member, metric) for member in line.members.values()]
        return self._over_seeds([(one.values, one.replicates) for one in found])

    def _one(self, member: Member, metric: str, value: float) -> Interval:
        """Of the record where it is of the same findings, else measured anew."""
        row = member.row(self.place, MACRO, metric)
        if row is not None and set(row["macro_labels"]) == set(self.held):
            return Interval(value, row["ci_low"], row["ci_high"], note=row["note"])
        one = self.drawn(member, metric)
        return macro_interval(macro_parts(one.values, one.replicates, self.base, self.fewest))

    def test(self, line: Line, reference: Line, metric: str) -> Test:
        """The difference of two rows in the macro metric, paired by seed."""
        if line.blind or reference.blind:
            return Test(Difference(None), None, BLIND)
        if line.same(reference):
            return Test(Difference(None), None, f"{line.name} and {reference.name} hold {SAME}")
        called = f"{line.name} by {self.place[0]} on {self.place[1]}"
        first, second = line.members, reference.members
        if len(first) == len(second) == 1:
            one, other = (self.drawn(next(iter(found.values())), metric) for found in (first, second))
            away = one.values - other.values, one.replicates - other.replicates
            return Test(
                macro_difference(macro_parts(*away, self.base, self.fewest)), "encoders", called=called, metric=metric
            )
        paired = sorted(set(first) & set(second))
        if few_seeds(len(paired)):
            return Test(Difference(None), None, few_seeds(len(paired)))
        pairs = [(self.drawn(first[seed], metric), self.drawn(second[seed], metric)) for seed in paired]
        differences = [(one.values - other.values, one.replicates - other.replicates) for one, other in pairs]
        return Test(self._over_seeds(differences), "methods", called=called, metric=metric)

    def _over_seeds(self, seeds: Sequence[tuple[Floats, Floats]]) -> Difference:
        values, replicates = (np.stack(parts) for parts in zip(*seeds, strict=True))
        return over_seeds(values, replicates, self.base, self.fewest)[0]


def measured(table: PredictionTable) -> dict[str, Floats]:
    """AUROC and AUPRC (L,) of predictions."""
    truth = np.where(fitted(table.scores), table.truth, np.nan)
    return dict(zip(NAMES, point(truth, np.nan_to_num(table.scores)), strict=True))


def check_record(member: Member, place: Place, labels: Sequence[str], found: Mapping[str, Floats]) -> None:
    """Refuse a record whose numbers are not those of its kept predictions.

    Raises:
        DataError: naming the first numbers that differ.
    """
    column = {label: number for number, label in enumerate(labels)}
    wrong = []
    for (label, metric), row in member.by_place[place].items():
        names = row["macro_labels"] if label == MACRO else [label]
        columns = [column[name] for name in names if name in column]
        values = found[metric][columns]
        here = float(values.mean()) if len(columns) == len(names) and len(values) else float("nan")
        kept = float("nan") if row["value"] is None else float(row["value"])
        if not (np.isnan(here) and np.isnan(kept)) and not abs(here - kept) <= AGREE:
            wrong.append(f"{metric} of {label} {kept:.6f} on the record, {here:.6f} by its predictions")
    if wrong:
        raise DataError(f"{member.path}: {place[0]} on {place[1]}: {shortened(wrong, 3)}; evaluate the run again")


def admitted(lines: Iterable[Line], place: Place, replicates: int, fewest: int = FEWEST) -> tuple[Bench, Refused]:
    """A bench of the rows that can stand beside the first, and the others with the reason."""
    bench = Bench(place, [], replicates, fewest)
    refused: Refused = []
    for line in lines:
        try:
            bench.admit(line)
        except HandledError as error:
            refused.append((line.name, error))
    return bench, refused
