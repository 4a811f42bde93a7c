"""Metrics beside AUROC and AUPRC, at one place of comparison: measured of kept predictions. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from ssl_bench.results.rows import CHANCE
from ssl_bench.stats.bootstrap import Floats
from ssl_bench.stats.intervals import NAMES, Support
from ssl_bench.stats.measures import Gauge, measured
from ssl_bench.stats.predictions import PredictionTable
from ssl_bench.stats.resampled import Resampled

SIGNS = {"higher": 1, "lower": -1, "target": 0}


def others(asked: Sequence[Gauge]) -> tuple[Gauge, ...]:
    """Those that are not shown anyway."""
    return tuple(gauge for gauge in asked if gauge.name not in NAMES)


def beside(table: PredictionTable, asked: Sequence[Gauge]) -> dict[str, Floats]:
    """Every metric of all labels (L,); NaN where it does not apply to the predictions."""
    found, nothing = measured(table, asked, 0, 0), np.full(len(table.labels), np.nan)
    return {gauge.name: found[gauge.name][0] if gauge.name in found else nothing for gauge in asked}


def beside_drawn(
    table: PredictionTable,
    asked: Sequence[Gauge],
    replicates: int,
    points: Mapping[str, Floats],
    base: Sequence[Support],
) -> dict[str, Resampled]:
    """The same with resamples of patients, which are those of AUROC and AUPRC.

    Args:
        table: predictions.
        asked: metrics.
        replicates: resamples.
        points: their values (L,).
        base: what the labels rest on.
    """
    found, nothing = measured(table, asked, replicates, 0), np.full((replicates, len(table.labels)), np.nan)
    return {
        gauge.name: Resampled(
            table.labels, points[gauge.name], found[gauge.name][1] if gauge.name in found else nothing,
            tuple(support.on(gauge.component.rests_on) for support in base),
        )
        for gauge in asked
    }  # fmt: skip


def direction(asked: Sequence[Gauge], metric: str) -> int:
    """1 where a higher value of a metric is better, -1 where a lower one is, 0 where one near to an ideal is."""
    return next((SIGNS[gauge.component.better] for gauge in asked if gauge.name == metric), 1)


def chance(asked: Sequence[Gauge], metric: str) -> float | Literal["prevalence"] | None:
    """The value of a metric for scores that say nothing."""
    return next((gauge.component.chance for gauge in asked if gauge.name == metric), CHANCE.get(metric))


def ideal(asked: Sequence[Gauge], metric: str) -> float:
    """The value of a perfect model."""
    return next((gauge.component.ideal for gauge in asked if gauge.name == metric), 1.0)


def unmeasured(table: PredictionTable, gauge: Gauge) -> str:
    """Why predictions have no value of a metric."""
    if gauge.component.needs == "probabilities" and not table.probabilities:
        return "its scores are no probabilities"
    if gauge.component.threshold and table.validation is None:
        return "no predictions of validation images are kept, on which a threshold is chosen"
    return "no finding has a value"
