"""Macro AUROC of subgroups and their gaps, by configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from ssl_bench.compare.run import Run, setting_of
from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.leaderboard_text import ranged
from ssl_bench.report.table import MACRO
from ssl_bench.stats.intervals import Interval

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Gap:
    """The gap of one attribute, of one configuration.

    Attributes:
        name: of the configuration.
        attribute: ``sex``.
        groups: macro AUROC of every group, as text; over several seeds the mean.
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
        return ranged(Interval(self.value, self.low, self.high), "+.3f")


def gaps(entries: Sequence[Entry]) -> Iterator[Gap]:
    """Every gap on the records of some configurations."""
    for entry in entries:
        rows = [row for member in entry.line.members.values() for row in _rows(member, entry)]
        for attribute in dict.fromkeys(row["subgroup"] for row in rows if row["metric"] == "auroc_gap"):
            found = [row for row in rows if (row["subgroup"], row["metric"]) == (attribute, "auroc_gap")]
            values = [row["value"] for row in found if row["value"] is not None]
            low, high = (found[0]["ci_low"], found[0]["ci_high"]) if len(found) == 1 else (None, None)
            note = found[0]["note"] if len(found) == 1 or not values else f"mean of {len(values)} seeds"
            value = mean(values) if values else None
            yield Gap(entry.name, attribute, _groups(rows, attribute), value, low, high, note)


def _rows(member: Run, entry: Entry) -> list[Row]:
    return [
        row for row in member.record["metrics"]
        if (row["encoder"], row["split"], row["label"], row["fraction"]) == (member.encoder, "test", MACRO, 1.0)
        and setting_of(row) == entry.place and row["metric"] in ("auroc", "auroc_gap")
    ]  # fmt: skip


def _groups(rows: Sequence[Row], attribute: str) -> str:
    found: dict[str, list[float]] = {}
    for row in rows:
        name = row["subgroup"]
        if name.startswith(f"{attribute}=") and row["value"] is not None:
            found.setdefault(name.removeprefix(f"{attribute}="), []).append(row["value"])
    return ", ".join(f"{name}\N{NO-BREAK SPACE}{mean(values):.3f}" for name, values in found.items())
