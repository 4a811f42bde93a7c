"""Coordinates of pictures, kept beside them so that a rebuilt report computes nothing again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.files import replacing, sha256 as file_hash

Arrays = Mapping[str, npt.NDArray[Any]]


def kept_or_new(path: Path, sources: Iterable[Path], settings: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """The arrays of ``path`` where they come from the same sources and settings, else new ones, which are kept.

    Args:
        path: an ``.npz`` file.
        sources: files the arrays are made from; where one is gone, what was kept is used as it is.
        settings: what else decides the arrays.
        make: computes them.

    Raises:
        FileNotFoundError: nothing is kept and a source is missing.
    """
    sources = list(sources)
    whole = all(source.is_file() for source in sources)
    key = _key(sources, settings) if whole else None
    old = _read(path)
    if old and (key is None or str(old["key"]) == key):
        return old
    if key is None:
        missing = next(source for source in sources if not source.is_file())
        raise FileNotFoundError(missing)
    new = {**make(), "key": np.array(key)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **new)
    return new


def _key(sources: Iterable[Path], settings: Mapping[str, Any]) -> str:
    parts = [file_hash(source) for source in sources]
    return sha256(json.dumps([parts, settings], sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """What is kept, empty where nothing is or where the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
    except (OSError, ValueError, EOFError, KeyError):
        return {}
    return found if "key" in found else {}
