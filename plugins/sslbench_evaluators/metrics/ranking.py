"""How well scores rank images: AUROC and average precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssl_bench import Options
from ssl_bench.plugin.metrics import Sample

Floats = npt.NDArray[np.float64]


class Auroc:
    """Chance that a positive image scores above a negative one; a tie counts half."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        return sample.ranked[0]


class Auprc(Auroc):
    """Average precision, one threshold for each distinct score, as in scikit-learn."""

    def values(self, sample: Sample) -> Floats:
        """``(C,)``."""
        return sample.ranked[1]
