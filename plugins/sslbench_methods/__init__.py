"""The built-in methods and the aliases of their backbones. A new method is one line here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ssl_bench import Backbone, Component, Method, hookimpl

# Fewer prototypes, fewer and larger focal views and a faster teacher where there are few images and few steps.
SMALL_MSN: dict[str, Any] = {
    "prototypes": 128,
    "focal_views": 2,
    "focal_size": 32,
    "hidden_dim": 512,
    "output_dim": 128,
    "momentum": 0.95,
    "momentum_end": 0.99,
}
MSN_PRESETS = {
    "smoke": SMALL_MSN | {"prototypes": 32, "focal_size": 16, "hidden_dim": 64, "output_dim": 32},
    "demo": SMALL_MSN,
}
# Heads that two cores train in seconds (smoke) or minutes (demo), and teachers that move within few steps. A crop of
# 8 % of a demo image, the official minimum, would be 18 px wide.
CROPS: dict[str, Any] = {"scale": (0.3, 1.0)}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "simclr": {"smoke": {"output_dim": 32}, "demo": CROPS | {"output_dim": 64}},
    "byol": {
        "smoke": {"hidden_dim": 64, "output_dim": 32, "momentum": 0.9},
        "demo": CROPS | {"hidden_dim": 512, "output_dim": 128, "momentum": 0.97},
    },
    "vicreg": {"smoke": {"hidden_dim": 64, "output_dim": 64}, "demo": CROPS | {"hidden_dim": 512, "output_dim": 512}},
    "dino": {
        "smoke": {"output_dim": 64, "hidden_dim": 64, "bottleneck_dim": 32, "local_views": 2, "local_size": 16,
                  "momentum": 0.99},
        "demo": {"output_dim": 256, "hidden_dim": 512, "bottleneck_dim": 64, "local_views": 2, "local_size": 32,
                 "momentum": 0.99, "teacher_temperature": 0.04, "freeze_last_layer": 1 / 8},
    },
    "simsiam": {
        "smoke": {"output_dim": 64, "predictor_dim": 16},
        "demo": CROPS | {"output_dim": 512, "predictor_dim": 128},
    },
    "moco-v3": {
        "smoke": {"hidden_dim": 64, "output_dim": 32, "momentum": 0.9},
        "demo": CROPS | {"hidden_dim": 512, "output_dim": 128, "momentum": 0.97},
    },
    "mae": {"smoke": {"decoder_dim": 32, "decoder_depth": 1}, "demo": {"decoder_dim": 96, "decoder_depth": 2}},
    "supervised": {"demo": CROPS},
}  # fmt: skip
MSN: dict[str, Any] = {
    "target": "sslbench_methods.msn:MSN",
    "options": "sslbench_methods.options:MSNOptions",
    "masks": True,
    "same_width": True,
    "fusion": "concat",
    "presets": MSN_PRESETS,
}


def method(name: str, target: str, summary: str, **fields: Any) -> Method:
    """A method with options of its own, which joins EHR features by concatenation."""
    return Method(
        name=name,
        target=f"sslbench_methods.{target}",
        options=f"sslbench_methods.options:{target.split(':')[1]}Options",
        summary=summary,
        fusion="concat",
        presets=PRESETS.get(name, {}),
        **fields,
    )


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
        method("simclr", "simclr:SimCLR", "contrast of two views (arXiv 2002.05709)", same_width=True),
        method("byol", "byol:BYOL", "bootstrap your own latent (arXiv 2006.07733)", same_width=True),
        method("vicreg", "vicreg:VICReg", "variance-invariance-covariance (arXiv 2105.04906)", same_width=True),
        method("dino", "dino:DINO", "self-distillation without labels (arXiv 2104.14294)", same_width=True),
        method("simsiam", "simsiam:SimSiam", "simple siamese network (arXiv 2011.10566)", same_width=True),
        method("moco-v3", "moco_v3:MoCoV3", "momentum contrast, version 3 (arXiv 2104.02057)", same_width=True),
        method("mae", "mae:MAE", "masked autoencoder (arXiv 2111.06377)", same_width=True, masks=True),
        method("supervised", "supervised:Supervised", "labels of the training split, as a baseline", uses_labels=True),
        Method(name="random", target="sslbench_methods.baselines:Untrained", trains=False,
               summary="the encoder as it was initialised, untrained"),
        Method(name="pretrained", target="sslbench_methods.baselines:Untrained", trains=False, needs_weights=True,
               summary="weights from a file (--init): timm's, or the encoder folder of another run"),
        Backbone(name="vit-micro", summary="ViT, 128 wide, 4 deep, patch 8, 64 px: for demonstrations on a CPU",
                 image_size=64, **vit("vit_tiny_patch16_224", 8, embed_dim=128, depth=4, num_heads=4)),
        Backbone(name="vit-tiny", summary="ViT-Tiny/16 of the paper, 192 wide, 3 heads",
                 **vit("vit_tiny_patch16_224", 16)),
        Backbone(name="vit-small", summary="ViT-Small/16 of the paper, 384 wide, 6 heads",
                 **vit("vit_small_patch16_224", 16)),
    ]  # fmt: skip
