"""Splits by patient, their manifest, and the leakage gate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import accumulate

import pandas as pd

from ssl_bench.data.cohort import SPLITS, Cohort
from ssl_bench.errors import DataError, shortened

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


def check_leakage(cohort: Cohort, *, allow_test: bool = False) -> None:
    """The hard gate: no patient in two splits, and so no test patient in pretraining.

    Args:
        cohort: the whole cohort.
        allow_test: let patients be in training and test; validation stays apart. The caller keeps that on the record.

    Raises:
        DataError: naming the patients.
    """
    images = cohort.frame.groupby(["patient_id", "split"]).size().unstack(fill_value=0)
    seen = images.reindex(columns=list(SPLITS), fill_value=0) > 0
    leaked = seen["train"] & seen["test"]
    shared = (seen.sum(axis=1) > 1) & ~(leaked & ~seen["validate"] & allow_test)
    if shared.any():
        patients = seen.index[shared].tolist()
        aside = f" ({int(leaked.sum())} would bring a test patient into pretraining)" if leaked.any() else ""
        raise DataError(
            f"no patient may be in two splits; {len(patients)} are: {shortened(patients)}; split by patient, not by "
            f"image{aside}"
        )


def check_not_empty(cohort: Cohort, batch_size: int) -> None:
    """Every split holds images, and training fills at least one batch.

    Raises:
        DataError: a split is empty, or smaller than the batch.
    """
    counts = cohort.frame["split"].value_counts()
    empty = [name for name in SPLITS if counts.get(name, 0) == 0]
    if empty:
        raise DataError(f"every split needs images; '{cohort.name}' has none in {shortened(empty)}")
    if counts["train"] < batch_size:
        raise DataError(
            f"a batch of {batch_size} needs as many training images, '{cohort.name}' has {counts['train']}; "
            "lower --batch-size"
        )


def pretraining_rows(cohort: Cohort, splits: Sequence[str] = ("train",), *, allow_test: bool = False) -> pd.Index:
    """Row numbers that pretraining may see.

    Args:
        cohort: the whole cohort.
        splits: the splits to pretrain on.
        allow_test: open the gate; the caller keeps that on the record.

    Raises:
        DataError: a test patient is among them and the gate is closed.
    """
    rows = cohort.frame.index[cohort.frame["split"].isin(splits)]
    held_out = set(cohort.split("test")["patient_id"].unique())
    leaked = sorted(held_out & set(cohort.frame.loc[rows, "patient_id"].unique()))
    if leaked and not allow_test:
        raise DataError(f"no test patient may be in pretraining; {len(leaked)} are: {shortened(leaked)}")
    return rows


def manifest(cohort: Cohort) -> dict[str, object]:
    """The patients of every split, with a hash that a record can name.

    Returns:
        ``{"dataset", "official", "patients": {split: sorted ids}, "sha256"}``.
    """
    patients = {name: sorted(cohort.split(name)["patient_id"].unique().tolist()) for name in SPLITS}
    text = "\n".join(f"{name}\t{patient}" for name in SPLITS for patient in patients[name])
    return {
        "dataset": cohort.name,
        "official": cohort.official_split,
        "patients": patients,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
