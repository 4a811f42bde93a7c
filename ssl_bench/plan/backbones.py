"""Which backbone a name means: an alias that a plugin offers, or one of timm's. No torch unless a name is wrong."""

from __future__ import annotations

import difflib
import re

from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugin.components import BackboneSpec
from ssl_bench.plugin.registry import Registry


def choose_backbone(registry: Registry, name: str) -> BackboneSpec:
    """An alias that a plugin offers, or any timm architecture by its own name."""
    alias = name.replace("_", "-")
    if name not in registry.names(BackboneSpec.kind) and alias in registry.names(BackboneSpec.kind):
        raise UsageError(f"unknown backbone '{name}'; did you mean '{alias}'?")
    if name in registry.names(BackboneSpec.kind) or "," in name:  # the registry says what takes several
        return registry.get(BackboneSpec.kind, name)  # type: ignore[no-any-return]
    if "-" in name:  # timm's names have none, so an alias was meant
        own = f", or '{name.replace('-', '')}', as timm's names have no '-'"
        raise UsageError(unknown("backbone", name, registry.names(BackboneSpec.kind)) + own)
    patch, size = re.search(r"patch(\d+)", name), re.search(r"_(\d{3})$", name)
    return BackboneSpec(
        name=name,
        target="ssl_bench.build.backbones:build",
        summary="timm architecture",
        arguments={"model": name},
        image_size=int(size[1]) if size else 224,
        patch_size=int(patch[1]) if patch else 0,
    )


def check_known(backbone: BackboneSpec) -> None:
    """A name that no plugin offers is one of timm's: before a size that was read from it is blamed, timm is asked."""
    if backbone.arguments.get("model") != backbone.name:
        return
    import timm  # brings torch, so only where something is wrong

    if not timm.is_model(backbone.name):
        near = difflib.get_close_matches(backbone.name, timm.list_models(), n=10)
        raise UsageError(unknown("backbone", backbone.name, near or ["resnet18", "vit_tiny_patch16_224"]))
