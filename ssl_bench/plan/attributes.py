"""Which EHR features and attributes there are, and whether those that are asked for exist. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ssl_bench.errors import UsageError, shortened, unknown
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.feature_specs import FeatureSpec, known
from ssl_bench.plugin.features import column_of
from ssl_bench.plugin.notes import Note
from ssl_bench.plugin.registry import Registry


def specs_of(registry: Registry) -> dict[str, FeatureSpec]:
    """The EHR features that there are: the shared ones, and those that installed datasets declare.

    Raises:
        PluginError: two datasets declare one in two ways.
    """
    names = registry.names(DatasetSpec.kind)
    return known(spec for name in names for spec in registry.get(DatasetSpec.kind, name).declares)


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
