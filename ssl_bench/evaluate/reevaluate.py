"""A finished run evaluated again: more protocols or label fractions, without training and without embedding anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ssl_bench.build.modules import build_backbone
from ssl_bench.build.prepared import PreparedData, PreparedExternal, prepare_data, prepare_external
from ssl_bench.build.weights import fill
from ssl_bench.errors import UsageError, shortened
from ssl_bench.evaluate.baselines import baselines
from ssl_bench.evaluate.constant import constant_encoders, frozen, meaningful, without_claim
from ssl_bench.evaluate.edges import edge_notes
from ssl_bench.evaluate.protocols import TRAINED, evaluate
from ssl_bench.numbers import counted
from ssl_bench.plan.plan import Plan
from ssl_bench.plan.units import BY_STUDY, IMAGES, unit_notes
from ssl_bench.plugin.components import EvaluatorSpec, MethodSpec
from ssl_bench.plugin.contracts import Backbone
from ssl_bench.plugin.notes import Note
from ssl_bench.plugin.weights import read_weights
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import ProgressReporter
from ssl_bench.results.describe import ByKind, components_of, describe_external, image_notes, resolved, without_encoder
from ssl_bench.results.identity import identities
from ssl_bench.results.record import Record
from ssl_bench.results.row import MetricRow, Part
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.sameness import check_same_content, content_of

OnePart = TypeVar("OnePart", bound=Part)

KEY = ("encoder", "against", "dataset", "fitted_on", "split", "protocol", "subgroup", "fraction", "draw", "label",
       "metric")  # fmt: skip
"""What makes two rows of a record the same number, measured twice."""

EXTERNAL_KEY = ("name", "mode")
"""What makes two descriptions of another dataset the same."""


def reevaluate(plan: Plan, run: RunDirectory, reporter: ProgressReporter) -> Record:
    """Add rows to the record of a finished run; a number that is there already is replaced.

    Args:
        plan: the run's configuration with other protocols, options or fractions.
        run: its folder, claimed by the caller.
        reporter: told what happens.

    Returns:
        The new record.

    Raises:
        UsageError: the images differ from those of the run, or rows of a protocol with other options would stay.
    """
    record = run.read_record()
    check_same_options(record, plan)
    check_same_baselines(record, plan)
    check_same_unit(record, plan)
    fabric = build_fabric(plan.config.pretrain)
    reporter.stage(f"preparing {counted(len(plan.cohort), 'image')}")
    prepared = prepare_data(plan, fabric.device, reporter.prepared)
    check_same_content(run, record.data.content, content_of(prepared))
    externals = prepare_external(plan, prepared, reporter.prepared, reporter.stage)
    check_same_external(run, record, externals)
    described = describe_external(plan, externals)
    notes = [*record.notes]
    for note in (
        *image_notes(plan, prepared, externals),
        *(note for external in plan.external for note in external.notes),
        *other_replicates(record, plan),
    ):
        if note not in notes:
            notes.append(note)
    networks = encoders(plan, run, record, prepared)
    rows, comparisons = evaluate(plan, run, networks, prepared, reporter.stage, reuse=True, externals=externals)
    collapsed = constant_encoders(run, networks, prepared.cohort.name)
    on_features = frozen(plan.parts.evaluators)
    rows, comparisons = without_claim(rows, collapsed, on_features), meaningful(comparisons, collapsed, on_features)
    notes += [note for note in collapsed if note not in notes]
    new = record.but(
        options=with_options(record, options_of(plan)),
        components=merged(record.components, components_of(plan), ("kind", "name")),
        downstream_fusion=plan.parts.downstream.name if plan.parts.downstream else record.downstream_fusion,
        encoders=identities(networks, run, prepared.cohort.name) | record.encoders,
        without_encoder=tuple(sorted({*record.without_encoder, *without_encoder(plan)})),
        external=merged(record.external, described, EXTERNAL_KEY),
        metrics=merged(record.metrics, rows),
        comparisons=merged(record.comparisons, comparisons),
    )
    units = unit_notes(plan.aggregates, plan.config.evaluate.aggregate)
    edges = edge_notes(new.metrics, new.options_of(EvaluatorSpec.kind))
    kept = [note for note in notes if note.code not in (BY_STUDY, "edge")]
    new = new.but(notes=(*kept, *units, *edges))
    for other in externals:
        run.write_content(content_of(other.prepared), f"{other.external.name}-{other.external.mode}")
    run.write_record(new)
    return new


def with_options(record: Record, new: ByKind) -> ByKind:
    """The options of a record with those of components that are measured again."""
    kinds = dict.fromkeys((*record.options, *new))
    return {kind: {**record.options.get(kind, {}), **new.get(kind, {})} for kind in kinds}


def check_same_options(record: Record, plan: Plan) -> None:
    """Refuse to measure a part of a protocol's rows with other options than the rest: one record, one protocol.

    Raises:
        UsageError: naming the options, and which rows would stay.
    """
    options = options_of(plan)
    for chosen in plan.parts.evaluators:
        asked = options[EvaluatorSpec.kind][chosen.name]
        kept = record.options_of(EvaluatorSpec.kind).get(chosen.name, asked)
        changed = [f"{key} {kept.get(key)} (now {value})" for key, value in asked.items() if kept.get(key) != value]
        rows = [row for row in record.metrics if row.protocol == chosen.name] if changed else []
        staying = dict.fromkeys(_where(row) for row in rows if not _due(row, plan, record, fits=chosen.component.fits))
        if staying:
            raise UsageError(
                f"'{chosen.name}' was measured with {shortened(changed)}, and rows on {shortened([*staying])} would "
                "stay beside those of other options; ask for these again too, or leave the options as they are"
            )


def check_same_baselines(record: Record, plan: Plan) -> None:
    """Refuse a baseline with other options than the one that has rows: kept embeddings would be taken for it.

    Raises:
        UsageError: naming the baseline and its options.
    """
    for chosen in plan.parts.baselines:
        asked = chosen.options.model_dump(mode="json")
        kept = record.options_of(MethodSpec.kind).get(chosen.name, asked)
        if kept != asked:
            raise UsageError(
                f"baseline '{chosen.name}' was measured with {kept}, found {asked}; leave evaluate.baselines as it is"
            )


def check_same_unit(record: Record, plan: Plan) -> None:
    """Refuse to add rows by study beside rows by image of the same dataset, or the other way round.

    Raises:
        UsageError: naming the rows that would stay.
    """
    asked = {part.name: part.component.fits for part in plan.parts.evaluators}
    staying: dict[str, str] = {}
    for row in record.metrics:
        kept, wanted = row.aggregate, plan.aggregates.get(row.dataset, IMAGES)
        direct = row.n_known is None  # a number of the evaluator's own, which is of images whatever is asked
        due = row.protocol in asked and _due(row, plan, record, fits=asked[row.protocol])
        if kept != wanted and not direct and not due:
            staying.setdefault(f"{row.protocol} on {row.dataset}", kept)
    if staying:
        kept = next(iter(staying.values()))
        raise UsageError(
            f"rows of {shortened([*staying])} are scored with --aggregate {kept} and would stay beside others; say "
            f"--aggregate {kept}, or evaluate all of these again"
        )


def options_of(plan: Plan) -> ByKind:
    """Resolved options of what is run again, as a record has them: protocols, their fusion, and baselines."""
    fusions = [plan.parts.downstream] if plan.parts.downstream else []
    return resolved((part.name, part) for part in (*plan.parts.evaluators, *fusions, *plan.parts.baselines))


def _where(row: MetricRow) -> str:
    share = "" if row.fraction == 1.0 else f" at label fraction {row.fraction:g}, draw {row.draw}"
    return f"{row.dataset} (fitted on {row.fitted_on}){share}"


def _due(row: MetricRow, plan: Plan, record: Record, *, fits: bool) -> bool:
    """Whether a row will be measured again."""
    settings = plan.config.evaluate
    mode = "refit" if row.fitted_on == row.dataset else "head"
    external = {part.name for part in record.external}
    there = row.dataset not in external or (row.dataset, mode) in {(one.name, one.mode) for one in plan.external}
    drawn = row.draw < (settings.label_draws if row.fraction < 1 else 1)
    return there and (not fits or (row.fraction in settings.label_fractions and drawn))


def other_replicates(record: Record, plan: Plan) -> list[Note]:
    """A note where intervals come from another number of resamples than the run's own."""
    asked = plan.config.evaluate
    if asked.replicates == record.settings.evaluate.replicates:
        return []
    told = f"{', '.join(asked.protocols)}: evaluated again, intervals from {asked.replicates:,} resamples of patients"
    return [Note("other-resamples", told, numbers={"resamples": asked.replicates})]


def check_same_external(run: RunDirectory, record: Record, externals: Sequence[PreparedExternal]) -> None:
    """Refuse to mix rows of two different datasets under one name.

    Raises:
        UsageError: naming what differs from the data that were tested on before, in which images.
    """
    before = {(part.name, part.mode): part.content for part in record.external}
    for other in externals:
        external = other.external
        kept = before.get((external.name, external.mode))
        table = f"{external.name}-{external.mode}"
        check_same_content(run, kept, content_of(other.prepared), of=external.name, name=table)


def encoders(plan: Plan, run: RunDirectory, record: Record, prepared: PreparedData) -> dict[str, Backbone]:
    """The encoders of the run's table: the trained one from its ``encoder/`` folder, and the baselines."""
    found = baselines(plan, prepared)
    if plan.parts.encoder is not None:
        return {TRAINED: build_backbone(plan), **found}
    if any(row.encoder == TRAINED for row in record.metrics):
        trained = build_backbone(plan, initial=True)
        for name in ("config.json", "model.safetensors"):
            run.checked(run.encoder / name, record)
        fill(trained.model, read_weights(run.encoder), source=run.encoder)
        found = {TRAINED: trained, **found}
    return found


def merged(old: Sequence[OnePart], new: Sequence[OnePart], names: Sequence[str] = KEY) -> tuple[OnePart, ...]:
    """Old rows, those that were measured anew replaced where they stood, and then the other new ones."""
    fresh = {_key(row, names): row for row in new}
    kept = [fresh.pop(_key(row, names), row) for row in old]
    return (*kept, *fresh.values())


def _key(row: Part, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row.named(name) for name in names)
