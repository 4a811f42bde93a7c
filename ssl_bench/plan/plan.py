"""Configuration and registry to a plan: everything is checked before a model is built. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ssl_bench.config.config import RIGHT_CLOSED, DataConfig, EhrConfig, RunConfig
from ssl_bench.config.recipes import missing
from ssl_bench.data.joined import join
from ssl_bench.data.splits import manifest, pretraining_rows
from ssl_bench.errors import Problems, UsageError
from ssl_bench.plan.attributes import attribute_notes, check_held
from ssl_bench.plan.cohorts import read_sources
from ssl_bench.plan.external import External, read_external
from ssl_bench.plan.parts import RunComponents, choose_parts
from ssl_bench.plan.settle import settle
from ssl_bench.plan.units import aggregates, unit_notes
from ssl_bench.plan.whole import whole
from ssl_bench.plugin.cohort import SPLITS, Cohort
from ssl_bench.plugin.feature_specs import FeatureSpec
from ssl_bench.plugin.features import FeatureSchema, check_known, column_of, expand, learn_schema
from ssl_bench.plugin.notes import Note, note_of
from ssl_bench.plugin.registry import Registry


@dataclass(frozen=True)
class Plan:
    """A run that can start.

    Args:
        config: as resolved.
        parts: its components.
        cohort: checked, labels settled.
        schema: of the EHR vector, learnt on the training split.
        manifest: patients of every split with their hash.
        components: provenance of the components.
        cache: folder of prepared stores.
        sources: the cohorts that ``cohort`` is made of, by dataset; mostly one.
        external: other datasets to test on.
        external_components: provenance of their components by name.
        aggregates: how images of a study are joined, by the name of each dataset that is scored by study.
    """

    config: RunConfig
    parts: RunComponents
    cohort: Cohort
    schema: FeatureSchema
    manifest: Mapping[str, Any]
    components: list[dict[str, str]]
    cache: Path
    sources: Mapping[str, Cohort]
    external: tuple[External, ...] = ()
    external_components: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    aggregates: Mapping[str, str] = field(default_factory=dict)

    @property
    def synthetic(self) -> bool:
        """Whether results must say that the data are synthetic."""
        return self.cohort.synthetic or any(part.component.synthetic for part in self.parts.datasets)

    @property
    def steps(self) -> int:
        """Optimiser steps of the training."""
        if not self.parts.method.component.trains:
            return 0
        images = len(pretraining_images(self.config.data, self.cohort))
        return self.config.pretrain.epochs * (images // self.config.pretrain.batch_size)

    def identity(self) -> dict[str, Any]:
        """What a resumed run must agree on: the configuration, the images' patients and the component versions."""
        return {
            "config": self.config.model_dump(mode="json"),
            "splits": self.manifest["sha256"],
            "components": self.components,
        }

    @property
    def notes(self) -> list[Note]:
        """What a reader of the results must know."""
        notes = [*self._generated(), *attribute_notes(self.cohort, self.parts.features)]
        constants = {name: value for name, value in self.config.ehr.constants.items()
                     if name in map(column_of, self.parts.features)}  # fmt: skip
        if constants:
            values = ", ".join(f"{name} {value}" for name, value in constants.items())
            text = f"a missing value counts as {values}, whatever the reason that it is missing"
            notes.append(Note("constants", text, numbers=constants))
        notes += exposure_notes(self.config.ehr)
        if self.config.evaluate.withhold:
            notes.append(Note("withheld", "the test split was withheld: its labels were not read"))
        if self.config.data.allow_test_in_pretraining:
            notes.append(Note("gate-open", "test patients were allowed in pretraining"))
        known = type(self.parts.dataset.options).model_fields
        lacking = missing(self.parts.method.component, self.config.recipe, known)
        if lacking:
            notes.append(Note(
                "recipe-in-part", f"recipe '{self.config.recipe}' asks for {', '.join(lacking)}, which dataset "
                f"'{self.parts.dataset.name}' does not offer",
            ))  # fmt: skip
        told = [note_of(note) for cohort in self.sources.values() for note in cohort.notes]
        told += unit_notes(self.aggregates, self.config.evaluate.aggregate)
        return [*notes, *told, *self._gaps(), *(note for external in self.external for note in external.notes)]

    def _generated(self) -> list[Note]:
        """Which data are synthetic, where any are."""
        names = [name for (name, cohort), part in zip(self.sources.items(), self.parts.datasets, strict=True)
                 if cohort.synthetic or part.component.synthetic]  # fmt: skip
        of = "" if len(names) == len(self.sources) else f" of {', '.join(names)}"
        told = f"data{of} are synthetic: these numbers say nothing about patients"
        return [Note("synthetic", told)] if names else []

    def _gaps(self) -> list[Note]:
        """Features that a dataset lacks and that are masked as absent there."""
        return [
            Note("absent-feature", f"{', '.join(lacking)} marked as absent in all images of {name}, which lacks it")
            for name, cohort in self.sources.items()
            if (lacking := [item for item in self.parts.features if column_of(item) not in cohort.features])
        ]


CONTROL = "ehr-control"
"""Code of the note on an arm's control, which the other arms of an ablation do not share."""

CONTROLS = {
    "shuffled": "each image got the row of another patient, fixed for the run",
    "constant": "every image got the typical row",
    "noise": "values were drawn anew at every step",
}


def exposure_notes(ehr: EhrConfig) -> list[Note]:
    """What pretraining saw instead of the real EHR rows."""
    notes = []
    if ehr.control != "none":
        notes.append(Note(CONTROL, f"EHR was replaced by the control '{ehr.control}': {CONTROLS[ehr.control]}"))
    if ehr.start > 0 or ehr.until < 1:
        shares = {"start": ehr.start, "until": ehr.until}
        told = f"EHR was given from {ehr.start:.0%} to {ehr.until:.0%} of the pretraining"
        notes.append(Note("ehr-exposure", told, numbers=shares))
    if ehr.dropout:
        told = f"{ehr.dropout:.0%} of the EHR values were withheld in training, at random"
        notes.append(Note("ehr-dropout", told, numbers={"share": ehr.dropout}))
    return notes


def make_plan(config: RunConfig, registry: Registry, cache: Path, chosen: RunComponents | None = None) -> Plan:
    """Check everything that can be checked without a model.

    Args:
        config: as resolved; the plan's has the method's own choices in the place of ``auto``, and all
            options.
        registry: of the installed plugins.
        cache: folder for generated data and prepared stores.
        chosen: the components, where they have been chosen and checked before.

    Raises:
        UsageError: names, options or combinations are wrong.
        DataError: the datasets are; all problems at once.
    """
    parts = chosen or choose_parts(config, registry)
    config = settled(config, registry, parts)
    problems, sources, external = Problems(), dict[str, Cohort](), list[External]()
    problems.run(lambda: sources.update(read_sources(config, parts, cache)))
    problems.run(lambda: external.extend(read_external(config, parts, sources, cache)))
    problems.raise_if_any()
    cohort = join(sources)
    check_held(config.data.attributes, [cohort, *(other.cohort for other in external)])
    check_evaluable(cohort, parts, external)
    seen = cohort.frame.loc[pretraining_images(config.data, cohort)]
    check_known(seen, parts.features, cohort.counts, cohort.specs)
    schema = read_schema(config, parts, seen, cohort.specs)
    used = registry.provenance([(part.component.kind, part.name) for part in parts.external])
    own = {name: part.component for name, part in zip(sources, parts.datasets, strict=True)}
    return Plan(
        config, parts, cohort, schema, manifest(cohort), parts.provenance(registry), cache, sources, tuple(external),
        {component["name"]: component for component in used},
        aggregates(config.evaluate.aggregate, own, cohort, external),
    )  # fmt: skip


def settled(config: RunConfig, registry: Registry, parts: RunComponents) -> RunConfig:
    """The configuration as a run writes it down: the method's own choices for ``auto``, and all options."""
    return whole(sized(settle(config, registry), parts), parts)


def check_evaluable(cohort: Cohort, parts: RunComponents, external: Sequence[External]) -> None:
    """Images without labels can be pretrained on by a method that reads none, and are tested on other datasets.

    Raises:
        UsageError: the method reads labels, or there is no dataset that protocols can be fitted on.
    """
    if cohort.labels:
        return
    if parts.method.component.uses_labels:
        raise UsageError(f"method '{parts.method.name}' reads labels, and '{cohort.name}' has none; choose another")
    if not any(other.mode == "refit" for other in external):
        raise UsageError(
            f"'{cohort.name}' has no labels, so protocols need another dataset to be fitted and tested on; name one by "
            "--probe-on NAME=ROOT"
        )


def sized(config: RunConfig, parts: RunComponents) -> RunConfig:
    """The configuration with prepared images of at least the size that weights of others expect."""
    if parts.encoder is None or config.data.size >= parts.image_size:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"size": parts.image_size})})


def pretraining_images(data: DataConfig, cohort: Cohort) -> pd.Index:
    """Row numbers of the cohort that pretraining sees: the training split, or every split where the gate is open.

    Raises:
        UsageError: all splits are asked for and the gate is closed.
        DataError: a test patient is among them and the gate is closed.
    """
    if data.pretrain_on == "all" and not data.allow_test_in_pretraining:
        raise UsageError(
            "pretraining on all splits brings test patients into it; set data.allow_test_in_pretraining=true too, "
            "which is recorded, or leave out data.pretrain_on"
        )
    splits = SPLITS if data.pretrain_on == "all" else ("train",)
    return pretraining_rows(cohort, splits, allow_test=data.allow_test_in_pretraining)


def read_schema(
    config: RunConfig, parts: RunComponents, train: pd.DataFrame, specs: Mapping[str, FeatureSpec]
) -> FeatureSchema:
    """The schema of the EHR vector, learnt on the rows that pretraining sees."""
    ehr = config.ehr
    filled = (expand(ehr.impute_features, specs) or parts.features) if ehr.impute == "train" else ()
    return learn_schema(
        train,
        parts.features,
        impute=map(column_of, filled),
        right_closed=ehr.age_bins == RIGHT_CLOSED,
        constants=ehr.constants,
        specs=specs,
    )
