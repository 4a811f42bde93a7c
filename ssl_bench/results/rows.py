"""Rows of the record: predictions become metrics with intervals, and pairs of encoders become differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.errors import DataError, PluginError, shortened
from ssl_bench.plugin.contracts import MetricValue, Predictions, Split
from ssl_bench.results.row import MACRO, Comparison, Measurement, MetricRow, RowIdentity
from ssl_bench.stats.bootstrap import patient_rows
from ssl_bench.stats.intervals import (
    FEWEST,
    Difference,
    Interval,
    MetricIntervals,
    difference,
    measure,
    measure_difference,
    supports,
    with_intervals,
)
from ssl_bench.stats.measures import Gauge, measured
from ssl_bench.stats.predictions import IMAGES, PredictionTable, fitted, unit_of

CONSTANT = "constant features"
"""The note of a number of an encoder that gives every image the same features."""

GUESSES = "gives every image the same features, so it guesses"
"""Why a row of such an encoder is compared with nothing."""

UNCOUNTED = ("n_known", "n_known_patients", "n_positive", "n_positive_patients", "n_negative", "n_negative_patients")
"""Counts that a number has none of where an evaluator gave it directly."""


@dataclass(frozen=True)
class Origin:
    """What all rows of one set of predictions share; ``aggregate`` is how images of a study were joined, if at all."""

    encoder: str
    dataset: str
    fitted_on: str
    protocol: str
    seed: int
    unit: str = unit_of(IMAGES)
    aggregate: str = IMAGES


@dataclass(frozen=True)
class Scored:
    """Predictions with the split they are for."""

    origin: Origin
    split: Split
    predictions: Predictions


def split_of(known: Mapping[str, Split], origin: Origin, name: str) -> Split:
    """The split that a protocol's result is of.

    Raises:
        PluginError: there is none of this name.
    """
    if name not in known:
        raise PluginError(f"protocol '{origin.protocol}' gave a result of split '{name}', expected {', '.join(known)}")
    return known[name]


def check_scores(scored: Scored, labels: tuple[str, ...]) -> None:
    """Scores fit the split and are finite, but for labels that could not be fitted at all.

    Raises:
        PluginError: they are of fewer or more images, or of other labels.
        DataError: naming the images whose scores are not finite.
    """
    scores, split = scored.predictions.scores, scored.split
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise PluginError(
            f"protocol '{scored.origin.protocol}' gave scores of shape {scores.shape} for {len(split.labels)} images "
            f"and {len(labels)} labels of split '{split.name}'"
        )
    check_images(scored, len(split.labels))
    bad = ~np.isfinite(scores[:, fitted(scores)]).all(axis=1)
    if bad.any():
        raise DataError(
            f"protocol '{scored.origin.protocol}' gave non-finite scores for {int(bad.sum())} images of split "
            f"'{split.name}': {shortened(split.image_ids[bad].tolist())}; correct it, or leave it out of --eval"
        )


def check_images(scored: Scored, expected: int) -> None:
    """No image is left out of a split, and none counts twice.

    Args:
        scored: with one row of scores for each image.
        expected: images of the split in the manifest, without those that were quarantined.

    Raises:
        PluginError: there are fewer or more.
    """
    found = len(scored.predictions.scores)
    if found != expected:
        raise PluginError(
            f"protocol '{scored.origin.protocol}' scored {found} images of split '{scored.predictions.split}', "
            f"expected {expected}: a protocol scores every image of a split once"
        )


def as_table(scored: Scored, labels: tuple[str, ...]) -> PredictionTable:
    """Predictions of a protocol in the form of anybody's."""
    split = scored.split
    truth, scores = (np.asarray(values, dtype=np.float64) for values in (split.labels, scored.predictions.scores))
    aggregate = scored.origin.aggregate
    return PredictionTable(
        labels, split.image_ids, split.patient_ids, truth, scores, split.study_ids, aggregate=aggregate
    )


def prediction_frame(table: PredictionTable) -> pd.DataFrame:
    """Per-image predictions: identifiers (of the study, where it is known), ``y_<label>`` and ``p_<label>``."""
    columns: dict[str, Any] = {"image_id": table.ids, "patient_id": table.patients}
    columns |= {} if table.studies is None else {"study_id": table.studies}
    columns |= {f"y_{label}": table.truth[:, column] for column, label in enumerate(table.labels)}
    columns |= {f"p_{label}": table.scores[:, column] for column, label in enumerate(table.labels)}
    return pd.DataFrame(columns)


def metric_rows(
    scored: Scored,
    labels: tuple[str, ...],
    replicates: int,
    metrics: Sequence[Gauge] = (),
    validation: PredictionTable | None = None,
) -> Iterator[MetricRow]:
    """Rows of one protocol's predictions: AUROC, AUPRC, and those of ``metrics`` that apply to them."""
    table = replace(as_table(scored, labels), validation=validation)
    if not scored.predictions.probabilities:
        metrics = [gauge for gauge in metrics if gauge.component.needs != "probabilities"]
    chosen_on = scored.origin.fitted_on if scored.origin.fitted_on != scored.origin.dataset else ""
    for row in table_rows(table, replicates, scored.origin.seed, metrics):
        note = row.note
        if chosen_on and "threshold" in row.model_fields_set and row.value is not None:
            note = "; ".join(filter(None, (note, f"threshold chosen on validation images of {chosen_on}")))
        yield MetricRow(**identity(scored).as_json(), **row.but(note=note).as_json())


def table_rows(
    table: PredictionTable, replicates: int, seed: int, metrics: Sequence[Gauge] = ()
) -> Iterator[Measurement]:
    """One row for each label and the macro mean, for each metric."""
    denominators = Denominators(table)
    scores, base = np.nan_to_num(table.scores), supports(table.known, table.patients)
    found = measure(table.known, scores, patients=table.patients, replicates=replicates, seed=seed)
    for name, of_metric in found.items():
        yield from rows_of(table.labels, name, of_metric, denominators, CHANCE[name])
    others = [gauge for gauge in metrics if gauge.name not in found]
    for name, (values, drawn) in measured(table, others, replicates, seed).items():
        gauge = next(gauge for gauge in others if gauge.name == name)
        on = [support.on(gauge.component.rests_on) for support in base]
        of_metric = with_intervals(values, drawn, on, FEWEST, unit=gauge.component.bounds == "unit")
        cuts = gauge.thresholds(table) if gauge.component.threshold else None
        yield from rows_of(table.labels, name, of_metric, denominators, gauge.component.chance, cuts)


CHANCE: Mapping[str, float | Literal["prevalence"]] = {"auroc": 0.5, "auprc": "prevalence"}
"""AUROC and AUPRC of scores that say nothing."""


def rows_of(
    labels: Sequence[str],
    metric: str,
    found: MetricIntervals,
    denominators: Denominators,
    chance: float | Literal["prevalence"] | None,
    cuts: Sequence[float | None] | None = None,
) -> Iterator[Measurement]:
    """One row for each label and the macro mean, of one metric; ``cuts`` are the thresholds of the labels."""
    for k, (label, interval) in enumerate(zip(labels, found.labels, strict=True)):
        told = {**_interval(interval), **denominators.of((k,), chance)}
        if cuts is not None:
            told |= _cut(cuts[k], interval.note)
        yield Measurement(label=label, metric=metric, **told)
    held, every = ([labels[k] for k in columns] for columns in (found.held, found.defined))
    yield Measurement(
        label=MACRO, metric=metric, **_interval(found.macro), **denominators.of(found.held, chance),
        macro_labels=tuple(held), value_all=found.whole, all_labels=tuple(every),
    )  # fmt: skip


def _cut(threshold: float | None, note: str) -> dict[str, Any]:
    """The threshold of a row and its note; one beyond every score is no number that a record can hold."""
    if threshold is None:
        return {"threshold": None, "note": "no threshold: validation holds one class alone"}
    if np.isfinite(threshold):
        return {"threshold": threshold, "note": note}
    told = f"the threshold lies {'above' if threshold > 0 else 'below'} every score"
    return {"threshold": None, "note": "; ".join(filter(None, (note, told)))}


class Denominators:
    """What numbers of some predictions are of: images and patients, those with a known label, and by class.

    Of several labels an image is known where one of them is, positive where one of them is, and else negative; a
    patient is positive with a positive image and negative with a negative one.
    """

    def __init__(self, table: PredictionTable) -> None:
        self.known = table.known
        self.patient, sizes = patient_rows(table.patients, len(table.ids))
        self.whole = {"n_images": len(table.ids), "n_patients": len(sizes)}
        self._found: dict[tuple[int, ...], dict[str, Any]] = {}

    def of(self, columns: tuple[int, ...], chance: float | Literal["prevalence"] | None) -> dict[str, Any]:
        """Counts of some labels together, and the chance level of a number; prevalences of several are averaged."""
        if columns not in self._found:
            self._found[columns] = self._counted(self.known[:, list(columns)])
        counts = dict(self._found[columns])
        prevalence = counts.pop("prevalence")
        return {**self.whole, **counts, "chance": prevalence if chance == "prevalence" else chance}

    def _counted(self, known: npt.NDArray[np.float64]) -> dict[str, Any]:
        told, positive = ~np.isnan(known), (known == 1).any(axis=1)
        images = {"known": told.any(axis=1), "positive": positive, "negative": told.any(axis=1) & ~positive}
        counts: dict[str, Any] = {}
        for name, rows in images.items():
            patients = np.count_nonzero(np.bincount(self.patient[rows]))
            counts |= {f"n_{name}": int(rows.sum()), f"n_{name}_patients": int(patients)}
        shares = [column[~np.isnan(column)].mean() for column in known.T if (~np.isnan(column)).any()]
        return {**counts, "prevalence": float(np.mean(shares)) if shares else None}


def plain_row(origin: Origin, split: Split, metric: MetricValue) -> MetricRow:
    """The row of a number that an evaluator gave directly.

    Raises:
        DataError: it is not finite.
    """
    if metric.value is not None and not np.isfinite(metric.value):
        raise DataError(
            f"protocol '{origin.protocol}' gave {metric.metric} = {metric.value} for '{metric.label}' of split "
            f"'{metric.split}'; where it is undefined it must give none, with a note"
        )
    ends = map(_number, (metric.ci_low, metric.ci_high, metric.percentile_low, metric.percentile_high))
    low, high, percentile_low, percentile_high = ends
    interval = _interval(Interval(_number(metric.value), low, high, percentile_low, percentile_high, note=metric.note))
    size = {"n_images": len(split.labels), "n_patients": len(set(split.patient_ids)), **dict.fromkeys(UNCOUNTED)}
    return MetricRow(
        **asdict(origin), split=metric.split, subgroup="all", fraction=1.0, draw=0, settings={},
        label=metric.label, metric=metric.metric, **interval, **size, chance=None,
    )  # fmt: skip


def _number(value: float | None) -> float | None:
    """A number of whatever library as one that JSON knows."""
    return value if value is None or isinstance(value, int) else float(value)


def difference_rows(
    first: Scored,
    second: Scored,
    labels: tuple[str, ...],
    replicates: int,
    metrics: Sequence[Gauge] = (),
    validation: tuple[PredictionTable | None, PredictionTable | None] = (None, None),
) -> Iterator[Comparison]:
    """First encoder minus second, of one protocol in one run."""
    shared = {**identity(first).as_json(), "against": second.origin.encoder}
    pair = [replace(as_table(one, labels), validation=chosen)
            for one, chosen in zip((first, second), validation, strict=True)]  # fmt: skip
    if not (first.predictions.probabilities and second.predictions.probabilities):
        metrics = [gauge for gauge in metrics if gauge.component.needs != "probabilities"]
    for row in table_differences(pair[0], pair[1], replicates, first.origin.seed, metrics=metrics):
        yield Comparison(**shared, **row.as_json())


def table_differences(
    first: PredictionTable,
    second: PredictionTable,
    replicates: int,
    seed: int,
    fewest: int = FEWEST,
    metrics: Sequence[Gauge] = (),
) -> Iterator[Comparison]:
    """First minus second on the same rows and the same resamples of patients, for each label and the macro mean."""
    known = np.where(np.isnan(first.known), np.nan, second.known)
    pair = np.nan_to_num(first.scores), np.nan_to_num(second.scores)
    found = measure_difference(known, *pair, patients=first.patients, replicates=replicates, seed=seed, fewest=fewest)
    others = [gauge for gauge in metrics if gauge.name not in found]
    if others:
        base = supports(known, first.patients)
        drawn = [measured(replace(table, truth=known), others, replicates, seed) for table in (first, second)]
        for gauge in (gauge for gauge in others if all(gauge.name in part for part in drawn)):
            (values_a, drawn_a), (values_b, drawn_b) = (part[gauge.name] for part in drawn)
            on = [support.on(gauge.component.rests_on) for support in base]
            found[gauge.name] = difference(values_a - values_b, drawn_a - drawn_b, on, fewest)
    for metric, of_metric in found.items():
        for label, interval in (*zip(first.labels, of_metric.labels, strict=True), (MACRO, of_metric.macro)):
            p = interval.p if isinstance(interval, Difference) else None
            yield Comparison(metric=metric, label=label, **_interval(interval), p=p)


def identity(scored: Scored) -> RowIdentity:
    """What all rows of one set of predictions on all images share."""
    predictions = scored.predictions
    return RowIdentity(
        **asdict(scored.origin),
        split=predictions.split,
        subgroup="all",
        fraction=predictions.fraction,
        draw=predictions.draw,
        settings=dict(predictions.settings),
    )


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "percentile_low": interval.percentile_low,
        "percentile_high": interval.percentile_high,
        "note": interval.note,
    }
