"""Size and cost of a run, as numbers. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ssl_bench.plugin.contracts import ViewGroup


@dataclass(frozen=True)
class Estimate:
    """What a training costs.

    Args:
        encoder_parameters: of the image encoder.
        trainable_parameters: of everything that is trained.
        views: groups of crops.
        step_flops: floating-point operations of one step, forward and backward.
        memory_bytes: weights, gradients, optimiser state and saved activations in float32.
        store_bytes: the prepared images.
    """

    encoder_parameters: int
    trainable_parameters: int
    views: Sequence[ViewGroup]
    step_flops: int
    memory_bytes: int
    store_bytes: int
