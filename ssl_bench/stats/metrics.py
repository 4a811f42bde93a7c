"""Point metrics per label, and what makes a label have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.stats.bootstrap import point

Array = npt.NDArray[np.floating[Any]]


def macro_auroc(labels: Array, scores: Array) -> float:
    """Mean AUROC over the labels that have both classes, NaN where none has.

    Args:
        labels: ``(N, L)`` 1, 0 or NaN (unknown).
        scores: ``(N, L)``.
    """
    auroc, _ = point(labels, scores)
    defined = auroc[~np.isnan(auroc)]
    return float(defined.mean()) if len(defined) else float("nan")
