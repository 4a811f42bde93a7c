"""CSV files with the same bytes for the same table, gzipped or plain; and quirks that even a small cohort has."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table without its index; a name that ends in ``.gz`` is gzipped, with no time and no name inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = table.to_csv(index=False, lineterminator="\n").encode()
    if path.suffix == ".gz":
        with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
            zipped.write(text)
    else:
        path.write_bytes(text)


def spread(count: int, rng: np.random.Generator) -> npt.NDArray[np.floating[Any]]:
    """The numbers 0, 1/count ... in random order: ``spread(n, rng) < share`` is true of at least one, if n > 0."""
    return np.asarray(rng.permutation(count) / max(1, count))
