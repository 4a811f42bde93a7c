"""Cohorts of several datasets as one: common findings, EHR features with gaps, identifiers that cannot collide."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.families import comparable, family
from ssl_bench.data.ids import same
from ssl_bench.errors import DataError, Problems, UsageError, shortened
from ssl_bench.plugin.cohort import IDENTIFIERS, RAW, Cohort
from ssl_bench.plugin.labels import COMMON7, Policy
from ssl_bench.plugin.vocabulary import common_name, coverage

DATASET = "dataset"
"""Column of a joined table that says which dataset a row is of."""

PREFIXED = tuple(column for column in IDENTIFIERS if column != "split")


def distinct(names: Iterable[str]) -> list[str]:
    """Names with a number where one occurs again: ``nih14``, ``nih14-2``."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            number += 1
            free = f"{name}-{number}"
        found.append(free)
    return found


def settle(cohorts: Mapping[str, Cohort], space: str, uncertain: Policy, blank: Policy) -> dict[str, Cohort]:
    """The cohorts with their labels settled in one space.

    Args:
        cohorts: as read, by name.
        space: a label space, or ``auto``: of one dataset its own findings; of several that differ ``common7`` where all
            have it, else the findings that all have.
        uncertain: what -1 becomes.
        blank: what a blank becomes.

    Raises:
        UsageError: the space is unknown, or ``native`` where the datasets' own findings differ.
        DataError: a dataset lacks findings of the space, or all share none.
    """
    chosen: str | tuple[str, ...] = "native" if space == "auto" else space
    bare = {name: cohort for name, cohort in cohorts.items() if not cohort.labels}
    if bare and len(bare) < len(cohorts):
        told = settle({name: cohort for name, cohort in cohorts.items() if cohort.labels}, space, uncertain, blank)
        labels = next(iter(told.values())).labels
        return {name: told.get(name) or unlabelled(cohort, labels) for name, cohort in cohorts.items()}
    if len({cohort.labels for cohort in cohorts.values()}) > 1 and chosen == "native":
        if space == "native":
            raise UsageError(
                f"label space 'native' is a dataset's own, and {' and '.join(cohorts)} have different findings; choose "
                "--labels common7, or leave --labels out"
            )
        chosen = shared_findings(cohorts)
    problems, settled = Problems(), dict[str, Cohort]()
    for name, cohort in cohorts.items():
        where = f"{name}: " if len(cohorts) > 1 else ""
        try:
            settled[name] = cohort.with_labels(chosen, uncertain, blank)
        except (DataError, UsageError) as error:
            problems.add(type(error)(f"{where}{error}"))
    problems.raise_if_any()
    return settled


def unlabelled(cohort: Cohort, labels: tuple[str, ...]) -> Cohort:
    """A cohort without labels with those of others, all unknown."""
    names = [*labels, *(f"{RAW}{label}" for label in labels)]
    return replace(cohort, frame=cohort.frame.assign(**dict.fromkeys(names, np.nan)), labels=labels)


def shared_findings(cohorts: Mapping[str, Cohort]) -> tuple[str, ...]:
    """The findings that all have, by their common names: those of ``common7`` where they are among them.

    Raises:
        DataError: they share none.
    """
    every = [cohort.labels for cohort in cohorts.values()]
    named = dict.fromkeys(common_name(label) for labels in every for label in labels)
    shared = tuple(label for label in named if not any(coverage(labels, [label]).lacking for labels in every))
    if not shared:
        lists = "; ".join(f"{name} has {shortened(cohort.labels)}" for name, cohort in cohorts.items())
        raise DataError(f"datasets that are pretrained on together must share findings; {lists}")
    return COMMON7 if set(COMMON7) <= set(shared) else shared


def check_copies(cohorts: Mapping[str, Cohort]) -> None:
    """Two copies of one dataset share no folder and no patient: prefixes would make two patients of one.

    Raises:
        DataError: all problems at once.
    """
    problems = Problems()
    for first, second in combinations(cohorts.values(), 2):
        if family(first.name) != family(second.name):
            continue
        one, two = (first.root, second.root) if first.name == second.name else (first.name, second.name)
        if not comparable(first.name, second.name):
            problems.add(DataError(
                f"'{one}' and '{two}' hold the same images and patients under other names; leave one of them out"
            ))  # fmt: skip
            continue
        shared = same(first.frame["patient_id"].unique(), second.frame["patient_id"].unique())
        if shared and one == two:
            problems.add(DataError(f"'{first.name}' is given twice with the folder {one}; leave one of them out"))
        elif shared:
            problems.add(DataError(
                f"'{one}' and '{two}' are copies of one dataset and share {len(shared)} patients: "
                f"{shortened(shared, 5)}; leave one of them out"
            ))  # fmt: skip
    problems.raise_if_any()


def join(cohorts: Mapping[str, Cohort]) -> Cohort:
    """One cohort of several with the same labels; a single one stays as it is.

    Identifiers begin with the dataset's name, a column ``dataset`` names it too, and a feature that a dataset lacks is
    missing in its rows. The table has no folder of its own: images are found by the cohorts it was made of.
    """
    if len(cohorts) == 1:
        return next(iter(cohorts.values()))
    features = tuple(dict.fromkeys(feature for cohort in cohorts.values() for feature in cohort.features))
    parts = list(cohorts.values())
    numbers = {feature for cohort in parts for feature in cohort.features if cohort.specs[feature].number}
    frames = [_prefixed(name, cohort, features, numbers) for name, cohort in cohorts.items()]
    return Cohort(
        "+".join(cohorts),
        Path(),
        pd.concat(frames, ignore_index=True),
        features,
        parts[0].labels,
        official_split=all(cohort.official_split for cohort in parts),
        synthetic=any(cohort.synthetic for cohort in parts),
        boxes=_boxes(cohorts),
        declared={name: spec for cohort in parts for name, spec in cohort.declared.items()},
        counts={f"{what} ({name})": count for name, cohort in cohorts.items() for what, count in cohort.counts.items()},
    )


def _boxes(cohorts: Mapping[str, Cohort]) -> pd.DataFrame | None:
    """The boxes of all, under the names that images have in the joined table."""
    parts = [cohort.boxes.assign(image_id=f"{name}/" + cohort.boxes["image_id"])
             for name, cohort in cohorts.items() if cohort.boxes is not None]  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else None


def _prefixed(name: str, cohort: Cohort, features: Sequence[str], numbers: Container[str]) -> pd.DataFrame:
    frame = cohort.frame.copy()
    for column in PREFIXED:
        frame[column] = f"{name}/" + frame[column].astype(str)
    for feature in features:
        if feature not in cohort.features:
            frame[feature] = pd.Series(np.nan, index=frame.index, dtype=float if feature in numbers else object)
    frame.insert(0, DATASET, name)
    return frame
