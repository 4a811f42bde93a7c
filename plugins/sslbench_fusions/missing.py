"""Missing EHR values: a learnt one stands in for each, column by column."""

from __future__ import annotations

from torch import Tensor


def filled(ehr: Tensor, present: Tensor, absence: Tensor) -> Tensor:
    """Values ``(B, F)`` where present, the absence vector ``(F,)`` elsewhere; what stands at a gap is never read."""
    return ehr * present + absence * (1 - present)
