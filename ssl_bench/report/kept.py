"""Coordinates of pictures, kept beside them so that a rebuilt report computes nothing again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.errors import DataError
from ssl_bench.files import replacing
from ssl_bench.files import sha256 as file_hash
from ssl_bench.report.palette import LeftOut
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

DAMAGED = (OSError, ValueError, KeyError, EOFError, BadZipFile)
"""What reading a damaged array or table file raises."""

Arrays = Mapping[str, npt.NDArray[Any]]


def kept_or_new(path: Path, sources: Iterable[Path], settings: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """The arrays of ``path`` where they come from the same sources and settings, else new ones, which are kept.

    Args:
        path: an ``.npz`` file.
        sources: files the arrays are made from; where one is gone, what was kept is used as it is.
        settings: what else decides the arrays.
        make: computes them.

    Raises:
        LeftOut: nothing is kept and a source is missing.
    """
    sources = list(sources)
    whole = all(source.is_file() for source in sources)
    key = _key(sources, settings) if whole else None
    old = _read(path)
    if old and (key is None or str(old["key"]) == key):
        return old
    if key is None:
        missing = next(source for source in sources if not source.is_file())
        raise LeftOut(f"{missing.name} is missing")
    new = {**make(), "key": np.array(key)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **new)
    return new


def of_record(run: RunDirectory, path: Path, record: Record) -> Path:
    """The path of a kept file, which may be gone but may not be another one than the record was written with.

    Raises:
        LeftOut: its bytes are others.
    """
    if path.is_file():
        try:
            run.checked(path, record)
        except DataError:
            raise LeftOut(f"{path.name} is damaged (it is not the file that the record was written with)") from None
    return path


def read_table(path: Path) -> pd.DataFrame:
    """A Parquet file.

    Raises:
        LeftOut: it is missing or damaged.
    """
    if not path.is_file():
        raise LeftOut(f"{path.name} is missing")
    try:
        return pd.read_parquet(path)
    except DAMAGED as error:
        raise LeftOut(f"{path.name} is damaged ({error})") from None


def _key(sources: Iterable[Path], settings: Mapping[str, Any]) -> str:
    parts = [file_hash(source) for source in sources]
    return sha256(json.dumps([parts, settings], sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """What is kept, empty where nothing is or where the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
    except DAMAGED:
        return {}
    return found if "key" in found else {}
