"""Ends trials that are hopeless: below the median of those before at a quarter, half or three quarters. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from ssl_bench.errors import UsageError, unknown
from ssl_bench.tune.ledger import Study, Trial

MILESTONES = (0.25, 0.5, 0.75)

WATCHED = {"rank": "effective_rank", "probe": "probe_linear"}
"""What of the training log decides, by pruner: a rank that needs no labels, or an online probe on validation images."""


def check_pruner(name: str) -> str:
    """A pruner by its name.

    Raises:
        UsageError: there is none.
    """
    if name not in ("none", *WATCHED):
        raise UsageError(unknown("pruner", name, ("none", *WATCHED)))
    return name


def reached(log: Path, epochs: int, key: str) -> Iterator[tuple[int, float]]:
    """The last number before each milestone that a training has passed, whenever one looks at its log.

    Args:
        log: of the run, one entry a line.
        epochs: of the whole training.
        key: of the number.

    Yields:
        The milestone in percent and the number.
    """
    entries = list(_entries(log))
    passed = max((entry["epoch"] for entry in entries), default=0.0)
    for share in MILESTONES:
        at = share * epochs
        known = [entry[key] for entry in entries if entry["epoch"] <= at and math.isfinite(entry.get(key, math.nan))]
        if passed >= at and known:
            yield round(100 * share), float(known[-1])


def _entries(log: Path) -> Iterator[dict[str, float]]:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # it is being written
        if isinstance(entry, dict) and isinstance(entry.get("epoch"), int | float):
            yield entry


def given_up(study: Study, trial: Trial, log: Path, epochs: int, pruner: str) -> str:
    """Why a trial is hopeless; empty where it is not, or not yet.

    The answer is a function of the log and of the trials before, not of the moment when one asks.
    """
    for percent, value in reached(log, epochs, WATCHED[pruner]):
        if study.hopeless(trial.number, percent, value):
            return f"pruned at {percent} % of the training: {WATCHED[pruner]} {value:.3g} is below the median so far"
    return ""
