"""Evaluation protocols on every encoder of a run: embed, score, keep, measure, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ssl_bench.build.modules import build_fusion
from ssl_bench.build.prepared import PreparedData, PreparedExternal
from ssl_bench.data.subsets import Subset, subsets
from ssl_bench.errors import PluginError
from ssl_bench.evaluate.embedder import Embedder
from ssl_bench.evaluate.fittings import Fitting, ScoredPart, fittings
from ssl_bench.evaluate.notices import Notices
from ssl_bench.plan.parts import ResolvedComponent
from ssl_bench.plan.plan import Plan
from ssl_bench.plugin.contracts import Backbone, MetricValue, Predictions
from ssl_bench.plugin.names import TRAINED as TRAINED
from ssl_bench.results.describe import without_encoder
from ssl_bench.results.row import Comparison, MetricRow
from ssl_bench.results.rows import (
    Origin,
    Scored,
    as_table,
    check_images,
    check_scores,
    difference_rows,
    identity,
    metric_rows,
    plain_row,
    prediction_frame,
    split_of,
)
from ssl_bench.results.rundir import RunDirectory, prediction_file
from ssl_bench.results.studies import of_studies
from ssl_bench.results.subgroups import subgroup_rows
from ssl_bench.stats.measures import Gauge
from ssl_bench.stats.predictions import IMAGES, PredictionTable, in_unit_of


def evaluate(
    plan: Plan,
    run: RunDirectory,
    encoders: Mapping[str, Backbone],
    prepared: PreparedData,
    stage: Callable[[str], None],
    *,
    reuse: bool = False,
    externals: Sequence[PreparedExternal] = (),
) -> tuple[list[MetricRow], list[Comparison]]:
    """Metric rows of every encoder and protocol, and the differences of the trained encoder to the baselines.

    Args:
        plan: names protocols and label fractions.
        run: where embeddings and predictions are kept.
        encoders: by their name in the table.
        prepared: prepared images and cohort.
        stage: told which encoder is evaluated, what a protocol cannot do and what it warns of.
        reuse: take the embeddings that the run directory holds.
        externals: other datasets to test on.
    """
    settings = plan.config.evaluate
    metrics = tuple(Gauge(part.component, part.options) for part in plan.parts.metrics)
    found = Found(run, settings.replicates, Notices(stage), frozenset(without_encoder(plan)), metrics,
                  plan.aggregates)  # fmt: skip
    for encoder, network in encoders.items():
        stage(f"evaluating the {encoder} encoder: {', '.join(settings.protocols)}")
        joins, schema = plan.parts.joins, plan.schema if plan.schema.features else None
        fusion = partial(build_fusion, joins) if joins else None
        limit = plan.config.data.pixel_limit
        embedder = Embedder(encoder, network, run, settings.batch_size, reuse, limit, schema, fusion, settings.withhold)
        for fitting in fittings(embedder, prepared, externals, plan.config.seed):
            for subset in subsets(fitting.context, settings.label_fractions, settings.label_draws):
                for chosen in due(plan.parts.evaluators, subset, settings.label_fractions):
                    origin = Origin(encoder, fitting.dataset, fitting.dataset, chosen.name, plan.config.seed)
                    found.add(_results(chosen, origin, subset), chosen.name, fitting)
    return found.rows, found.differences()


def due(
    evaluators: Sequence[ResolvedComponent], subset: Subset, fractions: Sequence[float]
) -> Iterator[ResolvedComponent]:
    """The protocols to run on a subset: those that fit nothing see one only, the first of the largest share."""
    once = subset.fraction == max(fractions) and subset.draw == 0
    return (chosen for chosen in evaluators if chosen.component.fits or once)


def embed_together(
    plan: Plan,
    run: RunDirectory,
    encoders: Mapping[str, Backbone],
    prepared: PreparedData,
    stage: Callable[[str], None],
    externals: Sequence[PreparedExternal] = (),
) -> None:
    """Embed everything by every encoder on all processes; the first one keeps the result in the run directory."""
    for name, network in encoders.items():
        stage(f"embedding by the {name} encoder")
        settings = plan.config
        embedder = Embedder(name, network, run, settings.evaluate.batch_size, pixel_limit=settings.data.pixel_limit,
                            withhold=settings.evaluate.withhold)  # fmt: skip
        for _ in fittings(embedder, prepared, externals, plan.config.seed):
            pass  # embedding is what makes them


@dataclass
class Found:
    """Rows of the record as protocols yield their results, and the predictions that encoders are compared on.

    Args:
        run: where predictions are kept.
        replicates: resamples of patients.
        notices: told what a protocol cannot do and what it warns of.
        blind: protocols that look at no encoder: there is nothing to compare by them.
        metrics: of whole test splits beside AUROC and AUPRC.
        aggregates: how images of a study are joined, by dataset; those that are not named are scored by image.
    """

    run: RunDirectory
    replicates: int
    notices: Notices
    blind: frozenset[str] = frozenset()
    metrics: Sequence[Gauge] = ()
    aggregates: Mapping[str, str] = field(default_factory=dict)
    rows: list[MetricRow] = field(default_factory=list)
    scored: dict[tuple[Any, ...], tuple[Scored, tuple[str, ...], PredictionTable | None]] = field(default_factory=dict)

    def add(self, results: Iterable[Scored | MetricRow], protocol: str, fitting: Fitting) -> None:
        """Everything that one protocol yields for one training set.

        Raises:
            PluginError: a split was not predicted once and as a whole.
        """
        predicted: dict[str, Scored] = {}
        with self.notices.of(protocol):  # results are computed as they are asked for
            for item in results:
                if isinstance(item, Scored):
                    name = item.predictions.split
                    if name in predicted:
                        raise PluginError(f"protocol '{protocol}' scored split '{name}' twice, expected one prediction")
                    if name in fitting.images:
                        check_images(item, fitting.images[name])
                    predicted[name] = item
                elif item.split not in fitting.images or item.split in fitting.places:
                    self.rows.append(item)
        for name, item in predicted.items():
            for place in fitting.places.get(name, ()):
                self._measure(place.of(item), place.labels, _chosen_on(predicted.get("validate"), place))
        lacking = [name for name in fitting.context.external if name not in predicted]
        if lacking:
            self.notices.once(
                f"protocol '{protocol}' predicts nothing on other datasets, so {', '.join(lacking)} is left out"
            )

    def _measure(self, item: Scored, labels: tuple[str, ...], validation: PredictionTable | None) -> None:
        """Keep the predictions of one place, and add its rows; thresholds are chosen on the validation images."""
        keep_predictions(self.run, item, labels)  # of images, whatever the numbers are of
        aggregate = self.aggregates.get(item.origin.dataset, IMAGES)
        item = of_studies(item, labels, aggregate)
        if validation is not None:
            validation = in_unit_of(validation, item.origin.aggregate, f"{item.origin.fitted_on}, split validate")
        origin, predictions = item.origin, item.predictions
        whole = predictions.split == "test" and predictions.fraction == 1.0
        self.rows += metric_rows(item, labels, self.replicates, self.metrics if whole else (), validation)
        if whole:
            self.rows += subgroup_rows(item, labels, self.replicates, validation)
        where = (origin.protocol, origin.fitted_on, origin.dataset, predictions.split)
        self.scored[(origin.encoder, *where, predictions.fraction, predictions.draw)] = item, labels, validation

    def differences(self) -> list[Comparison]:
        """Trained minus each baseline, protocol by protocol on the same training patients."""
        rows: list[Comparison] = []
        names = [name for name in dict.fromkeys(encoder for encoder, *_ in self.scored) if name != TRAINED]
        for (encoder, *key), (first, labels, validation) in self.scored.items():
            if encoder != TRAINED or first.origin.protocol in self.blind:
                continue
            whole = first.predictions.split == "test" and first.predictions.fraction == 1.0
            for second, _, other in (self.scored[name, *key] for name in names if (name, *key) in self.scored):
                pair, metrics = (validation, other), self.metrics if whole else ()
                rows += difference_rows(first, second, labels, self.replicates, metrics, pair)
        return rows


def _chosen_on(validation: Scored | None, place: ScoredPart) -> PredictionTable | None:
    """Predictions of the validation images for the findings of a place."""
    if validation is None:
        return None
    split, columns = validation.split, place.columns
    here = replace(validation.predictions, scores=validation.predictions.scores[:, columns])
    return as_table(replace(validation, split=replace(split, labels=split.labels[:, columns]), predictions=here),
                    place.labels)  # fmt: skip


def _results(chosen: ResolvedComponent, origin: Origin, subset: Subset) -> Iterator[Scored | MetricRow]:
    """What one protocol yields, predictions checked and direct metrics as rows."""
    context, fraction, draw = subset.context, subset.fraction, subset.draw
    if not chosen.component.fits:  # of no share, though a part of the training split is all that was asked for
        fraction, draw = 1.0, 0
    for item in chosen.build().evaluate(context):
        if isinstance(item, Predictions):
            predictions = replace(item, fraction=fraction, draw=draw)
            scored = Scored(origin, split_of({**context.splits, **context.external}, origin, item.split), predictions)
            check_scores(scored, tuple(context.labels))
            yield scored
        elif isinstance(item, MetricValue):
            row = plain_row(origin, split_of(context.splits, origin, item.split), item)
            yield row.but(fraction=fraction, draw=draw)


def keep_predictions(run: RunDirectory, scored: Scored, labels: tuple[str, ...]) -> None:
    """Keep per-image predictions with patients, so that no number has to be believed."""
    name, rest = prediction_file(identity(scored))
    run.write_predictions(scored.origin.encoder, name, rest, prediction_frame(as_table(scored, labels)))
