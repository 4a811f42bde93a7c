"""Attention as separate products where the fused kernel is slow: in bf16 on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from torch import nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def slow_when_fused(fabric: Fabric) -> bool:
    """Whether torch's fused attention is the slower way in this precision on this device.

    On a CPU it takes 3.8 times as long in bf16 as separate products do for 37 tokens, and 1.8 times for 197, forward
    and backward together; in float32 it is the faster way (``pytest benchmarks/test_attention.py -s``, 2 threads).
    """
    return fabric.device.type == "cpu" and fabric._precision.precision == "bf16-mixed"


@contextmanager
def unfused(network: nn.Module) -> Iterator[None]:
    """Attention layers of timm as separate products, softmax between them; as they were afterwards.

    Args:
        network: with layers from timm; others stay as they are.
    """
    layers = [cast("Any", layer) for layer in network.modules() if getattr(layer, "fused_attn", False)]
    for layer in layers:
        layer.fused_attn = False
    try:
        yield
    finally:
        for layer in layers:
            layer.fused_attn = True
