"""The part of a record that says what was run on what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ssl_bench.build.prepared import PreparedData, PreparedExternal
from ssl_bench.data.copies import same_pictures, seen_pictures
from ssl_bench.data.imagecontent import content_hashes
from ssl_bench.data.looks import what_is_wrong
from ssl_bench.plan.parts import ResolvedComponent
from ssl_bench.plan.plan import Plan
from ssl_bench.plan.settle import whose_rates
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.labels import space_of
from ssl_bench.plugin.notes import Note
from ssl_bench.results.encoder_card import encoder_card
from ssl_bench.results.ledger import planned
from ssl_bench.results.record import SCHEMA, Data, EncoderCard, External, Record, RecordedComponent, Size
from ssl_bench.results.sameness import content_of
from ssl_bench.results.training import Summary

ByKind = dict[str, dict[str, dict[str, Any]]]
"""Resolved options by kind and name of a component."""


def image_notes(plan: Plan, prepared: PreparedData, externals: Sequence[PreparedExternal] = ()) -> list[Note]:
    """Notes on what only the pictures tell: those that were quarantined, and those that several patients have."""
    notes = [*left_out(plan, prepared, externals), *same_pictures(prepared.cohort, prepared.pixels)]
    train = prepared.cohort.frame["split"] == "train"
    trained = [pixel for pixel, seen in zip(prepared.pixels, train, strict=True) if seen]
    for other in externals:
        frame, pixels, name = other.prepared.cohort.frame, other.prepared.pixels, other.external.name
        tested = [pixel for pixel, split in zip(pixels, frame["split"], strict=True) if split == other.external.split]
        notes += [*same_pictures(other.prepared.cohort, pixels, name), *seen_pictures(name, tested, trained)]
    return notes


def left_out(plan: Plan, prepared: PreparedData, externals: Sequence[PreparedExternal] = ()) -> list[Note]:
    """Notes on images that were quarantined: how many of each split, and the first of them."""
    notes = _left_out(plan.cohort, prepared.rejected, "images")
    for other in externals:
        notes += _left_out(other.external.cohort, other.prepared.rejected, f"images of {other.external.name}")
    return notes


def _left_out(cohort: Cohort, rejected: Mapping[str, str], what: str) -> list[Note]:
    if not rejected:
        return []
    rows = cohort.frame[cohort.frame["image_id"].isin(list(rejected))]
    splits = ", ".join(f"{count} of {name}" for name, count in rows["split"].value_counts().items())
    text = f"{len(rows)} of {len(cohort)} {what} {what_is_wrong(rejected)} and were left out ({splits})"
    numbers = {"images": len(rows), "of": len(cohort)}
    return [Note("left-out", text, numbers=numbers, details=rows["image_id"].tolist())]


def describe_external(plan: Plan, externals: Sequence[PreparedExternal]) -> list[External]:
    """The part of a record that says what else the encoders were tested on."""
    return [
        External(
            **replace(other.external, cohort=other.prepared.cohort).describe(),
            fingerprint=other.prepared.fingerprint,
            content=content_hashes(content_of(other.prepared)),
            rejected=dict(other.prepared.rejected),
            component=RecordedComponent(**plan.external_components[other.external.dataset.name]),
            options=other.external.dataset.options.model_dump(mode="json"),
        )
        for other in externals
    ]


def describe(
    plan: Plan, prepared: PreparedData, summary: Summary | None, externals: Sequence[PreparedExternal] = ()
) -> Record:
    """The record of a run before there are any numbers: what was run on what."""
    parts, config = plan.parts, plan.config
    return Record(
        version=SCHEMA,
        synthetic=plan.synthetic,
        notes=(*plan.notes, *image_notes(plan, prepared, externals), *(summary.changes if summary else ())),
        method=parts.method.name,
        fusion=parts.fusion.name if parts.fusion else None,
        features=tuple(parts.features),
        ehr_columns=tuple(plan.schema.columns),
        ehr_fills=dict(plan.schema.fills),
        recipe=config.recipe,
        encoder=described_encoder(plan),
        trained_on=planned(plan).describe(),
        rates_from=whose_rates(config, parts.method.component, parts.backbone),
        config=config.model_dump(mode="json"),
        downstream_fusion=parts.downstream.name if parts.downstream else None,
        options=resolved(used(plan)),
        components=components_of(plan),
        without_encoder=without_encoder(plan),
        data=described_data(plan, prepared),
        external=tuple(describe_external(plan, externals)),
        metrics=(),
    )


def components_of(plan: Plan) -> tuple[RecordedComponent, ...]:
    """Where every component of a run comes from."""
    return tuple(RecordedComponent(**part) for part in plan.components)


def described_data(plan: Plan, prepared: PreparedData) -> Data:
    """The run's own data as they were used."""
    cohort = prepared.cohort
    counts = cohort.frame.groupby("split").agg(images=("image_id", "size"), patients=("patient_id", "nunique"))
    return Data(
        name=cohort.name,
        fingerprint=prepared.fingerprint,
        content=content_hashes(content_of(prepared)),
        splits_sha256=plan.manifest["sha256"],
        official_split=cohort.official_split,
        splits={
            str(name): Size(images=int(row["images"]), patients=int(row["patients"])) for name, row in counts.iterrows()
        },
        labels=tuple(cohort.labels),
        label_space=space_of(cohort.labels, single=len(plan.sources) == 1),
        datasets=tuple(plan.sources),
        counts=dict(cohort.counts),
        rejected=dict(prepared.rejected),
        grey=asdict(prepared.grey),
    )


def without_encoder(plan: Plan) -> tuple[str, ...]:
    """Protocols that look at no encoder, so their numbers are the same for every one of them."""
    return tuple(part.name for part in plan.parts.evaluators if not part.component.sees_encoder)


def described_encoder(plan: Plan) -> EncoderCard | None:
    """The card of weights of others; None where the run has an encoder of its own."""
    parts, choice = plan.parts, plan.config.backbone.encoder
    if parts.encoder is None or choice is None or parts.encoder_component is None:
        return None
    return encoder_card(choice, parts.encoder, parts.encoder_component)


def resolved(parts: Iterable[tuple[str, ResolvedComponent]]) -> ByKind:
    """Resolved options of components by kind and name, as a record has them."""
    found: ByKind = {}
    for name, chosen in parts:
        found.setdefault(chosen.component.kind, {})[name] = chosen.options.model_dump(mode="json")
    return found


def used(plan: Plan) -> list[tuple[str, ResolvedComponent]]:
    """Everything that a run chose, by the name that it has in the run: one dataset may be there twice."""
    parts = plan.parts
    datasets = zip(plan.sources, parts.datasets, strict=True)
    fusions = [fusion for fusion in (parts.fusion, parts.downstream) if fusion]
    chosen = (parts.method, *fusions, *parts.evaluators, *parts.metrics, *parts.baselines)
    return [*datasets, *((part.name, part) for part in chosen)]
