"""What a reader must know of the numbers of one setting: their unit, chance, and the findings of their means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ssl_bench.comparison.beside import others, unmeasured
from ssl_bench.comparison.group_comparison import GroupComparison
from ssl_bench.comparison.run import Setting
from ssl_bench.errors import shortened
from ssl_bench.report.run_tables import METRICS
from ssl_bench.stats.measures import Gauge
from ssl_bench.stats.predictions import IMAGES


def headings_of(asked: Sequence[Gauge]) -> dict[str, str]:
    """The heading of every metric: AUROC, AUPRC, and those beside."""
    return {**METRICS, **{gauge.name: gauge.component.title for gauge in others(asked)}}


def at(setting: Setting) -> str:
    """The dataset of a column, and where its head was fitted if not there."""
    _, dataset, fitted_on = setting
    return f"{dataset}{f' (fitted on {fitted_on})' if fitted_on != dataset else ''} "


def held_notes(comparison: GroupComparison) -> list[str]:
    """The unit and chance of a place's numbers; which findings its means are over, if not all, and means over all."""
    return [
        *unit_notes(comparison),
        *chance_notes(comparison),
        *_held_notes(comparison, ("auroc", "auprc")),
        *(note for gauge in comparison.asked for note in _asked_notes(comparison, gauge)),
    ]


def _asked_notes(comparison: GroupComparison, gauge: Gauge) -> Iterator[str]:
    """Which rows have no value of a metric and why, and its findings, where they are not those of AUROC."""
    where = f"by {comparison.setting[0]} on {at(comparison.setting).strip()}"
    lacking: dict[str, list[str]] = {}
    for line in comparison.lines:
        if not comparison.has(line, gauge.name):
            why = (unmeasured(comparison.table(run), gauge) for run in line.runs.values())
            lacking.setdefault(next(filter(None, why)), []).append(line.name)
    for reason, names in lacking.items():
        yield f"No {gauge.name} {where} of {shortened(names)}: {reason}."
    if comparison.held(gauge.name) and comparison.held(gauge.name) != comparison.held():
        yield from _held_notes(comparison, (gauge.name,), f"{gauge.component.title}: macro")


def _held_notes(comparison: GroupComparison, metrics: Sequence[str], called: str = "Macro") -> list[str]:
    held, defined = comparison.held(metrics[0]), comparison.defined(metrics[0])
    if len(held) == len(comparison.known):
        return []
    lacking = [label for label in comparison.known if label not in comparison.labels]
    empty = [label for label in comparison.labels if label not in defined]
    few = [label for label in defined if label not in held]
    no_value = "of one class" if metrics[0] in METRICS else "without a value in every row"
    why = [f"{what}: {shortened(labels)}" for what, labels in (
        ("not in all rows", lacking), (no_value, empty),
        (f"fewer than {comparison.fewest} positive or negative patients", few)) if labels]  # fmt: skip
    where = f"{comparison.setting[0]} on {at(comparison.setting).strip()}"
    notes = [
        f"{called} means by {where} are over {len(held)} of {len(comparison.known)} findings ({shortened(held)}); "
        f"{'; '.join(why)}."
    ]
    if few:
        headings = headings_of(comparison.asked)
        told = [f"{line.name} {headings[metric]} {np.mean(comparison.values(line, metric, every=True)):.3f}"
                for line in comparison.lines for metric in metrics if comparison.has(line, metric)]  # fmt: skip
        notes.append(f"Means by {where} over all {len(defined)} findings with a value, point estimates "
                     f"without an interval: {shortened(told, 20)}.")  # fmt: skip
    return notes


def unit_notes(comparison: GroupComparison) -> list[str]:
    """What is counted at a setting, where it is not images."""
    aggregate, where = comparison.first.aggregate, f"{comparison.setting[0]} on {at(comparison.setting).strip()}"
    return [] if aggregate == IMAGES else [f"Unit of {where}: the study, scored by the {aggregate} of its images."]


def chance_notes(comparison: GroupComparison) -> list[str]:
    """The macro AUPRC of scores that say nothing: the mean prevalence among the images whose label is known."""
    chance, where = (
        comparison.chance(comparison.held("auprc"), "auprc"),
        f"{comparison.setting[0]} on {at(comparison.setting).strip()}",
    )
    return [] if chance is None else [f"Chance of macro AUPRC by {where}: {chance:.3f}, the mean prevalence."]
