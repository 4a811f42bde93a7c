"""Means over equal sets: macro points of several shares of labels or draws, over the findings that all of them hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ssl_bench.errors import shortened
from ssl_bench.numbers import counted
from ssl_bench.results.row import MACRO, MetricRow


@dataclass(frozen=True)
class Point:
    """One macro mean: of an encoder by a protocol, with one draw of a share of the labels.

    Attributes:
        key: what it is of, for the caller.
        share: of the training patients.
        macro: its row.
        values: of the findings that the mean holds.
    """

    key: tuple[Any, ...]
    share: float
    macro: MetricRow
    values: Mapping[str, float]

    def over(self, labels: Sequence[str]) -> float:
        """The mean over some of its findings."""
        return fmean(self.values[label] for label in labels)


def points(rows: Iterable[MetricRow], key: Sequence[str], metric: str = "auroc") -> list[Point]:
    """The macro means of rows of one metric that have a value.

    Args:
        rows: of a record.
        key: names of the columns that set points of one share and draw apart.
        metric: whose rows are read.
    """
    of: dict[tuple[Any, ...], dict[str, MetricRow]] = {}
    for row in rows:
        if row.metric == metric:
            place = (*(row.named(name) for name in key), row.fraction, row.draw)
            of.setdefault(place, {})[row.label] = row
    found = []
    for place, by_label in of.items():
        macro = by_label.get(MACRO)
        if macro is not None and macro.value is not None:
            values = {label: value for label in macro.macro_labels
                      if label in by_label and (value := by_label[label].value) is not None}  # fmt: skip
            found.append(Point(place[:-2], place[-2], macro, values))
    return found


def common(found: Iterable[Point]) -> tuple[str, ...]:
    """Findings that all points hold, in the order of the first."""
    listed = list(found)
    return tuple(label for label in listed[0].values if all(label in one.values for one in listed)) if listed else ()


def over_text(found: Sequence[Point], labels: Sequence[str]) -> str:
    """``over the 5 of 8 findings that all points hold: Edema, ...``."""
    known = dict.fromkeys(label for one in found for label in one.values)
    which = "" if len(labels) == len(known) else f" that all points hold: {shortened(labels) or 'none'}"
    return f"over {'the ' * bool(which)}{len(labels)} of {counted(len(known), 'finding')}{which}"
