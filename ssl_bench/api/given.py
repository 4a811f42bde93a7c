"""What a caller gives, checked before anything is read. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssl_bench.errors import UsageError

FEWEST_RESAMPLES = 100


def folder_of(given: Any) -> Path:
    """A run's folder: a path, or anything with one.

    Raises:
        UsageError: it is neither.
    """
    found = getattr(given, "path", given)
    if not isinstance(found, str | Path):
        raise UsageError(f"a run is expected as its folder or a Run, found {type(given).__name__}")
    return Path(found).expanduser()


def check_resamples(count: int) -> None:
    """Intervals need enough resamples of patients.

    Raises:
        UsageError: they are fewer.
    """
    if count < FEWEST_RESAMPLES:
        raise UsageError(f"replicates: at least {FEWEST_RESAMPLES} resamples are needed for an interval, found {count}")
