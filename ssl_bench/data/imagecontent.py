"""What every image of a run is, by content: hashes that are the same wherever files lie and whenever they were written.

A run's identity is made of these: two runs saw the same data where the tables of :func:`image_content` are equal, and a
column that differs says what changed, in which images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd

from ssl_bench.data.blocks import HASH, digest
from ssl_bench.plugin.cohort import Cohort

PARTS = ("pixels", "labels", "features", "split")
"""Columns of :func:`image_content`."""


def image_content(cohort: Cohort, pixels: Sequence[str]) -> pd.DataFrame:
    """Hashes of each image's pixels, labels, features and split.

    Args:
        cohort: with settled labels, in any order.
        pixels: hash of the prepared pixels of each of its rows (:attr:`ssl_bench.data.store.Store.pixels`,
            :attr:`ssl_bench.build.prepared.PreparedData.pixels`).

    Returns:
        A row an image, by ``image_id`` in its order as text, with the columns :data:`PARTS`.
    """
    frame = cohort.frame
    columns = {"labels": cohort.labels, "features": cohort.features, "split": ("patient_id", "split")}
    table = {"pixels": list(pixels)} | {name: row_hashes(frame, list(some)) for name, some in columns.items()}
    return pd.DataFrame(table, index=pd.Index(frame["image_id"], name="image_id"), columns=list(PARTS)).sort_index()


def row_hashes(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """A hash of each row's values in some columns, with the columns' names; missing values are equal to each other.

    Numbers count by value, whatever their type: 1 and 1.0 are the same.
    """
    names = "\x1f".join(columns)
    texts = [_texts(frame[name]) for name in columns]
    return [digest("\x1e".join((names, *row)).encode()) for row in zip(*texts, strict=True)] if texts else [
        digest(names.encode())] * len(frame)  # fmt: skip


def _texts(values: pd.Series) -> list[str]:
    """Values as text, alike for all types that a table may have read them as."""
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        numbers = values.astype("Float64").astype(float)
        return ["" if number != number else repr(number) for number in numbers.tolist()]
    missing = values.isna().tolist()
    return ["" if gone else f"={value}" for value, gone in zip(values.astype(object).tolist(), missing, strict=True)]


def content_hashes(hashes: pd.DataFrame) -> dict[str, str]:
    """One hash for each column of :func:`image_content`, over all images and their ids."""
    found = {}
    for name in PARTS:
        hashed = hashlib.sha256()
        for image_id, value in zip(hashes.index, hashes[name], strict=True):
            hashed.update(f"{image_id}\t{value}\n".encode())
        found[name] = hashed.hexdigest()[:HASH]
    return found
