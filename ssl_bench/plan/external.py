"""Other datasets to test on: read, checked and matched with the run's findings before anything is trained. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ssl_bench.config.config import ExternalConfig, RunConfig
from ssl_bench.data.families import comparable, family
from ssl_bench.data.ids import same
from ssl_bench.data.joined import distinct
from ssl_bench.data.splits import check_leakage, manifest
from ssl_bench.data.withheld import without_labels
from ssl_bench.errors import DataError, HandledError, Problems, UsageError, shortened
from ssl_bench.plan.cohorts import as_typed, check_table, divide, find, read_raw, told_of
from ssl_bench.plan.parts import ResolvedComponent, RunComponents
from ssl_bench.plugin.cohort import SPLITS, Cohort
from ssl_bench.plugin.labels import SPACES
from ssl_bench.plugin.notes import Note, note_of
from ssl_bench.plugin.vocabulary import common_name, coverage, expressed

Mode = Literal["head", "refit"]

Sources = Mapping[str, Cohort]


@dataclass(frozen=True)
class External:
    """Another dataset on whose test split the encoders are tested.

    Args:
        name: in tables and files, other than that of any other dataset of the run.
        dataset: the component.
        mode: ``head``: what was fitted on the run's own training split is tested; ``refit``: protocols are fitted on
            this dataset's training split and choose on its validation split.
        cohort: labels settled; with ``head`` the test split alone.
        shared: findings that are tested with ``head``: name in the tables, name in the run, name in this dataset.
        split: that is tested: ``validate`` where the run withholds test splits.
    """

    name: str
    dataset: ResolvedComponent
    mode: Mode
    cohort: Cohort
    shared: tuple[tuple[str, str, str], ...]
    split: str = "test"

    @property
    def labels(self) -> tuple[str, ...]:
        """The findings in the tables."""
        return tuple(name for name, *_ in self.shared) if self.mode == "head" else self.cohort.labels

    @property
    def synthetic(self) -> bool:
        """Whether its images are generated."""
        return self.cohort.synthetic or bool(self.dataset.component.synthetic)

    @property
    def notes(self) -> list[Note]:
        """What a reader of the results must know."""
        told = f"data of {self.name} are synthetic: those numbers say nothing about patients"
        return [*[Note("synthetic", told)] * self.synthetic, *map(note_of, self.cohort.notes)]

    def describe(self) -> dict[str, Any]:
        """What a record says of it, but for the prepared images."""
        groups = self.cohort.frame.groupby("split")
        counts = groups.agg(images=("image_id", "size"), patients=("patient_id", "nunique"))
        return {
            "name": self.name,
            "dataset": self.dataset.name,
            "mode": self.mode,
            "synthetic": self.synthetic,
            "labels": list(self.labels),
            "splits": {str(name): {key: int(value) for key, value in row.items()} for name, row in counts.iterrows()},
            "splits_sha256": manifest(self.cohort)["sha256"],
            "official_split": self.cohort.official_split,
            "counts": dict(self.cohort.counts),
        }


def read_external(config: RunConfig, parts: RunComponents, sources: Sources, cache: Path) -> list[External]:
    """The datasets of ``evaluate.test_on``, checked.

    Args:
        config: of the run.
        parts: with the chosen datasets.
        sources: the run's own cohorts by name; empty where they could not be read: then the others are read alone.
        cache: folder of generated data.

    Raises:
        HandledError: all problems of all of them at once.
    """
    wanted = config.evaluate.test_on
    problems, found = Problems(), list[External]()
    names = external_names(wanted, parts)
    typed = as_typed((part.called or part.name, part.root) for part in wanted)
    for name, told, part, dataset in zip(names, typed, wanted, parts.external, strict=True):
        faults = Problems()
        try:
            found += _read(part, dataset, name, config, sources, cache)
        except HandledError as error:
            faults.add(error)
        problems.run(partial(told_of, f"--test-on {told}", faults))
    places = [(external.name, external.mode) for external in found]
    for name, mode in dict.fromkeys(place for place in places if places.count(place) > 1):
        told = typed[names.index(name)]
        problems.add(UsageError(f"--test-on {told}: it is tested with {mode} twice; leave one out"))
    problems.raise_if_any()
    return found


def external_names(wanted: Sequence[ExternalConfig], parts: RunComponents) -> list[str]:
    """A name for each dataset to test on, other than the run's own; one folder in two modes keeps one name."""
    keys = [(part.called or part.name, str(part.root), str(part.options), part.labels) for part in wanted]
    own = distinct(dataset.name for dataset in parts.datasets)
    taken = [*own, "+".join(own)] if len(own) > 1 else own
    folders = list(dict.fromkeys(keys))
    names = dict(zip(folders, distinct([*taken, *(key[0] for key in folders)])[len(taken) :], strict=True))
    return [names[key] for key in keys]


def _read(
    part: ExternalConfig, dataset: ResolvedComponent, name: str, config: RunConfig, sources: Sources, cache: Path
) -> list[External]:
    """One of them; none where there is nothing to match it with."""
    if name in SPLITS:
        raise UsageError(f"'{name}' is the name of a split; choose another by evaluate.test_on.called")
    raw = divide(read_raw(dataset, part, cache, config.data, config.ehr.features), part, config.data, cache)
    raw = without_labels(raw, config.evaluate.withhold)
    problems = Problems()
    problems.run(lambda: check_table(raw, config.data))
    problems.run(lambda: check_leakage(raw))
    problems.run(lambda: _check_apart(raw, sources, allow_test=config.data.allow_test_in_pretraining))
    problems.raise_if_any()
    cohort = raw.with_labels(_space(part, raw, config), config.data.uncertain, config.data.blank)
    cohort = without_labels(cohort, config.evaluate.withhold)
    if not sources:
        find(cohort, config.data)
        return []
    split = "validate" if config.evaluate.withhold else "test"
    external = _matched(part, dataset, name, cohort, next(iter(sources.values())).labels, split)
    found = [external]
    problems.run(lambda: found.append(replace(external, cohort=find(external.cohort, config.data))))
    problems.run(lambda: check_splits(found[-1]))
    problems.run(lambda: _check_classes(found[-1]))
    problems.raise_if_any()
    return found[-1:]


def _space(part: ExternalConfig, raw: Cohort, config: RunConfig) -> str:
    """The label space of the other dataset: as asked for, else the run's where the dataset has it, else its own."""
    if part.labels != "auto":
        return part.labels
    wanted = SPACES.get(config.data.labels, ())
    return config.data.labels if wanted and not coverage(raw.labels, wanted).lacking else "native"


def _check_apart(cohort: Cohort, sources: Sources, *, allow_test: bool) -> None:
    """Another copy of a dataset that was pretrained on holds none of its patients back for a test.

    Raises:
        DataError: it is the same folder, patients of its test split were pretrained on, or it has other names for the
            same patients.
    """
    for own in sources.values():
        if family(own.name) != family(cohort.name):
            continue
        if not comparable(own.name, cohort.name):
            if not allow_test:
                raise DataError(
                    f"'{cohort.name}' holds images and patients of the run's own '{own.name}' under other names, so it "
                    "is no external test set; test on another hospital"
                )
            continue
        if own.name == cohort.name and own.root.resolve() == cohort.root.resolve():
            raise DataError(f"{cohort.root} is the run's own dataset, which is tested anyway; leave it out")
        seen = own.frame.loc[own.frame["split"] != "test", "patient_id"].unique()
        leaked = same(cohort.split("test")["patient_id"].unique(), seen)
        if leaked and not allow_test:
            raise DataError(
                f"{len(leaked)} of its test patients are in training or validation of the run's own '{own.name}': "
                f"{shortened(leaked, 5)}; no test patient may be in pretraining"
            )


def _matched(
    part: ExternalConfig,
    dataset: ResolvedComponent,
    name: str,
    cohort: Cohort,
    internal: tuple[str, ...],
    split: str = "test",
) -> External:
    """The findings that both have, and how they are tested.

    Raises:
        DataError: ``head`` is asked for and no finding is shared.
    """
    there = coverage(cohort.labels, internal).direct
    same = set(internal) == set(cohort.labels)
    shared = tuple((here if same else common_name(here), here, other) for here, other in there.items())
    # A head says something of a dataset where most of what it was fitted for exists there (CheXpert for MIMIC-CXR);
    # otherwise heads are fitted anew, as in the paper (NIH, 7 of 14).
    mode: Mode = part.mode if part.mode != "auto" else "head" if 2 * len(shared) > len(internal) else "refit"
    if mode == "head" and not shared:
        raise DataError(
            f"head transfer needs a finding that both have; the run has {shortened(internal)}, '{cohort.name}' has "
            f"{shortened(cohort.labels)}; choose {part.name}:refit=ROOT"
        )
    if mode == "refit":
        return External(name, dataset, mode, cohort, shared, split)
    # A head meets the tested split alone, so no other image needs to be there, or to be prepared.
    tested, joined = _with_unions(cohort.with_frame(cohort.split(split)), internal)
    found = (*shared, *((common_name(here), here, here) for here in joined))
    return External(name, dataset, mode, tested, found, split)


def _with_unions(cohort: Cohort, internal: tuple[str, ...]) -> tuple[Cohort, tuple[str, ...]]:
    """The cohort with those findings of the run that are unions of its own (a nodule or a mass), and their names."""
    joined = tuple(coverage(cohort.labels, internal).unions)
    if not joined:
        return cohort, ()
    made = expressed(cohort.frame[list(cohort.labels)], joined)
    return replace(cohort, frame=cohort.frame.join(made), labels=(*cohort.labels, *joined)), joined


def check_splits(external: External) -> None:
    """The splits that the mode reads hold images."""
    needed = SPLITS if external.mode == "refit" else (external.split,)
    counts = external.cohort.frame["split"].value_counts()
    empty = [name for name in needed if counts.get(name, 0) == 0]
    if empty:
        raise DataError(
            f"{external.mode} needs images in {', '.join(needed)} of {external.cohort.name} at "
            f"{external.cohort.root}; there is none in {shortened(empty)}"
        )


def _check_classes(external: External) -> None:
    """Some finding has both classes among the test images; without them it has no value, and the rows say so."""
    own = external.cohort.labels if external.mode == "refit" else [other for *_, other in external.shared]
    test = external.cohort.split(external.split)[list(own)]
    if not ((test == 1).any() & (test == 0).any()).any():
        told = f"looked at {shortened(list(own))}" if own else "it has no labels"
        raise DataError(
            f"no finding has both classes among the {len(test)} {external.split} images, so nothing can be measured "
            f"there; {told}"
        )
