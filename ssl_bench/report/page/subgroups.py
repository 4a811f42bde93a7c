"""Macro AUROC of subgroups with their counts, and gaps between them, by configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from ssl_bench.comparison.run import EncoderRun, setting_of
from ssl_bench.numbers import counted
from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.leaderboard_text import ranged
from ssl_bench.results.row import MACRO, MetricRow
from ssl_bench.stats.intervals import Interval


@dataclass(frozen=True)
class Gap:
    """The gap of one attribute, of one configuration.

    Attributes:
        name: of the configuration.
        attribute: ``sex``.
        groups: macro AUROC of every group with its patients, as text; over several seeds the mean.
        value, low, high: of the gap; over several seeds the mean without ends.
        note: which groups, or why there is no value.
    """

    name: str
    attribute: str
    groups: str
    value: float | None
    low: float | None
    high: float | None
    note: str

    @property
    def text(self) -> str:
        """The gap with its interval."""
        return str(ranged(Interval(self.value, self.low, self.high), "+.3f"))


def gaps(entries: Sequence[Entry]) -> Iterator[Gap]:
    """Every gap on the records of some configurations."""
    for entry in entries:
        rows = [row for run in entry.line.runs.values() for row in _rows(run, entry)]
        for attribute in dict.fromkeys(row.subgroup for row in rows if row.metric == "auroc_gap"):
            found = [row for row in rows if (row.subgroup, row.metric) == (attribute, "auroc_gap")]
            values = [row.value for row in found if row.value is not None]
            low, high = (found[0].ci_low, found[0].ci_high) if len(found) == 1 else (None, None)
            note = found[0].note if len(found) == 1 or not values else f"mean of {counted(len(values), 'seed')}"
            value = mean(values) if values else None
            yield Gap(entry.name, attribute, _groups(rows, attribute), value, low, high, note)


def _rows(run: EncoderRun, entry: Entry) -> list[MetricRow]:
    return [
        row for row in run.record.metrics
        if (row.encoder, row.split, row.label, row.fraction) == (run.encoder, "test", MACRO, 1.0)
        and setting_of(row) == entry.setting and row.metric in ("auroc", "auroc_gap")
    ]  # fmt: skip


@dataclass(frozen=True)
class Group:
    """One group of one configuration.

    Attributes:
        name: of the configuration.
        attribute, group: ``sex``, ``F``.
        value, low, high: macro AUROC; over several seeds the mean without ends.
        patients: in the group.
    """

    name: str
    attribute: str
    group: str
    value: float
    low: float | None
    high: float | None
    patients: int


def groups(entries: Sequence[Entry]) -> Iterator[Group]:
    """Every group of every attribute that has a value."""
    for entry in entries:
        rows = [row for run in entry.line.runs.values() for row in _rows(run, entry)]
        yield from _of_rows(entry.name, rows)


def _of_rows(name: str, rows: Sequence[MetricRow]) -> Iterator[Group]:
    found: dict[tuple[str, str], list[MetricRow]] = {}
    for row in rows:
        attribute, equals, group = row.subgroup.partition("=")
        if equals and row.value is not None and row.metric == "auroc":
            found.setdefault((attribute, group), []).append(row)
    for (attribute, group), of in found.items():
        low, high = (of[0].ci_low, of[0].ci_high) if len(of) == 1 else (None, None)
        value = mean(row.value for row in of if row.value is not None)
        yield Group(name, attribute, group, value, low, high, of[0].n_patients or 0)


def _groups(rows: Sequence[MetricRow], attribute: str) -> str:
    return ", ".join(
        f"{one.group}\N{NO-BREAK SPACE}{one.value:.3f} ({one.patients:,} patients)"
        for one in _of_rows("", rows) if one.attribute == attribute
    )  # fmt: skip
