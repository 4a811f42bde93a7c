"""Configuration and registry to a plan: everything is checked before a model is built. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ssl_bench.config import RIGHT_CLOSED, DataConfig, EhrConfig, RunConfig
from ssl_bench.data.cohort import SPLITS, Cohort, check_cohort, check_columns, merge_duplicates
from ssl_bench.data.features import POST_IMAGE, FeatureSchema, check_available, column_of, expand, learn_schema
from ssl_bench.data.splits import check_leakage, check_not_empty, manifest, pretraining_rows
from ssl_bench.data.store import check_images
from ssl_bench.errors import Problems, UsageError
from ssl_bench.parts import Chosen, Parts, choose_parts
from ssl_bench.plugins import Registry
from ssl_bench.recipes import missing


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
    """

    config: RunConfig
    parts: Parts
    cohort: Cohort
    schema: FeatureSchema
    manifest: Mapping[str, Any]
    components: list[dict[str, str]]
    cache: Path

    @property
    def synthetic(self) -> bool:
        """Whether results must say that the data are synthetic."""
        return self.cohort.synthetic or bool(self.parts.dataset.component.synthetic)

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
    def notes(self) -> list[str]:
        """What a reader of the results must know."""
        notes = ["data are synthetic: these numbers say nothing about patients"] if self.synthetic else []
        late = [feature for feature in self.parts.features if feature in POST_IMAGE]
        if late:
            notes.append(f"{', '.join(late)} come from after the image was taken")
        notes += exposure_notes(self.config.ehr)
        if self.config.data.allow_test_in_pretraining:
            notes.append("test patients were allowed in pretraining")
        known = type(self.parts.dataset.options).model_fields
        lacking = missing(self.parts.method.component, self.config.recipe, known)
        if lacking:
            notes.append(
                f"recipe '{self.config.recipe}' asks for {', '.join(lacking)}, which dataset "
                f"'{self.parts.dataset.name}' does not offer"
            )
        return [*notes, *self.cohort.notes]


CONTROLS = {
    "shuffled": "each image got the row of another patient, fixed for the run",
    "constant": "every image got the typical row",
    "noise": "values were drawn anew at every step",
}


def exposure_notes(ehr: EhrConfig) -> list[str]:
    """What pretraining saw instead of the real EHR rows."""
    notes = []
    if ehr.control != "none":
        notes.append(f"EHR was replaced by the control '{ehr.control}': {CONTROLS[ehr.control]}")
    if ehr.start > 0 or ehr.until < 1:
        notes.append(f"EHR was given from {ehr.start:.0%} to {ehr.until:.0%} of the pretraining")
    if ehr.dropout:
        notes.append(f"{ehr.dropout:.0%} of the EHR values were withheld in training, at random")
    return notes


def make_plan(config: RunConfig, registry: Registry, cache: Path) -> Plan:
    """Check everything that can be checked without a model.

    Args:
        config: as resolved.
        registry: of the installed plugins.
        cache: folder for generated data and prepared stores.

    Raises:
        UsageError: names, options or combinations are wrong.
        DataError: the dataset is; all problems at once.
    """
    parts = choose_parts(config, registry)
    cohort = read_cohort(config, parts.dataset, cache, parts.features, config.pretrain.batch_size)
    schema = read_schema(config, parts, cohort.frame.loc[pretraining_images(config.data, cohort)])
    return Plan(config, parts, cohort, schema, manifest(cohort), parts.provenance(registry), cache)


def pretraining_images(data: DataConfig, cohort: Cohort) -> pd.Index:
    """Row numbers of the cohort that pretraining sees: the training split, or every split where the gate is open.

    Raises:
        UsageError: all splits are asked for and the gate is closed.
        DataError: a test patient is among them and the gate is closed.
    """
    if data.pretrain_on == "all" and not data.allow_test_in_pretraining:
        raise UsageError(
            "pretraining on all splits brings test patients into it; say data.allow_test_in_pretraining=true too, "
            "which stays on the record, or leave out data.pretrain_on"
        )
    splits = SPLITS if data.pretrain_on == "all" else ("train",)
    return pretraining_rows(cohort, splits, allow_test=data.allow_test_in_pretraining)


def read_schema(config: RunConfig, parts: Parts, train: pd.DataFrame) -> FeatureSchema:
    """The schema of the EHR vector, learnt on the rows that pretraining sees."""
    ehr = config.ehr
    filled = (expand(ehr.impute_features) or parts.features) if ehr.impute == "train" else ()
    return learn_schema(train, parts.features, impute=map(column_of, filled), right_closed=ehr.age_bins == RIGHT_CLOSED)


def read_cohort(
    config: RunConfig, dataset: Chosen, cache: Path, features: Sequence[str] = (), batch_size: int = 1
) -> Cohort:
    """The cohort of a dataset, with every check that comes before decoding an image.

    Args:
        config: as resolved.
        dataset: to read.
        cache: folder for generated data.
        features: EHR features that a run needs.
        batch_size: images that the training split must fill.

    Raises:
        DataError: all problems at once.
    """
    reader = dataset.build()
    cohort: Cohort = reader.read(reader.locate(config.data.root, cache))
    check_columns(cohort)
    if config.data.merge_duplicates:
        cohort = merge_duplicates(cohort)
    problems = Problems()
    # What a dataset offers at most is known before; what these files hold of it only now.
    problems.run(lambda: check_available(features, cohort.name, cohort.features, cohort.notes))
    problems.run(lambda: check_cohort(cohort))
    problems.run(lambda: check_images(cohort))
    problems.run(lambda: check_leakage(cohort, allow_test=config.data.allow_test_in_pretraining))
    problems.run(lambda: check_not_empty(cohort, batch_size))
    problems.run(lambda: cohort.with_labels(config.data.labels, config.data.uncertain, config.data.blank))
    problems.raise_if_any()
    return cohort.with_labels(config.data.labels, config.data.uncertain, config.data.blank)
