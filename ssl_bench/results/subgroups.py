"""Rows of the record by subgroup of images, and their gaps, from one protocol's predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.subsets import restricted
from ssl_bench.errors import shortened
from ssl_bench.numbers import p_equals, p_text
from ssl_bench.plugin.contracts import MetricValue
from ssl_bench.results.row import MACRO, MetricRow
from ssl_bench.results.rows import Denominators, Scored, as_table, identity, metric_rows, plain_row, rows_of
from ssl_bench.stats.bootstrap import Floats
from ssl_bench.stats.gaps import GroupMetrics
from ssl_bench.stats.groups import groups, known
from ssl_bench.stats.intervals import Difference
from ssl_bench.stats.predictions import PredictionTable, fitted
from ssl_bench.stats.rates import RATES, thresholds
from ssl_bench.stats.significance import adjusted_p

SMALLEST = 5
"""Patients that a group must have to stand in a table."""


def subgroup_rows(
    scored: Scored, labels: tuple[str, ...], replicates: int, validation: PredictionTable | None = None
) -> Iterator[MetricRow]:
    """Every metric of every group (``sex=F``) with its interval, and then the gap of each attribute (``sex``).

    Groups of fewer than :data:`SMALLEST` patients are left out, which the gap's note says. Where validation images are
    given, sensitivity and false positive rate follow, at one threshold for everybody.
    """
    cuts = None if validation is None else thresholds(*_truth(validation.select(labels)))
    for attribute, found in groups(scored.split.ehr, scored.split.declared).items():
        values, left = large_enough(found, scored.split.patient_ids)
        names = sorted(set(values[known(values)]))
        if not names:
            continue
        measured = group_metrics(scored, values, replicates, cuts)
        by_group: list[MetricRow] = []
        for name in names:
            part = of_rows(scored, values == name)
            rows = [*metric_rows(part, labels, replicates), *_rates(part, labels, measured, name, cuts)]
            by_group += [row.but(subgroup=f"{attribute}={name}") for row in rows]
        yield from by_group
        yield from gap_rows(scored, attribute, values, by_group, labels, measured, left)
        yield from family_rows(scored, attribute, values, measured)


def large_enough(values: npt.NDArray[Any], patients: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], str]:
    """Groups (N,) without those of few patients, and a sentence on these, empty where there is none."""
    counts = pd.Series(patients).groupby(values).nunique()
    small = sorted(map(str, counts.index[counts < SMALLEST]))
    kept = values.copy()
    kept[np.isin(values.astype(str), small)] = None
    told = f"left out, with fewer than {SMALLEST} patients: {shortened(small)}" if small else ""
    return kept, told


def _truth(table: PredictionTable) -> tuple[Floats, Floats]:
    return table.truth, table.scores


def _rates(
    part: Scored, labels: tuple[str, ...], measured: GroupMetrics, name: str, cuts: Floats | None
) -> Iterator[MetricRow]:
    """Rates of one group at the thresholds that are the same for all groups."""
    if cuts is None:
        return
    counted = Denominators(as_table(part, labels))
    for metric in RATES:
        found = measured.group(metric, name)
        told = [None if np.isnan(cut) else float(cut) for cut in cuts]
        for row in rows_of(labels, metric, found, counted, None, told):
            yield MetricRow(**identity(part).as_json(), **row.as_json())


def family_rows(
    scored: Scored, attribute: str, values: npt.NDArray[Any], measured: GroupMetrics
) -> Iterator[MetricRow]:
    """Each group of three or more minus the largest one in macro AUROC: one family, whose p are adjusted by Holm."""
    sizes = pd.Series(scored.split.patient_ids).groupby(values).nunique()
    if len(sizes) < 3:
        return
    largest = str(sizes.idxmax())
    others = [name for name in measured.names if name != largest]
    found = [measured.macro("auroc", name, largest) for name in others]
    part = of_rows(scored, known(values))
    for name, difference, p_holm in zip(others, found, adjusted_p([one.p for one in found]), strict=True):
        p = ""
        if difference.p is not None and p_holm is not None:
            p = f"; {p_equals(difference.p)}, by Holm over the groups of {attribute} {p_text(p_holm)}"
        note = "; ".join(filter(None, (f"{name} minus {largest}, the largest group{p}", difference.note)))
        ends = difference.low, difference.high, difference.percentile_low, difference.percentile_high
        row = _plain(
            part, MetricValue(scored.split.name, MACRO, "auroc_against_largest", difference.value, note, *ends)
        )
        yield row.but(subgroup=f"{attribute}={name}", p=difference.p, p_holm=p_holm)


def of_rows(scored: Scored, rows: npt.NDArray[np.bool_]) -> Scored:
    """Predictions of some of the images."""
    predictions = replace(scored.predictions, scores=scored.predictions.scores[rows])
    return replace(scored, split=restricted(scored.split, rows), predictions=predictions)


def gap_rows(
    scored: Scored,
    attribute: str,
    values: npt.NDArray[Any],
    rows: Sequence[MetricRow],
    labels: tuple[str, ...],
    measured: GroupMetrics,
    left: str = "",
) -> Iterator[MetricRow]:
    """The highest minus the lowest group of each finding and metric, over groups that have an interval.

    A group with too few patients for an interval would make the gap by chance alone. Where the groups' macro means hold
    different findings, the gap is of the mean over those that all of them hold, and the note says which. The interval
    is of the difference between the two groups that the note names, both measured on the same resamples of patients;
    that they are the extreme ones of several is not in it.

    Args:
        scored: predictions of the whole split.
        attribute: ``sex``.
        values: (N,) the group of every image, None where unknown.
        rows: of the groups, by :func:`subgroup_rows`.
        labels: the L findings.
        measured: all groups on the same resamples of patients.
        left: what is told of groups that are left out.
    """
    part = of_rows(scored, known(values))
    for label, metric in dict.fromkeys((row.label, row.metric) for row in rows):
        found = compared(rows, label, metric)
        gap, note = Difference(None), "fewer than two groups with an interval"
        if len(found.values) > 1 and not found.labels:
            note = "the groups' macro means share no finding"
        elif len(found.values) > 1:
            low, high = (pick(found.values, key=lambda name: found.values[name]) for pick in (min, max))
            first, second = (name.removeprefix(f"{attribute}=") for name in (high, low))
            columns = [labels.index(name) for name in found.labels]
            if label == MACRO:
                gap = measured.macro(metric, first, second, columns if found.note else None)
            else:
                gap = measured.label(metric, first, second, columns[0])
            extreme = f", the extremes of {len(found.values)} groups" if len(found.values) > 2 else ""
            note = f"{high} minus {low}{extreme}"
        told = "; ".join(text for text in (note, found.note, gap.note, left) if text)
        ends = gap.low, gap.high, gap.percentile_low, gap.percentile_high
        row = _plain(part, MetricValue(scored.split.name, label, f"{metric}_gap", gap.value, told, *ends))
        over = {"macro_labels": found.labels} if label == MACRO else {}
        yield row.but(subgroup=attribute, **over)


@dataclass(frozen=True)
class Compared:
    """The groups of one gap.

    Attributes:
        values: of the groups that have an interval, each a mean over ``labels``.
        labels: the findings that all of them hold.
        note: which these are, where the groups hold different ones.
    """

    values: Mapping[str, float]
    labels: tuple[str, ...]
    note: str = ""


def compared(rows: Sequence[MetricRow], label: str, metric: str) -> Compared:
    """The groups with an interval of a finding, or of the macro mean over the findings that all of them hold.

    Where no finding is held by all, the groups with the fewest are left out until there is one: a small group, whose
    few patients have other findings, must not hide the gap of the others.
    """
    of_metric = [row for row in rows if row.metric == metric]
    found = [row for row in of_metric if row.label == label and row.ci_low is not None]
    values = {row.subgroup: float(row.value) for row in found if row.value is not None}
    held = {row.subgroup: row.macro_labels or (label,) for row in found}
    if len(set(held.values())) < 2:
        return Compared(values, *set(held.values()) or ((),))
    kept = dict(sorted(held.items(), key=lambda item: -len(item[1])))
    while len(kept) > 2 and not _shared(kept):
        kept.popitem()
    every, shared = dict.fromkeys(name for names in kept.values() for name in names), _shared(kept)
    if not shared:
        return Compared(values, ())
    of_label = {(row.subgroup, row.label): row.value for row in of_metric if row.value is not None}
    means = {group: float(np.mean([of_label[group, name] for name in shared])) for group in values if group in kept}
    count = f"over {len(shared)} of {len(every)} findings, which all {len(kept)} groups hold: {', '.join(shared)}"
    fewer = [group for group in values if group not in kept]
    left = f"; left out, for they hold none of these: {', '.join(fewer)}" if fewer else ""
    return Compared(means, shared, count + left)


def _shared(held: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What all hold, in the order of the first."""
    first, *others = held.values()
    return tuple(name for name in first if all(name in names for names in others))


def group_metrics(
    scored: Scored, values: npt.NDArray[Any], replicates: int, cuts: Floats | None = None
) -> GroupMetrics:
    """Metrics of all groups (N,) on the same resamples of patients."""
    scores = np.asarray(scored.predictions.scores, dtype=np.float64)
    truth = np.where(fitted(scores), scored.split.labels, np.nan).astype(np.float64)
    return GroupMetrics(
        truth, np.nan_to_num(scores), values, sorted(set(values[known(values)])),
        patients=scored.split.patient_ids, replicates=replicates, seed=scored.origin.seed, cuts=cuts,
    )  # fmt: skip


def _plain(scored: Scored, metric: MetricValue) -> MetricRow:
    predictions = scored.predictions
    rest = {"settings": dict(predictions.settings), "fraction": predictions.fraction, "draw": predictions.draw}
    return plain_row(scored.origin, scored.split, metric).but(**rest)
