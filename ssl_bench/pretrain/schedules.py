"""Schedules as plain functions of progress, the share of the training that is done, in [0, 1]."""

from __future__ import annotations

import math

# lightly's cosine_schedule counts steps and reaches the end one step early; these are functions of progress, so that a
# run that is resumed for more epochs, or that stretches its schedule as MSN does, is on the same curve


def linear(progress: float, start: float, end: float) -> float:
    """From ``start`` to ``end`` in a straight line."""
    return start + (end - start) * progress


def cosine(progress: float, start: float, end: float) -> float:
    """From ``start`` to ``end`` along half a cosine: slow, fast, slow."""
    return end + (start - end) * (math.cos(math.pi * progress) + 1) / 2


def ramp(progress: float, start: float, end: float, share: float) -> float:
    """Linear from ``start`` to ``end`` during the first ``share`` of the training, then ``end``."""
    return linear(progress / share, start, end) if progress < share else end


def warmup_cosine(progress: float, peak: float, end: float, *, warmup: float = 0.0, start: float = 0.0) -> float:
    """Linear from ``start`` to ``peak`` during the first ``warmup`` share, then a cosine to ``end``.

    Raises:
        ValueError: the warm-up takes less than nothing or the whole training.
    """
    if not 0 <= warmup < 1:
        raise ValueError(f"warm-up must be a share in [0, 1), got {warmup}")
    if progress < warmup:
        return linear(progress / warmup, start, peak)
    return cosine((progress - warmup) / (1 - warmup), peak, end)
