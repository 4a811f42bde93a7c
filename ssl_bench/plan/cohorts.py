"""Cohorts of the datasets to pretrain on, with every check that comes before decoding an image. No torch."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from ssl_bench.config.config import DataConfig, RunConfig
from ssl_bench.data.alike import noticed
from ssl_bench.data.ids import check_ids, merge_ids
from ssl_bench.data.images import find_images
from ssl_bench.data.joined import check_copies, distinct, join, settle
from ssl_bench.data.own_split import DRAWN, apply_split, read_own_split
from ssl_bench.data.remote import at_hand, here
from ssl_bench.data.splits import check_leakage, check_not_empty
from ssl_bench.data.withheld import without_labels
from ssl_bench.errors import HandledError, Problems
from ssl_bench.plan.parts import ResolvedComponent, RunComponents
from ssl_bench.plugin.cohort import Cohort, check_cohort, check_columns, merge_duplicates
from ssl_bench.plugin.features import check_available, column_of


class Folder(Protocol):
    """A dataset's folder, and a split of the user's for it, as a configuration says them."""

    @property
    def root(self) -> Path | str | None:
        """The folder, or the address of one elsewhere; None for generated data."""

    @property
    def split(self) -> Path | str | None:
        """The split file, or its address; None for the dataset's own."""


def read_raw(
    chosen: ResolvedComponent, source: Folder, cache: Path, data: DataConfig, features: Sequence[str] = ()
) -> Cohort:
    """The cohort of one dataset with its own labels, and the columns that it says it has.

    Args:
        chosen: the dataset.
        source: its folder, and a split of the user's for it.
        cache: folder of generated data, and of copies of what is elsewhere.
        data: what is merged, and which attributes are asked for.
        features: that a run joins, by their names; expanded.

    Raises:
        UsageError: the dataset needs a folder, or takes none.
        DataError: its files are not what they should be.
    """
    drawn = source.split and "split" in type(chosen.options).model_fields
    reader = _on_this_machine(chosen.with_option("split", DRAWN) if drawn else chosen, cache).build()
    cohort: Cohort = reader.read(reader.locate(here(source.root, cache), cache))
    check_columns(cohort)
    cohort = replace(cohort, declared={spec.name: spec for spec in chosen.component.declares})
    cohort = opted_in(cohort, {*data.attributes, *map(column_of, features)})
    if data.merge_duplicates:
        cohort = merge_duplicates(cohort)
    if data.similar_ids == "keep":
        return cohort
    return noticed(merge_ids(cohort) if data.similar_ids == "merge" else cohort)


def _on_this_machine(chosen: ResolvedComponent, cache: Path) -> ResolvedComponent:
    """A dataset whose options name files of this machine alone."""
    given = {name: getattr(chosen.options, name) for name in type(chosen.options).model_fields}
    return replace(chosen, options=chosen.options.model_copy(update=at_hand(given, cache)))


def opted_in(cohort: Cohort, asked: Container[str]) -> Cohort:
    """The cohort without the attributes that a run must ask for and has not (race, insurance, ...)."""
    left = [name for name in cohort.features if cohort.specs[name].opt_in and name not in asked]
    kept = tuple(name for name in cohort.features if name not in left)
    return replace(cohort, frame=cohort.frame.drop(columns=left), features=kept) if left else cohort


def check_table(cohort: Cohort, data: DataConfig) -> None:
    """Everything a cohort must hold before anything is built from it.

    Raises:
        DataError: all problems at once.
    """
    problems = Problems()
    problems.run(partial(check_cohort, cohort))
    if data.similar_ids != "keep":
        problems.run(partial(check_ids, cohort))
    problems.raise_if_any()


def find(cohort: Cohort, data: DataConfig) -> Cohort:
    """The cohort with its image files as the disk has them; see :func:`ssl_bench.data.images.find_images`."""
    return find_images(cohort, data.follow_links, skip=data.on_missing == "skip")


def divide(cohort: Cohort, source: Folder, data: DataConfig, cache: Path) -> Cohort:
    """The cohort with the user's own split where there is one; see :func:`ssl_bench.data.own_split.apply_split`."""
    split = here(source.split, cache)
    return cohort if split is None else apply_split(cohort, read_own_split(split), skip=data.on_unlisted == "skip")


def read_cohort(config: RunConfig, dataset: ResolvedComponent, cache: Path) -> Cohort:
    """The cohort of one dataset by itself, checked, with its labels settled; no run is planned on it.

    Raises:
        DataError: all problems at once.
    """
    return next(iter(_read_all(config, [(dataset, config.data)], cache).values()))


def read_sources(config: RunConfig, parts: RunComponents, cache: Path) -> dict[str, Cohort]:
    """The cohorts to pretrain on by name, checked, with their labels settled in one space.

    Raises:
        UsageError: the label space fits not all of them, or none has a feature.
        DataError: all problems at once.
    """
    folders: list[Folder] = [config.data, *config.data.more]
    wanted = list(zip(parts.datasets, folders, strict=True))
    return _read_all(config, wanted, cache, parts.features, config.pretrain.batch_size)


def _read_all(
    config: RunConfig,
    wanted: Sequence[tuple[ResolvedComponent, Folder]],
    cache: Path,
    features: Sequence[str] = (),
    batch_size: int = 1,
) -> dict[str, Cohort]:
    """Datasets with their folders as cohorts that go together; what can be told at once is told at once."""
    problems, raw, data = Problems(), dict[str, Cohort](), config.data
    names = distinct(dataset.name for dataset, _ in wanted)
    for name, (dataset, source) in zip(names, wanted, strict=True):
        try:
            raw[name] = read_raw(dataset, source, cache, data, features)
        except HandledError as error:
            problems.add(error)
    if len(raw) < len(names):
        problems.raise_if_any()
    typed = as_typed((dataset.name, source.root) for dataset, source in wanted)
    for (name, cohort), told, (_, source) in zip(list(raw.items()), typed, wanted, strict=True):
        found = Problems()
        found.run(partial(check_table, cohort, data))
        for change in (partial(find, data=data), partial(divide, source=source, data=data, cache=cache)):
            try:
                raw[name] = cohort = change(cohort)
            except HandledError as error:
                found.add(error)
        raw[name] = cohort = without_labels(cohort, config.evaluate.withhold)
        found.run(partial(_check_leakage, config, cohort))
        problems.run(partial(told_of, told if len(names) > 1 else "", found))
    problems.run(lambda: check_demands(raw, join(raw), features, batch_size))
    problems.run(lambda: check_copies(raw))
    settled: dict[str, Cohort] = {}
    problems.run(lambda: settled.update(settle(raw, data.labels, data.uncertain, data.blank)))
    problems.raise_if_any()
    return {name: without_labels(cohort, config.evaluate.withhold) for name, cohort in settled.items()}


def check_demands(cohorts: Mapping[str, Cohort], joined: Cohort, features: Sequence[str], batch_size: int) -> None:
    """Cohorts hold what a run asks of them; what a dataset offers at most is known before, and this only now.

    Args:
        cohorts: by the names of their datasets.
        joined: all of them as one.
        features: expanded names.
        batch_size: which the training split must fill once.

    Raises:
        UsageError: none of them has a feature.
        DataError: a split has no images, or too few for a batch.
    """
    problems = Problems()
    told = [note for cohort in cohorts.values() for note in cohort.notes]
    problems.run(lambda: check_available(features, "+".join(cohorts), features_of(cohorts), told))
    problems.run(lambda: check_not_empty(joined, batch_size))
    problems.raise_if_any()


def features_of(cohorts: Mapping[str, Cohort]) -> tuple[str, ...]:
    """The features that any of the cohorts has."""
    return tuple(dict.fromkeys(feature for cohort in cohorts.values() for feature in cohort.features))


def _check_leakage(config: RunConfig, cohort: Cohort) -> None:
    check_leakage(cohort, allow_test=config.data.allow_test_in_pretraining)


def as_typed(given: Iterable[tuple[str, Path | str | None]]) -> list[str]:
    """What messages call each dataset: its name as it was given, and its folder where another has that name too.

    Args:
        given: name and folder of each.
    """
    pairs = list(given)
    folders = {name: {root for other, root in pairs if other == name} for name, _ in pairs}
    return [f"{name}={root}" if root and len(folders[name]) > 1 else name for name, root in pairs]


def told_of(name: str, found: Problems) -> None:
    """Raise what was found, with the dataset's name in front where there is one.

    Raises:
        HandledError: all problems at once.
    """
    try:
        found.raise_if_any()
    except HandledError as error:
        if not name:
            raise
        again = Problems()
        for part in error.several or (error,):
            again.add(type(part)(f"{name}: {part}"))
        again.raise_if_any()
