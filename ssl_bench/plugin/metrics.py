"""What the target of a metric must be, and what the core hands to it. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


class Sample(Protocol):
    """Images of one finding in C resamples of patients: each counts as often as its patient was drawn.

    Attributes:
        labels: ``(N,)`` 1 or 0; images whose label is unknown are not among them.
        scores: ``(N,)`` higher means more likely.
        threshold: the score from which an image counts as positive, for a metric that chooses one; else None.
        weights: ``(N, C)`` how often each image counts. Large: where sums are enough, :meth:`total` is faster.
        ranked: AUROC and average precision, ``(C,)`` each.
    """

    @property
    def labels(self) -> Floats: ...  # noqa: D102

    @property
    def scores(self) -> Floats: ...  # noqa: D102

    @property
    def threshold(self) -> float | None: ...  # noqa: D102

    @property
    def weights(self) -> Floats: ...  # noqa: D102

    @property
    def ranked(self) -> tuple[Floats, Floats]: ...  # noqa: D102

    def total(self, terms: Floats) -> Floats:
        """Sums over the images of ``terms (N,)`` or ``(N, K)`` in each resample, ``(C,)`` or ``(K, C)``."""


class Measure(Protocol):
    """A metric, built as ``Target(options)``. It draws nothing: the core does, and makes intervals and tests."""

    def values(self, sample: Sample) -> Floats:
        """The metric in each resample ``(C,)``, NaN where it is undefined."""

    def choose(self, labels: Floats, scores: Floats) -> float:
        """The threshold by ``labels (N,)`` and ``scores (N,)`` of validation images that hold both classes.

        Only called where the descriptor says ``threshold``.
        """
