"""Metrics of plugins on resamples of patients: a metric says what it is on a weighted sample, and the core draws them.

The resamples are those of :func:`ssl_bench.stats.bootstrap.bootstrap`, so metrics of one run, and one metric of two
runs on the same patients, vary together. AUROC and AUPRC themselves take the faster way of that function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssl_bench.config.config import METRICS, split_names
from ssl_bench.errors import PluginError
from ssl_bench.plugin.components import MetricSpec
from ssl_bench.plugin.metrics import Measure
from ssl_bench.plugin.options import Options
from ssl_bench.stats.bootstrap import Floats, bootstrap, patient_rows, point, resamples
from ssl_bench.stats.intervals import NAMES
from ssl_bench.stats.predictions import PredictionTable
from ssl_bench.stats.sample import Draws, Finding, Sample

Drawn = tuple[Floats, Floats]
"""A metric of every label ``(L,)``, and on resamples of patients ``(R, L)``."""


@dataclass(frozen=True)
class Gauge:
    """A metric with its options, ready to measure.

    Args:
        component: its descriptor.
        options: checked.
    """

    component: MetricSpec
    options: Options

    @property
    def name(self) -> str:
        """As rows of a record have it."""
        return self.component.name

    def build(self) -> Measure:
        """The target with its options."""
        return self.component.load()(self.options)  # type: ignore[no-any-return]

    def applies(self, table: PredictionTable) -> bool:
        """Whether the metric is defined for such predictions at all."""
        probabilities = table.probabilities or self.component.needs != "probabilities"
        return probabilities and (table.validation is not None or not self.component.threshold)

    def thresholds(self, table: PredictionTable) -> list[float | None]:
        """One for each label of a table, chosen on its validation images; None where there is none to choose."""
        if not self.component.threshold or table.validation is None:
            return [None] * len(table.labels)
        measure, chosen = self.build(), table.validation.select(table.labels)
        return [_threshold(measure, *pair) for pair in zip(chosen.truth.T, chosen.scores.T, strict=True)]


def _threshold(measure: Measure, truth: Floats, scores: Floats) -> float | None:
    known = ~np.isnan(truth) & ~np.isnan(scores)
    if not (truth[known] == 1).any() or not (truth[known] == 0).any():
        return None
    return float(measure.choose(truth[known], scores[known]))


def gauges(registry: Any, names: Iterable[str], options: Mapping[str, Mapping[str, Any]] = {}) -> tuple[Gauge, ...]:
    """Metrics by their names.

    Args:
        registry: of the installed plugins.
        names: of metrics.
        options: of some of them.

    Raises:
        UsageError: an unknown name, with the nearest, or an option that is wrong.
    """
    return tuple(
        Gauge(registry.get(MetricSpec.kind, name), registry.options(MetricSpec.kind, name, options.get(name, {})))
        for name in dict.fromkeys(names)
    )


def usual(registry: Any, names: str | Sequence[str] | None) -> tuple[Gauge, ...]:
    """Metrics by name, or comma-separated as on a command line; where none are, the usual ones that are installed.

    Raises:
        UsageError: an unknown name, with the nearest.
    """
    offered = registry.names(MetricSpec.kind)
    return gauges(registry, [name for name in METRICS if name in offered] if names is None else split_names(names))


def measured(table: PredictionTable, asked: Sequence[Gauge], replicates: int, seed: int) -> dict[str, Drawn]:
    """Every metric that applies to the predictions, of all labels, on the images as they are and on resamples.

    Raises:
        DataError: as :func:`ssl_bench.stats.bootstrap.bootstrap`.
        PluginError: a metric gives something else than a number for each resample.
    """
    truth, scores = table.known, np.nan_to_num(table.scores)
    found: dict[str, Drawn] = {}
    if any(gauge.name in NAMES for gauge in asked):
        drawn = bootstrap(truth, scores, patients=table.patients, replicates=replicates, seed=seed)
        found |= dict(zip(NAMES, zip(point(truth, scores), drawn, strict=True), strict=True))
    others = [gauge for gauge in asked if gauge.name not in NAMES and gauge.applies(table)]
    if others:
        found |= _resampled(table, truth, scores, others, replicates, seed)
    return {gauge.name: found[gauge.name] for gauge in asked if gauge.name in found}


def _resampled(
    table: PredictionTable, truth: Floats, scores: Floats, asked: Sequence[Gauge], replicates: int, seed: int
) -> dict[str, Drawn]:
    patient, sizes = patient_rows(table.patients, len(truth))
    size = truth.shape[1]
    values = {gauge.name: np.full(size, np.nan) for gauge in asked}
    drawn = {gauge.name: np.full((replicates, size), np.nan) for gauge in asked}
    built = [(gauge, gauge.build(), gauge.thresholds(table)) for gauge in asked]
    work: list[tuple[int, Gauge, Measure, Finding]] = []
    for k in range(size):
        known = ~np.isnan(truth[:, k])
        for gauge, measure, thresholds in built if known.any() else ():
            if thresholds[k] is not None or not gauge.component.threshold:
                finding = Finding(truth[known, k], scores[known, k], patient[known], len(sizes), thresholds[k])
                work.append((k, gauge, measure, finding))
    once = Draws(np.ones((len(sizes), 1), np.int64))
    for k, gauge, measure, finding in work:
        values[gauge.name][k] = _values(gauge, measure, finding, once)[0]
    for chunk, times in resamples(sizes, replicates, seed):
        draws = Draws(times)
        for k, gauge, measure, finding in work:
            if np.isfinite(values[gauge.name][k]):
                drawn[gauge.name][chunk, k] = _values(gauge, measure, finding, draws)
    return {name: (values[name], drawn[name]) for name in values}


def _values(gauge: Gauge, measure: Measure, finding: Finding, draws: Draws) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = np.asarray(measure.values(Sample(finding, draws)), np.float64)
    expected = (draws.times.shape[1],)
    if found.shape != expected:
        raise PluginError(
            f"metric '{gauge.name}' must give a number for each of {expected[0]} resamples, found {found.shape}"
        )
    return np.where(np.isfinite(found), found, np.nan)
