"""What a record says of the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.plugin.notes import Note


@dataclass(frozen=True)
class Summary:
    """What pretraining did.

    Args:
        steps: optimiser steps in all.
        images_seen: images, counted once per pass.
        crops_seen: views of all groups.
        seconds: training time of this process, resumed parts of earlier ones not counted.
        images_per_second: over that time.
        final: the last logged entry.
        changes: what makes a resumed training another one than a training that was left alone.
        chosen: step and mean loss of the epoch whose encoder is evaluated, where that is not the last.
    """

    steps: int
    images_seen: int
    crops_seen: int
    seconds: float
    images_per_second: float
    precision: str
    device: str
    resumed_at: int = 0
    final: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = ""
    changes: tuple[Note, ...] = ()
    processes: int = 1
    chosen: Mapping[str, Any] = field(default_factory=dict)
