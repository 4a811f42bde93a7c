"""Flags of a caller as a configuration, and the cache folder. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ssl_bench.errors import UsageError


def merge_flags(flags: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Flags by dotted key, those given only, with ``--set`` assignments on top.

    Raises:
        UsageError: an assignment is malformed.
    """
    from ssl_bench.config.config import assignment
    from ssl_bench.config.layers import merge

    merged: dict[str, Any] = {}
    for path, value in flags.items():
        if value is not None:
            nested: Any = value
            for part in reversed(path.split(".")):
                nested = {part: nested}
            merged = merge(merged, nested)
    for text in settings:
        merged = merge(merged, assignment(text))
    return merged


def cache_folder(given: Path | None) -> Path:
    """Where generated data and prepared stores live: ``--cache``, ``$SSLBENCH_CACHE`` or ``~/.cache/sslbench``.

    Raises:
        UsageError: a file is there.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = given or Path(os.environ.get("SSLBENCH_CACHE", Path(base).expanduser() / "sslbench"))
    if os.path.isfile(folder):
        raise UsageError(f"the cache {folder} is a file; give a folder by --cache")
    return folder
