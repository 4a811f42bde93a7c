"""Which EHR features and attributes there are, and whether those that are asked for exist. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ssl_bench.config.config import DataConfig, SourceConfig
from ssl_bench.errors import UsageError, shortened, unknown
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.feature_specs import FeatureSpec, known
from ssl_bench.plugin.features import column_of
from ssl_bench.plugin.notes import Note
from ssl_bench.plugin.registry import Registry


def specs_of(registry: Registry, data: DataConfig, test_on: Iterable[SourceConfig] = ()) -> dict[str, FeatureSpec]:
    """The EHR features that there are: the shared ones, and those that installed datasets declare.

    What datasets of the run declare holds; of one that others declare under the same name nothing is taken, so that no
    plugin stands in the way of a run that does not use it.

    Raises:
        PluginError: two datasets of the run declare one in two ways.
    """
    of = {name: registry.get(DatasetSpec.kind, name).declares for name in registry.names(DatasetSpec.kind)}
    used = [data.name, *(source.name for source in (*data.more, *test_on))]
    others = {spec.name: spec for specs in of.values() for spec in specs}
    return {**others, **known(spec for name in dict.fromkeys(used) for spec in of.get(name, ()))}


def check_named(names: Iterable[str], specs: Mapping[str, FeatureSpec]) -> None:
    """Attributes that are asked for exist.

    Raises:
        UsageError: naming one that does not, with the nearest.
    """
    for name in names:
        if name not in specs:
            raise UsageError(unknown("attribute", name, list(specs)))


def check_held(names: Iterable[str], cohorts: Iterable[Cohort]) -> None:
    """Some cohort has each attribute that is asked for.

    Raises:
        UsageError: none has some of them.
    """
    held = [feature for cohort in cohorts for feature in cohort.features]
    lacking = [name for name in names if name not in held]
    if lacking:
        raise UsageError(
            f"data.attributes asks for {', '.join(lacking)}, which no dataset of this run has; they have "
            f"{shortened(list(dict.fromkeys(held))) or 'no attribute'}"
        )


def attribute_notes(cohort: Cohort, features: Iterable[str]) -> list[Note]:
    """What a reader must know of the attributes that were asked for, and of features from after the image."""
    used = [cohort.specs[column_of(name)] for name in features]
    late = ", ".join(spec.name for spec in used if spec.post_image)
    told = [Note("post-image", f"{late} come from after the image was taken")] if late else []
    notes = {name: cohort.specs[name].note for name in cohort.features}
    return [*told, *(Note("attribute", f"{name}: {note}") for name, note in notes.items() if note)]
