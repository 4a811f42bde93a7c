"""Splits by patient, their manifest, and the leakage gate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd

from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.cohort import SPLITS, Cohort


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
    """Every split holds images, of a cohort without labels the training split, which fills at least one batch.

    Raises:
        DataError: a split is empty, or smaller than the batch.
    """
    counts = cohort.frame["split"].value_counts()
    needed = SPLITS if cohort.labels else SPLITS[:1]
    empty = [name for name in needed if counts.get(name, 0) == 0]
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
