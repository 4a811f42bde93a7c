"""Sensitivity and false positive rate by group, at one threshold for all groups, on resamples of patients.

The threshold is chosen on validation images of everybody, as it would be where a model is put to use. A group whose
sensitivity is low there is underdiagnosed; of ``No Finding`` it is the false positive rate that says so
(Seyyed-Kalantari et al., "Underdiagnosis bias of artificial intelligence algorithms", Nature Medicine 2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.stats.bootstrap import Floats, patient_rows, resamples
from ssl_bench.stats.support import Basis

SPECIFICITY = 0.9
"""Of the validation images at the threshold, at least."""

RATES: Mapping[str, Basis] = {"sensitivity-at-threshold": "positive", "fpr-at-threshold": "negative"}
"""By name, the images that a rate is of."""


def thresholds(labels: Floats, scores: Floats) -> Floats:
    """The lowest score of each label that 90 % of the negative validation images lie below; NaN where none is known.

    Args:
        labels: ``(N, L)`` 1, 0, or NaN where unknown.
        scores: ``(N, L)``.
    """
    found = np.full(labels.shape[1], np.nan)
    for k, (truth, score) in enumerate(zip(labels.T, scores.T, strict=True)):
        known = ~np.isnan(truth) & np.isfinite(score)
        negative = np.sort(score[known & (truth == 0)])
        if len(negative) and (truth[known] == 1).any():
            candidates = np.append(np.unique(score[known]), np.inf)
            below = np.searchsorted(negative, candidates) / len(negative)
            found[k] = candidates[(below >= SPECIFICITY - 1e-12).argmax()]
    return found


def rates(
    labels: Floats,
    scores: Floats,
    cuts: Floats,
    masks: Sequence[npt.NDArray[np.bool_]],
    *,
    patients: npt.NDArray[Any],
    replicates: int,
    seed: int,
) -> dict[str, tuple[Floats, Floats]]:
    """Both rates of G groups and L labels, ``(G, L)``, and on the resamples ``(R, G, L)``; NaN where nothing is known.

    Args:
        labels: ``(N, L)`` 1, 0, or NaN where unknown.
        scores: ``(N, L)``.
        cuts: ``(L,)`` thresholds; NaN: the label has none.
        masks: ``(N,)`` whose images each group has.
        patients: ``(N,)`` patient of each image.
        replicates: number of resamples R, the same ones as of AUROC.
        seed: of the resamples.
    """
    number, sizes = patient_rows(patients, len(labels))
    called = np.where(np.isnan(cuts), np.nan, scores >= cuts)
    found = {}
    for value, name in ((1, "sensitivity-at-threshold"), (0, "fpr-at-threshold")):
        of_class = np.concatenate([(labels == value) & ~np.isnan(called) & mask[:, None] for mask in masks], axis=1)
        hit = of_class & (np.tile(np.nan_to_num(called), len(masks)) == 1)
        summed = [_by_patient(part, number, len(sizes)) for part in (hit, of_class)]
        shape = (len(masks), labels.shape[1])
        point = _share(*(part.sum(axis=1) for part in summed)).reshape(shape)
        drawn = np.full((replicates, *shape), np.nan)
        for chunk, times in resamples(sizes, replicates, seed):
            weights = times.astype(np.float64)
            drawn[chunk] = _share(*(part @ weights for part in summed)).T.reshape(-1, *shape)
        found[name] = point, drawn
    return found


def _by_patient(rows: npt.NDArray[np.bool_], number: npt.NDArray[np.intp], count: int) -> Floats:
    """Images (K, P) of each of K columns by patient."""
    return np.stack([np.bincount(number, column, count) for column in rows.T.astype(np.float64)])


def _share(part: Floats, whole: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
