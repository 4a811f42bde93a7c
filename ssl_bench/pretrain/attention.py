"""Attention as separate products where the fused kernel is slow: in bf16 on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from lightning_fabric import Fabric
from torch import nn


def slow_when_fused(fabric: Fabric) -> bool:
    """Whether torch's fused attention is the slower way in this precision on this device.

    On a CPU its backward pass in bf16 takes ten times as long as in separate products for 37 tokens, three times for
    197 (``pytest benchmarks/test_attention.py -s``); in float32 both take the same time.
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
