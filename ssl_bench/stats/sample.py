"""Images of one finding and how often resamples of patients drew them: all that a metric sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ssl_bench.stats.bootstrap import Array, Floats, Ranking


@dataclass(frozen=True)
class Draws:
    """C resamples of patients: ``times (P, C)``, whole numbers, how often each patient was drawn."""

    times: Array

    @cached_property
    def floats(self) -> Floats:
        """The same as float64, in which products are fast."""
        return self.times.astype(np.float64)


@dataclass(frozen=True)
class Finding:
    """Images on which one finding is known.

    Args:
        labels: ``(N,)`` 1 or 0.
        scores: ``(N,)`` float64, higher means more likely.
        patient: ``(N,)`` number of each image's patient, from 0.
        patients: P.
        threshold: the score from which an image counts as positive, chosen on validation images; None: there is none.
    """

    labels: Floats
    scores: Floats
    patient: npt.NDArray[np.intp]
    patients: int
    threshold: float | None = None

    @cached_property
    def ranking(self) -> Ranking | None:
        """The images by falling score; None where they are of one class."""
        return Ranking.of(self.labels, self.scores, self.patient, self.patients)


@dataclass(frozen=True)
class Sample:
    """A finding on C resamples of patients; see :class:`ssl_bench.plugin.metrics.Sample`."""

    finding: Finding
    draws: Draws

    @property
    def labels(self) -> Floats:
        """``(N,)`` 1 or 0."""
        return self.finding.labels

    @property
    def scores(self) -> Floats:
        """``(N,)``."""
        return self.finding.scores

    @property
    def threshold(self) -> float | None:
        """The score from which an image counts as positive."""
        return self.finding.threshold

    @property
    def weights(self) -> Floats:
        """``(N, C)`` how often each image counts."""
        return self.draws.floats[self.finding.patient]

    def total(self, terms: Array) -> Floats:
        """Sums over images of terms ``(N,)`` or ``(N, K)`` in each resample, ``(C,)`` or ``(K, C)``."""
        columns = np.asarray(terms, np.float64).reshape(len(self.labels), -1).T
        who, size = self.finding.patient, self.finding.patients
        by_patient = np.stack([np.bincount(who, column, size) for column in columns])  # (K, P)
        found: Floats = by_patient @ self.draws.floats
        return found[0] if np.ndim(terms) == 1 else found

    @cached_property
    def ranked(self) -> tuple[Floats, Floats]:
        """AUROC and average precision, ``(C,)`` each; NaN where a resample holds one class alone."""
        ranking, nothing = self.finding.ranking, np.full(self.draws.times.shape[1], np.nan)
        return (nothing, nothing) if ranking is None else ranking.metrics(self.draws.times)
