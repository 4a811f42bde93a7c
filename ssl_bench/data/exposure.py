"""Which EHR values a training step sees: all, none before or after a share of the training, or some at random.

Whatever is withheld is missing (``present`` 0), so every fusion treats it as it treats gaps of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssl_bench.data.controls import random_rows
from ssl_bench.plugin.features import FeatureSchema, column_slices
from ssl_bench.seeds import generator


@dataclass(frozen=True)
class Exposure:
    """EHR rows of a step, as a function of (seed, step).

    Args:
        schema: of the EHR vector.
        seed: of the run.
        steps: of the whole training.
        dropout: probability that a feature of an image is withheld.
        start: share of the training from which on EHR is given.
        until: share of the training up to which EHR is given.
        noise: values are drawn anew at every step (:func:`ssl_bench.data.controls.random_rows`).
    """

    schema: FeatureSchema
    seed: int
    steps: int
    dropout: float = 0.0
    start: float = 0.0
    until: float = 1.0
    noise: bool = False

    def shown(self, ehr: Tensor, present: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Values and mask ``(B, F)`` that a step sees, of those in the table."""
        if not self.start <= step / self.steps < self.until:
            return torch.zeros_like(ehr), torch.zeros_like(present)
        if self.noise:
            ehr = random_rows(self.schema, len(ehr), generator(self.seed, "ehr noise", step)).to(ehr)
        if self.dropout:
            present = present * self._kept(len(present), step).to(present)
        return ehr * present, present

    def _kept(self, rows: int, step: int) -> Tensor:
        """``(B, F)`` 0 in all columns of a feature that is withheld from a row."""
        places = column_slices(self.schema).values()
        drawn = torch.rand(rows, len(places), generator=generator(self.seed, "ehr dropout", step))
        widths = torch.tensor([place.stop - place.start for place in places])
        return (drawn >= self.dropout).float().repeat_interleave(widths, dim=1)
