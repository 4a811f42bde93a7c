"""Collapse monitors: cheap numbers that say whether features still tell images apart."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ssl_bench.errors import TrainingStopped
from ssl_bench.plugin.contracts import Loss
from ssl_bench.pretrain.health import LOW_RANK


def embedding_std(features: Tensor) -> float:
    """Mean standard deviation of L2-normalised features ``(B, D)``, times sqrt(D): 1 for isotropic, 0 for constant."""
    rows = torch.nn.functional.normalize(features.float(), dim=1)
    return float(rows.std(dim=0).mean() * features.shape[1] ** 0.5)


def effective_rank(features: Tensor) -> float:
    """RankMe: exponential of the entropy of the normalised singular values of ``(B, D)`` (arXiv 2210.02885)."""
    spectrum = torch.linalg.svdvals(features.float())
    share = spectrum / spectrum.sum().clamp_min(1e-12) + 1e-7
    return float(torch.exp(-(share * share.log()).sum()))


def prototype_entropy(probabilities: Tensor) -> float:
    """Entropy of the mean assignment ``(B, K)`` by its maximum log K: 1 for evenly used prototypes."""
    mean = probabilities.float().mean(0)
    entropy = -torch.special.xlogy(mean, mean).sum()
    return float(entropy / torch.log(torch.tensor(float(mean.numel()))))


def observe(loss: Loss) -> dict[str, float]:
    """Monitors of one step's :class:`ssl_bench.plugin.contracts.Loss`."""
    seen: dict[str, float] = {}
    if loss.features is not None:
        seen["embedding_std"] = embedding_std(loss.features)
        seen["effective_rank"] = effective_rank(loss.features)
    if loss.probabilities is not None:
        seen["prototype_entropy"] = prototype_entropy(loss.probabilities)
    return seen


COLLAPSED_STD = 1e-3
"""An embedding std below this means that all images get the same feature."""

PATIENCE = 5
"""Collapsed observations in a row before the run is stopped (the first one warns), or low ranks before a warning."""


class CollapseGuard:
    """Stops a run whose features have been constant for several observations, and warns of a low rank."""

    def __init__(self) -> None:
        self.strikes = self.low = 0

    def check(self, seen: Mapping[str, float], step: int) -> str | None:
        """Look at one observation.

        Returns:
            A warning the first time features look collapsed or their rank has stayed low, else None.

        Raises:
            TrainingStopped: they have been collapsed for :data:`PATIENCE` observations.
        """
        collapsed = seen.get("embedding_std", 1.0) < COLLAPSED_STD
        self.strikes = self.strikes + 1 if collapsed else 0
        self.low = self.low + 1 if seen.get("effective_rank", LOW_RANK) < LOW_RANK else 0
        if self.strikes >= PATIENCE:
            raise TrainingStopped(
                f"features collapsed: their standard deviation stayed below {COLLAPSED_STD} up to step {step}; "
                "lower pretrain.lr, or inspect log.jsonl for the first step where it fell"
            )
        if self.strikes == 1:
            return f"features look collapsed at step {step}"
        if self.low == PATIENCE:
            return (
                f"the evaluated encoder's features have an effective rank of {seen['effective_rank']:.1f} at step "
                f"{step} (below {LOW_RANK:g} for {PATIENCE} looks): few directions distinguish images"
            )
        return None
