"""Runs that differ in the seed alone, as one arm of a table, and arms tested against a reference. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ssl_bench.errors import UsageError
from ssl_bench.evaluate.compare import few_seeds, over_seeds
from ssl_bench.evaluate.intervals import NAMES, Difference, Support
from ssl_bench.evaluate.predictions import PredictionTable, read_predictions
from ssl_bench.evaluate.resample import Floats
from ssl_bench.evaluate.resampled import Resampled, by_metric
from ssl_bench.evaluate.runs import ENCODERS, RANDOM, aligned, standing
from ssl_bench.results.rows import MACRO, table_differences
from ssl_bench.results.rundir import RunDirectory, options_in, prediction_file

Record = Mapping[str, Any]
Row = Mapping[str, Any]

PASSING = {
    "seed": None, "evaluate": None, "data": ("root", "workers", "residency"),
    "pretrain": ("threads", "log_every", "checkpoint_every", "accelerator"),
}  # fmt: skip
"""Keys of the configuration that do not set two arms apart; None: all of the section."""

SEEN = ("name", "options", "labels", "uncertain", "blank", "size", "fit")
"""Keys of the data that decide what a baseline is tested on."""

Place = tuple[str, str, str]
"""Protocol, dataset that was tested, dataset that was fitted on."""

Level = Literal["methods", "encoders"]


@dataclass(frozen=True)
class Member:
    """One run of an arm."""

    path: Path
    record: Record
    encoder: str

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.record["config"]["seed"])

    @property
    def baseline(self) -> bool:
        """Whether it is not what the run trained (``random``, ``pixels``) and the same whatever the method."""
        return self.encoder not in ENCODERS

    def rows(self, place: Place) -> list[Row]:
        """Its rows of one place: the whole test split, with the labels of all training patients."""
        return [
            row for row in self.record["metrics"]
            if (row["encoder"], row["split"], row["subgroup"], row["fraction"])
            == (self.encoder, "test", "all", 1.0) and place_of(row) == place and row["metric"] in NAMES
        ]  # fmt: skip

    def predictions(self, place: Place) -> PredictionTable:
        """The kept predictions behind these rows.

        Raises:
            DataError: they are gone, or others than the record was written with.
        """
        directory = RunDirectory(self.path)
        path = directory.predictions(self.encoder, *prediction_file(self.rows(place)[0]))
        return read_predictions(directory.checked(path, self.record))


@dataclass(frozen=True)
class Arm:
    """Runs of one configuration with different seeds, measured by protocols with the same options."""

    name: str
    members: tuple[Member, ...]

    def at(self, place: Place) -> dict[int, Member]:
        """The runs that have rows of a place, by seed; of a random encoder the first run that has them."""
        return {member.seed: member for member in reversed(self.members) if member.rows(place)}


@dataclass(frozen=True)
class Test:
    """An arm minus the reference: of methods where there are seeds enough, else of the two encoders.

    Attributes:
        level: what it speaks of; None: neither, for ``reason``.
    """

    difference: Difference
    level: Level | None
    reason: str = ""
    __test__ = False  # pytest takes it for a class of tests


@dataclass
class Bench:
    """Arms with what is computed of their predictions.

    Args:
        arms: in the order of the table, the reference first.
        replicates: resamples of patients.
    """

    arms: Sequence[Arm]
    replicates: int
    _tables: dict[tuple[Path, str, Place], PredictionTable] = field(default_factory=dict)
    _drawn: dict[tuple[Path, str, Place], dict[str, Resampled]] = field(default_factory=dict)

    def table(self, member: Member, place: Place) -> PredictionTable:
        """Predictions of a run, in the order of the first one's images and with the findings of all.

        Raises:
            DataError: the test images of the runs differ.
        """
        key = (member.path, member.encoder, place)
        if key not in self._tables:
            members = [one for arm in self.arms for one in arm.at(place).values()]
            given = [(one, one.predictions(place)) for one in members]
            common = tuple(label for label in given[0][1].labels if all(label in other.labels for _, other in given))
            base = given[0][1].select(common) if common else given[0][1]
            for one, other in given:
                found, _ = aligned(other, base, one.path, given[0][0].path)
                self._tables[one.path, one.encoder, place] = found
        return self._tables[key]

    def drawn(self, member: Member, place: Place, metric: str) -> Resampled:
        """A metric of a run with its resamples of patients; computed once, however many tests it is in."""
        key = (member.path, member.encoder, place)
        if key not in self._drawn:
            self._drawn[key] = by_metric(self.table(member, place), self.replicates, 0)
        return self._drawn[key][metric]

    def level(self, arm: Arm, place: Place, metric: str) -> Difference:
        """The mean over seeds of an arm's macro metric, its interval with the seed as a random factor."""
        found = [self.drawn(member, place, metric) for member in arm.at(place).values()]
        return _over_seeds([(one.values, one.replicates) for one in found], found[0].base)

    def test(self, arm: Arm, reference: Arm, place: Place, metric: str) -> Test:
        """The difference of two arms in the macro metric, paired by seed."""
        first, second = arm.at(place), reference.at(place)
        if len(first) == len(second) == 1:
            one, other = (self.table(next(iter(found.values())), place) for found in (first, second))
            rows = table_differences(one, other, self.replicates, 0)
            row = next(row for row in rows if (row["label"], row["metric"]) == (MACRO, metric))
            found = Difference(row["value"], row["ci_low"], row["ci_high"], note=row["note"], p=row["p"])
            return Test(found, "encoders")
        paired = sorted(set(first) & set(second))
        if few_seeds(len(paired)):
            return Test(Difference(None), None, few_seeds(len(paired)))
        pairs = [(self.drawn(first[seed], place, metric), self.drawn(second[seed], place, metric)) for seed in paired]
        away = [(one.values - other.values, one.replicates - other.replicates) for one, other in pairs]
        return Test(_over_seeds(away, pairs[0][0].base), "methods")


def _over_seeds(seeds: Sequence[tuple[Floats, Floats]], base: Sequence[Support]) -> Difference:
    values, replicates = (np.stack(parts) for parts in zip(*seeds, strict=True))
    return over_seeds(values, replicates, base)[0]


def macro(member: Member, place: Place, metric: str) -> float:
    """The macro metric on the record; NaN where there is none."""
    row = next(row for row in member.rows(place) if (row["label"], row["metric"]) == (MACRO, metric))
    return float("nan") if row["value"] is None else float(row["value"])


def place_of(row: Row) -> Place:
    """Protocol and datasets of a row."""
    return row["protocol"], row["dataset"], row.get("fitted_on", row["dataset"])


def read_arms(paths: Iterable[Path], protocols: Sequence[str] = ()) -> list[Arm]:
    """Runs grouped by configuration, in the order given, and then the baselines by theirs.

    Args:
        paths: run directories.
        protocols: whose options set arms apart, because their rows will be shown; empty: all.

    Raises:
        UsageError: a folder holds no finished run, or two runs have one configuration and seed.
    """
    members = []
    for path in paths:
        record = RunDirectory(path).read_record()
        present = {row["encoder"] for row in record["metrics"]}
        members += [Member(path, record, encoder) for encoder in _shown(record, present)]
    ordered = sorted(members, key=lambda member: (member.baseline, member.baseline and member.encoder != RANDOM))
    groups: dict[str, list[Member]] = {}
    for member, identity in zip(ordered, _identities(ordered, protocols), strict=True):
        group = groups.setdefault(identity, [])
        twin = next((other for other in group if other.seed == member.seed), None)
        if twin is not None and not member.baseline:  # a baseline is the same in every run of its seed
            raise UsageError(f"{twin.path} and {member.path} have one configuration and one seed; leave one out")
        group.append(member)
    return [
        Arm(name, tuple(sorted(group, key=lambda member: member.seed)))
        for name, group in zip(_names(list(groups.values()), protocols), groups.values(), strict=True)
    ]


def _shown(record: Record, present: set[str]) -> list[str]:
    """The encoder that stands for a run, and the baselines beside it."""
    baselines = sorted(present.difference(ENCODERS))
    return list(dict.fromkeys([standing(record, present), *baselines])) if present else []


def _identity(member: Member) -> dict[str, Any]:
    """What an arm's runs share: of a baseline its options, architecture and data, else all but :data:`PASSING`."""
    config = member.record["config"]
    flat: dict[str, Any] = {}
    sections = ("data", "backbone") if member.baseline else tuple(config)
    for section in sections:
        dropped = PASSING.get(section, ())
        value = config.get(section)
        if dropped is None or value is None:
            continue
        parts = value if isinstance(value, Mapping) else {"": value}
        kept = {key: part for key, part in parts.items() if key not in dropped}
        if member.baseline and section == "data":  # how a method is trained on them is no part of it
            kept = {key: part for key, part in kept.items() if key in SEEN}
        flat |= {f"{section}.{key}".rstrip("."): part for key, part in kept.items()}
    if member.baseline:
        return {"arm": member.encoder, **flat, **member.record.get("options", {}).get(member.encoder, {})}
    return {"arm": _called(member.record), **flat}


def _identities(members: Sequence[Member], protocols: Sequence[str]) -> list[str]:
    """:func:`_identity` of each run as text, with options of protocols where runs of one identity differ in them.

    A run without rows of a protocol has no options of it to differ in.
    """
    alike = [json.dumps(_identity(member), sort_keys=True) for member in members]
    options = [_options(member, protocols) for member in members]
    kin: dict[str, list[dict[str, Any]]] = {}
    for identity, own in zip(alike, options, strict=True):
        kin.setdefault(identity, []).append(own)
    return [
        json.dumps([identity, _apart(own, kin[identity])], sort_keys=True)
        for identity, own in zip(alike, options, strict=True)
    ]


def _options(member: Member, protocols: Sequence[str]) -> dict[str, Any]:
    """Options of the protocols whose rows a run has, as far as its record tells them: ``{"knn.neighbours": [5]}``."""
    measured = dict.fromkeys(row["protocol"] for row in member.record["metrics"])
    told = {name: options_in(member.record, "evaluator").get(name, {}) for name in measured}
    shown = [name for name in measured if not protocols or name in protocols]
    return {f"{name}.{key}": value for name in shown for key, value in told[name].items()}


def _apart(own: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Those of some options that are others elsewhere."""
    listed = list(others)
    return {key: value for key, value in own.items() if any(other.get(key, value) != value for other in listed)}


def _called(record: Record) -> str:
    features = f" ({', '.join(record['features'])}; {record['fusion']})" if record["features"] else ""
    return f"{record['method']}{features}"


def _names(groups: Sequence[Sequence[Member]], protocols: Sequence[str]) -> list[str]:
    """A name for every arm: arms of one name are told apart by the keys in which they differ.

    Options of a protocol are named wherever two arms differ in them: they are no part of a method, and a reader who
    compares methods must know.
    """
    identities = [_identity(group[0]) for group in groups]
    options = [dict(item for member in group for item in _options(member, protocols).items()) for group in groups]
    names = []
    for identity, own in zip(identities, options, strict=True):
        twins = [other for other in identities if other["arm"] == identity["arm"]]
        keys = [key for key in identity if any(other.get(key) != identity[key] for other in twins)]
        aside = {**{key: identity[key] for key in keys}, **_apart(own, options)}
        names.append(", ".join([str(identity["arm"]), *(f"{key}={_short(value)}" for key, value in aside.items())]))
    return names


def _short(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
