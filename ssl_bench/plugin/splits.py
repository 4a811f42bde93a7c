"""Splits drawn by patient, for a dataset that has none of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import accumulate

import pandas as pd

DEFAULT_SHARES = {"train": 0.7, "validate": 0.1, "test": 0.2}
"""Shares of the patients where a dataset has no official split."""


SELECTION = {"train": 0.9, "validate": 0.1}
"""Shares of the training patients where a dataset has no validation split, or one that is too small."""


def assign(patient_ids: pd.Series, shares: Mapping[str, float], seed: int = 0) -> pd.Series:
    """A split for every row, decided by the hash of its patient: neither row order nor other patients matter.

    Only a split that would be empty takes the patient whose hash is nearest from the largest one.

    Args:
        patient_ids: text, one a row.
        shares: share of the patients in each split; they sum to 1.
        seed: another seed is another draw.

    Returns:
        Split names, aligned with ``patient_ids``.
    """
    names = list(shares)
    limits = list(accumulate(shares.values()))
    drawn = {patient: _uniform(patient, seed) for patient in patient_ids.unique()}
    chosen = {
        patient: next((name for name, limit in zip(names, limits, strict=True) if value < limit), names[-1])
        for patient, value in drawn.items()
    }
    for empty in (name for name in names if len(drawn) >= len(names) and name not in chosen.values()):
        _lend(empty, limits[names.index(empty)] - shares[empty] / 2, drawn, chosen)
    return patient_ids.map(chosen)


def _lend(empty: str, middle: float, drawn: Mapping[str, float], chosen: dict[str, str]) -> None:
    """Move the patient of the largest split whose draw is nearest to the middle of an empty one."""
    held = list(chosen.values())
    largest = max(set(held), key=lambda name: (held.count(name), name))
    candidates = [patient for patient, name in chosen.items() if name == largest]
    chosen[min(candidates, key=lambda patient: (abs(drawn[patient] - middle), patient))] = empty


def select(patient_ids: pd.Series, split: pd.Series) -> pd.Series:
    """A split with a tenth of the training patients taken out for validation; other rows stay where they are."""
    chosen = split.copy()
    chosen[split == "train"] = assign(patient_ids[split == "train"], SELECTION)
    return chosen


def _uniform(patient: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
