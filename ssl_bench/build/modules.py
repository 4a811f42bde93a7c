"""From a plan to the modules that are trained: backbone, fusion and method, each from its own random stream."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from ssl_bench.build.weights import fill
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import ResolvedComponent, RunComponents
from ssl_bench.plan.plan import Plan
from ssl_bench.plugin.contracts import Backbone, Fusion, Method
from ssl_bench.plugin.features import FeatureSchema
from ssl_bench.plugin.weights import read_weights
from ssl_bench.seeds import seed_torch


def build_backbone(plan: Plan, *, initial: bool = False) -> Backbone:
    """The encoder before training; the same weights for every method with the same seed.

    Args:
        plan: names the backbone, the seed and the weights to start from.
        initial: leave the weights of ``backbone.init`` out.

    Raises:
        UsageError: timm does not know the model, or refuses its arguments.
        DataError: the weights to start from do not fit.
    """
    config, parts = plan.config, plan.parts
    if parts.encoder is not None:
        return cast("Backbone", parts.encoder)
    seed_torch(config.seed, "backbone")
    arguments: dict[str, Any] = {**parts.backbone.arguments, **config.backbone.options}
    backbone = cast("Backbone", parts.backbone.load()(parts.image_size, **arguments))
    if config.backbone.positions == "sincos":
        fix_positions(backbone, parts.backbone.name)
    if config.backbone.init and not initial:
        weights = read_weights(config.backbone.init)
        given = config.backbone
        fill(backbone.model, weights, source=config.backbone.init, allow=given.init_allow, prefix=given.init_prefix)
    return backbone


def fix_positions(backbone: Backbone, name: str) -> None:
    """Fixed positions in the place of learnt ones; weights that are given later bring their own.

    Raises:
        UsageError: the backbone, of another plugin, cannot do it.
    """
    if not hasattr(backbone, "fix_positions"):
        raise UsageError(f"backbone '{name}' has no fixed positions; set backbone.positions=learnt")
    backbone.fix_positions()


def build_method(plan: Plan, backbone: Backbone | None = None) -> Method:
    """The method around its backbone, which may be built already, and fusion.

    The three are initialised from streams of their own, so that a fusion is the only difference between a method
    with it and the same method without.

    Raises:
        UsageError: they do not fit each other.
    """
    backbone = backbone or build_backbone(plan)
    fusion: Fusion | None = None
    if plan.parts.fusion:
        seed_torch(plan.config.seed, "fusion")
        fusion = build_fusion(plan.parts.fusion, backbone.dim, plan.schema)
    seed_torch(plan.config.seed, "method")
    labels = [len(plan.cohort.labels)] if plan.parts.method.component.uses_labels else []
    method = cast("Method", plan.parts.method.build(backbone, fusion, *labels))
    _check_views(plan.parts, method, backbone)
    return method


def build_baseline(plan: Plan, chosen: ResolvedComponent) -> Method:
    """An untrained method around the encoder as it is initialised: the same weights for every method of the seed."""
    backbone = build_backbone(plan, initial=True)
    seed_torch(plan.config.seed, "method")
    return cast("Method", chosen.build(backbone, None))


def build_fusion(chosen: ResolvedComponent, dim: int, schema: FeatureSchema) -> Fusion:
    """A fusion for features of width ``dim``, with what its descriptor states for methods."""
    fusion = chosen.build(dim, schema)
    fusion.needs_tokens = chosen.component.needs_tokens
    fusion.offset_parameters = chosen.component.offset_parameters
    return cast("Fusion", fusion)


def _check_views(parts: RunComponents, method: Method, backbone: Backbone) -> None:
    for group in method.views:
        if backbone.patch_size and group.size % backbone.patch_size:
            raise UsageError(
                f"method '{parts.method.name}' has {group.name} views of {group.size} px, which is no multiple of the "
                f"patch size {backbone.patch_size}; change the size of that view"
            )


def count_parameters(module: nn.Module, *, trainable: bool = False) -> int:
    """Number of parameters."""
    return sum(value.numel() for value in module.parameters() if value.requires_grad or not trainable)
