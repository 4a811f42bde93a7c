"""What of its configuration a run may change when it is resumed. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CHANGEABLE = (
    "loggers",
    "data.workers",
    "data.residency",
    "data.root",
    "data.more",
    "data.options",
    "data.split",
    "pretrain.epochs",
    "pretrain.log_every",
    "pretrain.checkpoint_every",
    "pretrain.devices",
    "pretrain.nodes",
    "pretrain.parallel",
    "evaluate.protocols",
    "evaluate.options",
    "evaluate.test_on",
)
"""Keys that a resumed run may set anew. All but the epochs change no weight; those stretch the schedules from here on,
so that the run equals none that was left alone, and its record says so (:func:`ssl_bench.pretrain.run.changed`).

Options, split file and folders of the data may change, too, because the data are known by content: other data are
refused."""


def refused_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Differences between two configurations that a resumed run may not have."""
    for key, before, after in differences(old, new):
        if ".".join(key.split(".")[:2]) not in CHANGEABLE:
            yield f"{key}: {before!r} -> {after!r}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, old and new value of everything that differs between two nested tables."""
    for key in {**old, **new}:
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, f"{above}{key}.")
        elif before != after:
            yield f"{above}{key}", before, after
