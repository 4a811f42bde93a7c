"""The built-in methods and the aliases of their backbones. A new method is one line here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ssl_bench import Backbone, Component, Method, hookimpl

# Fewer prototypes, fewer and larger focal views and a faster teacher where there are few images and few steps.
SMALL_MSN: dict[str, Any] = {
    "prototypes": 128,
    "focal_views": 4,
    "focal_size": 32,
    "hidden_dim": 512,
    "output_dim": 128,
    "momentum": 0.99,
}
MSN_PRESETS = {
    "smoke": SMALL_MSN | {"prototypes": 32, "focal_views": 2, "focal_size": 16, "hidden_dim": 64, "output_dim": 32},
    "demo": SMALL_MSN,
}
MSN: dict[str, Any] = {
    "target": "sslbench_methods.msn:MSN",
    "options": "sslbench_methods.options:MSNOptions",
    "masks": True,
    "same_width": True,
    "fusion": "concat",
    "presets": MSN_PRESETS,
}


def vit(model: str, patch_size: int, **arguments: Any) -> dict[str, Any]:
    """Descriptor fields of a ViT from timm."""
    return {
        "target": "ssl_bench.backbones:build",
        "arguments": {"model": model, "patch_size": patch_size, **arguments},
        "patch_size": patch_size,
    }


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in methods and backbones."""
    return [
        Method(name="msn", summary="masked siamese network (arXiv 2204.07141)", **MSN),
        Method(name="msn-ehr", summary="MSN with EHR features fused into the anchors (arXiv 2407.04449)",
               features=("age", "sex"), **MSN),
        Method(name="random", target="sslbench_methods.baselines:Untrained", trains=False,
               summary="the encoder as it was initialised, untrained"),
        Backbone(name="vit-micro", summary="ViT, 128 wide, 6 deep, patch 8, 64 px: for demonstrations on a CPU",
                 image_size=64, **vit("vit_tiny_patch16_224", 8, embed_dim=128, depth=6, num_heads=4)),
        Backbone(name="vit-tiny", summary="ViT-Tiny/16 of the paper, 192 wide, 3 heads",
                 **vit("vit_tiny_patch16_224", 16)),
        Backbone(name="vit-small", summary="ViT-Small/16 of the paper, 384 wide, 6 heads",
                 **vit("vit_small_patch16_224", 16)),
    ]  # fmt: skip
