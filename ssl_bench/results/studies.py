"""Predictions of images as predictions of studies: the unit that truth by study is scored in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.subsets import restricted
from ssl_bench.results.rows import Scored, as_table
from ssl_bench.stats.predictions import IMAGES, Aggregate, by_study, study_names, unit_of


def of_studies(scored: Scored, labels: tuple[str, ...], aggregate: str) -> Scored:
    """The predictions with one row a study, or as they are where images count (``none``).

    What the images of a study differ in (its views) is unknown of the study.

    Args:
        scored: of images.
        labels: the L findings.
        aggregate: ``max`` or ``mean`` of the scores, or ``none``.

    Raises:
        DataError: no study is known, or images of one disagree on a label.
    """
    if aggregate == IMAGES:
        return scored
    chosen: Aggregate = "max" if aggregate == "max" else "mean"
    split, table = scored.split, as_table(scored, labels)
    joined = by_study(table, chosen, f"{scored.origin.dataset}, split {split.name}")
    names = np.array(study_names(table.patients, np.asarray(table.studies)))
    _, first = np.unique(names, return_index=True)  # in the order of the joined rows
    ehr = {name: _shared(values, names, first) for name, values in split.ehr.items()}
    return replace(
        scored,
        origin=replace(scored.origin, unit=unit_of(aggregate), aggregate=aggregate),
        split=replace(restricted(split, first), image_ids=joined.ids, labels=joined.truth, ehr=ehr),
        predictions=replace(scored.predictions, scores=joined.scores),
    )


def _shared(values: npt.NDArray[Any], names: npt.NDArray[Any], first: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Values (N,) of images as values of their studies; missing where a study has several."""
    several = pd.Series(values).groupby(names).nunique(dropna=False).gt(1).to_numpy()
    found = np.array(values[first])
    found[several] = None if found.dtype == object else np.nan
    return found
