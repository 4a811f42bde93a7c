"""What the interval of a label rests on: images and patients by class, and how many patients they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ssl_bench.stats.bootstrap import Array, Floats, patient_rows

FEWEST = 5
"""Positive patients, and negative ones, that an interval needs, and a label in a macro mean that a claim rests on."""

Basis = Literal["both", "positive", "negative", "all"]
"""The images that a metric is of: both classes as pairs, one class, or all whose label is known."""


@dataclass(frozen=True)
class Support:
    """What a label's interval rests on; ``effective`` is Kish's number, of the class with the smaller one."""

    positive_images: int
    negative_images: int
    positive_patients: int
    negative_patients: int
    effective: float
    basis: Basis = field(default="both", compare=False)
    of_class: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Kish's number of the ``positive``, the ``negative`` and ``all`` known images; how many patients are ``known``."""

    def on(self, basis: Basis) -> Support:
        """What a metric rests on that is of one class alone, or of all known images."""
        if basis == "both":
            return self
        return replace(self, basis=basis, effective=self.of_class[basis])

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the label's interval."""
        return max(self.effective - 1.0, 1.0)

    @property
    def step(self) -> float:
        """The smallest change of a share: of half a pair of images, or of half an image of the class it is of."""
        images = {
            "both": self.positive_images * self.negative_images,
            "positive": self.positive_images,
            "negative": self.negative_images,
            "all": self.positive_images + self.negative_images,
        }
        return 0.5 / max(images[self.basis], 1)

    @property
    def reason(self) -> str:
        """Why the label has no value or no interval; empty where it has both."""
        if not self.positive_images and not self.negative_images:
            return "no image has a label and a score"
        if self.basis == "both" and (not self.positive_images or not self.negative_images):
            known = f"{self.positive_images} positive and {self.negative_images} negative images"
            return f"one class only ({known})"
        counts = {"positive": self.positive_patients, "negative": self.negative_patients}
        if self.basis != "both":
            counts = {self.basis: counts.get(self.basis, int(self.of_class.get("known", 0)))}
        for what, count in counts.items():
            if count < FEWEST:
                return f"{count} {what.replace('all', 'known')} patients, an interval needs {FEWEST}"
        return ""


def effective_patients(labels: npt.ArrayLike, patients: Sequence[object] | Array | None) -> Floats:
    """Kish's effective number of positive patients (L,) of labels (N, L); 0 where none is positive."""
    labels = np.asarray(labels, np.float64)
    number, sizes = patient_rows(patients, len(labels))
    return np.array([_kish(np.bincount(number, column == 1, len(sizes))) for column in labels.T])


def supports(labels: npt.ArrayLike, patients: Sequence[object] | Array | None) -> tuple[Support, ...]:
    """What the interval of each of the L labels rests on; labels (N, L) with NaN where unknown."""
    labels = np.asarray(labels, np.float64)
    number, sizes = patient_rows(patients, len(labels))
    result = []
    for column in labels.T:
        positive, negative = (np.bincount(number, column == value, len(sizes)) for value in (1, 0))
        every = positive + negative
        result.append(
            Support(
                positive_images=int(positive.sum()),
                negative_images=int(negative.sum()),
                positive_patients=int(np.count_nonzero(positive)),
                negative_patients=int(np.count_nonzero(negative)),
                effective=min(_kish(positive), _kish(negative)),
                of_class={
                    "positive": _kish(positive),
                    "negative": _kish(negative),
                    "all": _kish(every),
                    "known": float(np.count_nonzero(every)),
                },
            )
        )
    return tuple(result)


def _kish(images: npt.NDArray[Any]) -> float:
    return float(images.sum() ** 2 / max((images.astype(np.float64) ** 2).sum(), 1.0))
