"""The built-in methods and the aliases of their backbones. A new method is one line here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ssl_bench import BackboneSpec, Component, Flag, MethodSpec, hookimpl
from sslbench_methods.presets import MSN_PRESETS, PRESETS
from sslbench_methods.recipes import MSN_RECIPES
from sslbench_methods.training import TRAINING

MSN: dict[str, Any] = {
    "target": "sslbench_methods.msn:MSN",
    "options": "sslbench_methods.options:MSNOptions",
    "masks": True,
    "fusion": "concat",
    "training": TRAINING["msn"],
    "presets": MSN_PRESETS,
    "recipes": MSN_RECIPES,
}

BRANCHES = (
    Flag(option="fuse_branches", help="one or both views of SimCLR and VICReg get EHR features. [one]",
         panel="Electronic health records (EHR)"),
)  # fmt: skip


def method(name: str, target: str, summary: str, **fields: Any) -> MethodSpec:
    """A method with options of its own, which joins EHR features by concatenation."""
    return MethodSpec(
        name=name,
        target=f"sslbench_methods.{target}",
        options=f"sslbench_methods.options:{target.split(':')[1]}Options",
        summary=summary,
        fusion="concat",
        presets=PRESETS.get(name, {}),
        training=TRAINING.get(name, {}),
        **fields,
    )


def with_ehr(base: MethodSpec) -> MethodSpec:
    """The same method under the name ``<name>-ehr``: age and sex join where the user names no features."""
    summary = f"{base.summary.partition(' (')[0]}, with EHR features (after arXiv 2407.04449)"
    return replace(base, name=f"{base.name}-ehr", features=("age", "sex"), summary=summary)


def vit(model: str, patch_size: int, **arguments: Any) -> dict[str, Any]:
    """Descriptor fields of a ViT from timm."""
    return {
        "target": "ssl_bench.build.backbones:build",
        "arguments": {"model": model, "patch_size": patch_size, **arguments},
        "patch_size": patch_size,
    }


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in methods and backbones."""
    paired = [
        method("simclr", "simclr:SimCLR", "contrast of two views (arXiv 2002.05709)", same_width=True, flags=BRANCHES),
        method("byol", "byol:BYOL", "bootstrap your own latent (arXiv 2006.07733)", same_width=True),
        method(
            "vicreg",
            "vicreg:VICReg",
            "variance-invariance-covariance (arXiv 2105.04906)",
            same_width=True,
            flags=BRANCHES,
        ),
        method("dino", "dino:DINO", "self-distillation without labels (arXiv 2104.14294)", same_width=True),
    ]
    return [
        MethodSpec(name="msn", summary="masked siamese network (arXiv 2204.07141)", **MSN),
        MethodSpec(name="msn-ehr", summary="MSN with EHR features fused into the anchors (arXiv 2407.04449)",
                   features=("age", "sex"), **MSN),
        *paired,
        *(with_ehr(base) for base in paired),
        method("simsiam", "simsiam:SimSiam", "simple siamese network (arXiv 2011.10566)", same_width=True),
        method("moco-v3", "moco_v3:MoCoV3", "momentum contrast, version 3 (arXiv 2104.02057)", same_width=True,
               positions="sincos"),
        method("mae", "mae:MAE", "masked autoencoder (arXiv 2111.06377)", same_width=True, masks=True,
               positions="sincos"),
        method("dinov2", "dinov2:DINOv2", "DINO, iBOT and KoLeo in one (arXiv 2304.07193)", same_width=True,
               masks=True),
        method("ijepa", "ijepa:IJEPA", "joint-embedding predictive architecture (arXiv 2301.08243)", same_width=True,
               masks=True, positions="sincos"),
        method("supervised", "supervised:Supervised", "labels of the training split, as a baseline", uses_labels=True),
        MethodSpec(name="random", target="sslbench_methods.baselines:Random", trains=False, baseline=True,
                   options="sslbench_methods.options:RandomOptions",
                   summary="the encoder as it was initialised, untrained"),
        MethodSpec(name="random-learnt", target="sslbench_methods.baselines:Random", trains=False,
                   options="sslbench_methods.options:RandomOptions", defaults={"positions": "learnt"},
                   summary="the same with positions as they are drawn before they are learnt"),
        MethodSpec(name="pixels", target="sslbench_methods.baselines:Pixels", trains=False, baseline=True,
                   needs_initial=False,
                   options="sslbench_methods.options:PixelsOptions", summary="a thumbnail of the image, as features"),
        MethodSpec(name="pixels-pca", target="sslbench_methods.baselines:Pixels", trains=False,
                   options="sslbench_methods.options:PixelsOptions", defaults={"components": 64}, needs_initial=False,
                   summary="principal axes of the thumbnails, learnt on the training images"),
        MethodSpec(name="pretrained", target="sslbench_methods.baselines:Untrained", trains=False, needs_weights=True,
                   summary="weights from a file (--init): timm's, or the encoder folder of another run"),
        BackboneSpec(name="vit-micro", summary="ViT, 128 wide, 4 deep, patch 8, 64 px: for demonstrations on a CPU",
                     image_size=64, **vit("vit_tiny_patch16_224", 8, embed_dim=128, depth=4, num_heads=4)),
        BackboneSpec(name="resnet-micro", summary="ResNet, 24 to 192 wide, 4 deep, 64 px: a CNN of vit-micro's size",
                     image_size=64, target="ssl_bench.build.backbones:build",
                     arguments={"model": "resnet10t", "channels": (24, 48, 96, 192)}),
        BackboneSpec(name="vit-tiny", summary="ViT-Tiny/16 of the paper, 192 wide, 3 heads",
                     **vit("vit_tiny_patch16_224", 16)),
        BackboneSpec(name="vit-small", summary="ViT-Small/16 of the paper, 384 wide, 6 heads",
                     **vit("vit_small_patch16_224", 16)),
        BackboneSpec(name="vit-base", summary="ViT-Base/16, 768 wide, 12 heads", **vit("vit_base_patch16_224", 16)),
        BackboneSpec(name="vit-large", summary="ViT-Large/16, 1024 wide, 24 deep, 16 heads",
                     **vit("vit_large_patch16_224", 16)),
        BackboneSpec(name="convnext-base", summary="ConvNeXt-Base, a CNN without BatchNorm, 1024 wide",
                     target="ssl_bench.build.backbones:build", arguments={"model": "convnext_base"}),
    ]  # fmt: skip
