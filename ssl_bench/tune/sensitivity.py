"""How the value of a trial goes with each hyperparameter: Spearman's rank correlation. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ssl_bench.tune.ledger import Trial
from ssl_bench.tune.space import Space

FEWEST = 4
"""Trials below which no correlation is told."""


def sensitivity(space: Space, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """The rank correlation of each hyperparameter with what the trials reached, the strongest first.

    The design is quasi-random, so hyperparameters are nearly independent of each other; a hyperparameter whose best
    value lies inside its range can have a correlation near 0 and matter all the same, which the pictures show.
    """
    from scipy.stats import spearmanr

    done = [trial for trial in trials if trial.value is not None]
    found: list[dict[str, Any]] = []
    for key in space.names:
        shares, values = [trial.point[key] for trial in done], [trial.value for trial in done]
        varied = len(done) >= FEWEST and len(set(shares)) > 1 and len(set(values)) > 1
        rho = float(spearmanr(shares, values).statistic) if varied else math.nan
        found.append({"key": key, "correlation": None if math.isnan(rho) else rho, "trials": len(done)})
    return sorted(found, key=lambda row: -abs(row["correlation"] or 0.0))
