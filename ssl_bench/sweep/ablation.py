"""The cells of an ablation: feature sets by arms by seeds, each a run with its own configuration. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.config.arms import ARMS, NONE, REAL, SHUFFLED
from ssl_bench.errors import UsageError, unknown


@dataclass(frozen=True, eq=False)
class AblationCell:
    """One run of an ablation.

    Args:
        features: name of the feature set.
        arm: of :data:`ARMS`.
        seed: of the run.
        folder: its run directory.
        flags: nested values on top of the user's.
    """

    features: str
    arm: str
    seed: int
    folder: Path
    flags: Mapping[str, Any]


def cells(
    sets: Mapping[str, Sequence[str]], arms: Sequence[str], seeds: int, out: Path, first_seed: int = 0
) -> list[AblationCell]:
    """All runs, seed by seed, so that an ablation that is cut short has whole seeds.

    Args:
        sets: features by name of the set.
        arms: of :data:`ARMS`; the arm without EHR is run once for all sets.
        seeds: their number.
        out: folder of the ablation.
        first_seed: the others follow.

    Raises:
        UsageError: an arm is unknown, or the primary contrast lacks one.
    """
    for arm in arms:
        if arm not in ARMS:
            raise UsageError(unknown("arm", arm, ARMS))
    if not {REAL, SHUFFLED} <= set(arms):
        raise UsageError(f"an ablation compares '{REAL}' with '{SHUFFLED}', found {', '.join(arms)}; name both")
    found = []
    for seed in range(first_seed, first_seed + seeds):
        for number, (name, features) in enumerate(sets.items()):
            for arm in arms:
                if arm == NONE and number:
                    continue
                above = out / name if len(sets) > 1 and arm != NONE else out
                flags = {**ARMS[arm], "seed": seed}
                flags["ehr"] = {**flags["ehr"], "features": list(features)}
                found.append(AblationCell(name, arm, seed, above / f"{arm}-seed{seed}", flags))
    return found
