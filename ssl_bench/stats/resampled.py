"""Predictions of one run on resamples of patients: what claims over several runs are made of. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ssl_bench.stats.bootstrap import Floats, bootstrap, point
from ssl_bench.stats.intervals import NAMES, Support, supports
from ssl_bench.stats.predictions import PredictionTable, fitted


@dataclass(frozen=True)
class Resampled:
    """A metric of one run: of every label ``(L,)``, on resamples of patients ``(R, L)``, and what they rest on.

    ``encoder`` is the hash of its weights, empty where it is not known.
    """

    labels: tuple[str, ...]
    values: Floats
    replicates: Floats
    base: tuple[Support, ...]
    encoder: str = ""

    @property
    def macro(self) -> float:
        """Mean over the labels that have a value."""
        return float(np.nanmean(self.values))


def by_metric(
    table: PredictionTable,
    replicates: int,
    seed: int,
    *,
    known: tuple[Mapping[str, Floats], tuple[Support, ...]] | None = None,
) -> dict[str, Resampled]:
    """AUROC and AUPRC of one run's predictions; the same seed draws the same patients for every run.

    Args:
        table: predictions.
        replicates: resamples of patients.
        seed: of the resamples.
        known: values of the labels (L,) by metric and what they rest on, where they were measured before.
    """
    order = np.argsort(table.ids)
    truth = np.where(fitted(table.scores), table.truth, np.nan)[order]
    scores, patients = np.nan_to_num(table.scores)[order], table.patients[order]
    drawn = bootstrap(truth, scores, patients=patients, replicates=replicates, seed=seed)
    values, base = known or (dict(zip(NAMES, point(truth, scores), strict=True)), supports(truth, patients))
    return {
        name: Resampled(table.labels, values[name], repeats, base) for name, repeats in zip(NAMES, drawn, strict=True)
    }


def resampled(table: PredictionTable, replicates: int, seed: int, encoder: str = "") -> Resampled:
    """The AUROC of :func:`by_metric`, of an encoder."""
    return replace(by_metric(table, replicates, seed)["auroc"], encoder=encoder)
