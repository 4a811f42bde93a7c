"""Configuration and registry to a plan: everything is checked before a model is built. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.config import RunConfig
from ssl_bench.data.cohort import Cohort, check_cohort, check_columns, merge_duplicates
from ssl_bench.data.features import POST_IMAGE, FeatureSchema, learn_schema
from ssl_bench.data.splits import check_leakage, check_not_empty, manifest, pretraining_rows
from ssl_bench.data.store import check_images
from ssl_bench.errors import Problems
from ssl_bench.parts import Parts, choose_parts
from ssl_bench.plugins import Registry


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
        return self.config.pretrain.epochs * (len(self.cohort.split("train")) // self.config.pretrain.batch_size)

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
        if self.config.data.allow_test_in_pretraining:
            notes.append("test patients were allowed in pretraining")
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
    cohort = read_cohort(config, parts, cache)
    train = cohort.frame.loc[pretraining_rows(cohort, allow_test=config.data.allow_test_in_pretraining)]
    schema = learn_schema(train, parts.features, impute=config.ehr.impute == "train")
    return Plan(config, parts, cohort, schema, manifest(cohort), parts.provenance(registry), cache)


def read_cohort(config: RunConfig, parts: Parts, cache: Path) -> Cohort:
    """The cohort of the configured dataset, with every check that comes before decoding an image.

    Raises:
        DataError: all problems at once.
    """
    reader = parts.dataset.build()
    cohort: Cohort = reader.read(reader.locate(config.data.root, cache))
    check_columns(cohort)
    if config.data.merge_duplicates:
        cohort = merge_duplicates(cohort)
    problems = Problems()
    problems.run(lambda: check_cohort(cohort))
    problems.run(lambda: check_images(cohort))
    problems.run(lambda: check_leakage(cohort, allow_test=config.data.allow_test_in_pretraining))
    problems.run(lambda: check_not_empty(cohort, config.pretrain.batch_size))
    problems.run(lambda: cohort.with_labels(config.data.labels, config.data.uncertain, config.data.blank))
    problems.raise_if_any()
    return cohort.with_labels(config.data.labels, config.data.uncertain, config.data.blank)
