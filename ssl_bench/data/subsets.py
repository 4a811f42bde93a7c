"""Low-label training sets: shares of the training patients, nested, in several draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.plugin.contracts import EvalContext, Split
from ssl_bench.seeds import derive


@dataclass(frozen=True)
class Subset:
    """A context whose training split is a share of the whole.

    Args:
        fraction: share of the training patients.
        draw: which of several random draws.
        context: what protocols see.
    """

    fraction: float
    draw: int
    context: EvalContext


def subsets(context: EvalContext, fractions: Sequence[float], draws: int) -> Iterator[Subset]:
    """Every fraction in every draw; the whole training split once.

    Within a draw the sets are nested: the patients of 1 % are among those of 5 %. The draws depend on the run's seed
    and the patients alone, so all encoders of a run are fitted on the same sets.
    """
    for fraction in sorted(set(fractions)):
        for draw in range(draws if fraction < 1 else 1):
            train = context.splits["train"]
            chosen = train if fraction == 1 else restricted(train, share(train, fraction, draw, context.seed))
            yield Subset(fraction, draw, replace(context, splits={**context.splits, "train": chosen}))


def share(train: Split, fraction: float, draw: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows belong to the first ``fraction`` of the patients in a random order, at least one patient."""
    patients = np.unique(train.patient_ids)
    order = np.array([derive(seed, "label draw", draw, str(patient)) for patient in patients]).argsort()
    kept = patients[order[: max(1, ceil(fraction * len(patients)))]]
    return np.isin(train.patient_ids, kept)


def restricted(split: Split, rows: npt.NDArray[Any]) -> Split:
    """A split with some of its rows."""
    return replace(
        split,
        image_ids=split.image_ids[rows],
        patient_ids=split.patient_ids[rows],
        embeddings=split.embeddings[rows],
        labels=split.labels[rows],
        rows=split.rows[rows],
        ehr={name: values[rows] for name, values in split.ehr.items()},
        ehr_values=None if split.ehr_values is None else split.ehr_values[rows],
        ehr_present=None if split.ehr_present is None else split.ehr_present[rows],
        study_ids=None if split.study_ids is None else split.study_ids[rows],
    )
