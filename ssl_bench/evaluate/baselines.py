"""Encoders that no run trains, and that every encoder is measured beside."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ssl_bench.build.modules import build_baseline
from ssl_bench.build.prepared import PreparedData, pretraining_positions
from ssl_bench.evaluate.embedder import whole_images
from ssl_bench.plan.plan import Plan
from ssl_bench.plugin.contracts import Backbone

PART = 256
"""Images that are read at once for a baseline that learns from all of them."""


def baselines(plan: Plan, prepared: PreparedData) -> dict[str, Backbone]:
    """The encoders of a plan's baselines by name; one that learns from the training images has seen them."""
    found = {}
    for chosen in plan.parts.baselines:
        method = build_baseline(plan, chosen)
        method.fit(training_images(plan, method.encoder, prepared))
        found[chosen.name] = method.encoder
    return found


def training_images(plan: Plan, encoder: Backbone, prepared: PreparedData) -> Iterator[Tensor]:
    """The encoder's views ``(n, 1, H, W)`` of all images that pretraining sees, in parts."""
    rows = prepared.rows[pretraining_positions(plan, prepared.cohort)]
    for start in range(0, len(rows), PART):
        yield whole_images(prepared, encoder, rows[start : start + PART])
