"""What ``auto`` means for the method and the encoder of a run, in numbers and names for the record. No torch."""

from __future__ import annotations

from typing import Any

from ssl_bench.config.config import BackboneConfig, PretrainConfig, RunConfig
from ssl_bench.errors import UsageError
from ssl_bench.plan.backbones import choose_backbone
from ssl_bench.plugin.components import BackboneSpec, MethodSpec, of_preset
from ssl_bench.plugin.registry import Registry
from ssl_bench.plugin.training import UNSTATED, Training


def settle(config: RunConfig, registry: Registry) -> RunConfig:
    """The configuration with the method's own choices in the place of ``auto``; one that is settled stays as it is.

    Raises:
        UsageError: a name is unknown, or fixed positions are asked for and the encoder has no patches to place.
    """
    method = registry.get(MethodSpec.kind, config.method.name)
    encoder = choose_backbone(registry, config.backbone.name)
    changes = {"backbone": _positions(config.backbone, method, encoder)}
    if method.trains:
        changes["pretrain"] = _rates(config.pretrain, official(config, method, encoder), config.preset)
    return config.model_copy(
        update={name: getattr(config, name).model_copy(update=change) for name, change in changes.items()}
    )


def official(config: RunConfig, method: MethodSpec, encoder: BackboneSpec) -> Training:
    """What the authors of a method train it with by the optimiser of a run."""
    kind = config.pretrain.optimizer_for(encoder.patch_size)
    return method.training.get(kind, UNSTATED[kind])


def whose_rates(config: RunConfig, method: MethodSpec, encoder: BackboneSpec) -> str:
    """In words, where the rate and the decay of a settled configuration come from."""
    theirs, pretrain = official(config, method, encoder), config.pretrain
    source = theirs.source or "no official one"
    rate = decay = "given"
    if pretrain.lr == of_preset(theirs.presets, config.preset):
        rate = f"of preset {config.preset}"
    elif pretrain.lr == theirs.rate(pretrain.batch_size):
        root = "sqrt" if theirs.scaling == "sqrt" else ""
        rate = f"{source}, {theirs.lr:g} x {root}({pretrain.batch_size}/{theirs.batch})"
    if (pretrain.weight_decay, pretrain.weight_decay_end) == (theirs.weight_decay, theirs.weight_decay_end):
        decay = source
    return f"rate: {rate}; decay: {decay}"


def _positions(backbone: BackboneConfig, method: MethodSpec, encoder: BackboneSpec) -> dict[str, Any]:
    if backbone.positions == "sincos" and not encoder.patch_size:
        raise UsageError(
            f"backbone '{backbone.name}' has no patches, so no positions either; leave out backbone.positions"
        )
    return {"positions": method.positions} if backbone.positions == "auto" and encoder.patch_size else {}


def _rates(asked: PretrainConfig, theirs: Training, preset: str) -> dict[str, Any]:
    """Numbers for what is ``auto``."""
    found: dict[str, Any] = {}
    if asked.lr == "auto":
        found["lr"] = of_preset(theirs.presets, preset) or theirs.rate(asked.batch_size)
    if asked.weight_decay == "auto":
        found["weight_decay"] = theirs.weight_decay
    if asked.weight_decay_end == "auto":
        # A decay of the user's own stays constant: the official end belongs to the official start.
        found["weight_decay_end"] = theirs.weight_decay_end if asked.weight_decay == "auto" else None
    return found
