"""Which datasets are scored by study: those that are asked to be, else those whose plugin says so. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd

from ssl_bench.errors import DataError, Problems, shortened
from ssl_bench.numbers import counted
from ssl_bench.plan.external import External
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.notes import Note

IMAGES = "none"
"""Instead of ``max`` or ``mean``: each image counts."""

BY_STUDY = "by-study"
"""Code of the note on datasets that are scored by study."""

WORDS = {"max": "largest", "mean": "mean"}


def aggregates(
    asked: str | None, own: Mapping[str, DatasetSpec], cohort: Cohort, external: Sequence[External]
) -> dict[str, str]:
    """How images of a study are joined, by the name of each dataset that is scored by study.

    Args:
        asked: ``evaluate.aggregate``; None: as the plugins say.
        own: the run's own datasets by name.
        cohort: that they make up, of all datasets together.
        external: others to test on.

    Raises:
        DataError: studies are asked for and unknown, or images of a study disagree on a label.
    """
    wanted = {name: asked or part.aggregate or IMAGES for name, part in own.items()}
    every = set(wanted.values())
    wanted[cohort.name] = every.pop() if len(every) == 1 else IMAGES  # of several that differ, each by itself alone
    wanted |= {other.name: asked or other.dataset.component.aggregate or IMAGES for other in external}
    frames = dict.fromkeys([*own, cohort.name], cohort.frame) | {other.name: other.cohort.frame for other in external}
    found = {name: how for name, how in wanted.items() if how != IMAGES and has_studies(frames[name])}
    if asked not in (None, IMAGES) and not found:
        raise DataError(
            f"--aggregate {asked} needs studies, and every image of {' and '.join(dict.fromkeys(wanted))} is a study "
            "by itself; give study ids, or leave it out"
        )
    problems = Problems()
    if found:  # the run's validation images choose thresholds for all
        problems.run(lambda: check_labels(cohort.frame, cohort.labels, cohort.name))
    for other in external:
        if other.name in found:
            labels = other.cohort.labels if other.mode == "refit" else [there for *_, there in other.shared]
            problems.run(partial(check_labels, other.cohort.frame, labels, other.name))
    problems.raise_if_any()
    return found


def has_studies(frame: pd.DataFrame) -> bool:
    """Whether some study holds several images."""
    return bool(frame.duplicated(["patient_id", "study_id"]).any())


def check_labels(frame: pd.DataFrame, labels: Sequence[str], name: str) -> None:
    """Images of a held-out study have the same labels, as far as they are known.

    Raises:
        DataError: naming studies whose images disagree.
    """
    rows = frame[frame["split"] != "train"]
    disputed = rows.groupby(["patient_id", "study_id"], observed=True)[list(labels)].nunique().gt(1).any(axis=1)
    if disputed.any():
        found = ["/".join(map(str, study)) for study in disputed.index[disputed]]
        raise DataError(
            f"{name} is to be scored by study, and images of {counted(len(found), 'study', 'studies')} disagree "
            "on a label: "
            f"{shortened(found, 5)}; give each image its study's label, or score images by --aggregate none"
        )


def unit_notes(found: Mapping[str, str], asked: str | None) -> list[Note]:
    """What a reader must know of datasets that are scored by study."""
    why = "" if asked else "; its truth is by study, --aggregate none scores images"
    return [Note(BY_STUDY, f"{name} is scored by study: the {WORDS[how]} score of its images{why}")
            for name, how in found.items()]  # fmt: skip
