"""Model selection on the validation split, the same for every protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ssl_bench.stats.metrics import macro_auroc

Scores = npt.NDArray[np.floating[Any]]


def best_by_validation(scores: Scores, labels: Scores) -> int:
    """The setting with the highest validation macro AUROC; the first of equals.

    Args:
        scores: ``(S, N, L)`` scores of S settings.
        labels: ``(N, L)`` 1, 0 or NaN.

    Returns:
        Its number; the middle one where no label has both classes.
    """
    usable = ~np.isnan(scores).any(axis=(0, 1))
    values = np.array([macro_auroc(labels[:, usable], setting[:, usable]) for setting in scores])
    return len(values) // 2 if np.isnan(values).all() else int(np.nanargmax(values))


def has_both_classes(labels: Tensor) -> Tensor:
    """Which labels (L,) of ``(N, L)`` can be fitted; scores of the others are NaN, not a constant that looks fitted."""
    return (labels == 1).any(0) & (labels == 0).any(0)
