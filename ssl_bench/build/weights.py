"""Weights of others put into an encoder: every key accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import torch
from timm.models._manipulate import adapt_input_conv
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor, nn

from ssl_bench.errors import DataError, shortened

NOT_THE_ENCODER = ("head.*", "fc.*", "classifier.*", "head_dist.*", "decoder_*", "mask_token")
"""Keys of a classifier, a projection head or a decoder, which an encoder has no use for."""


PREFIXES = (
    "", "module.", "backbone.", "module.backbone.", "base_encoder.", "module.base_encoder.", "encoder.",
    "module.encoder.", "encoder_q.", "module.encoder_q.", "model.", "teacher.backbone.", "student.backbone.",
)  # fmt: skip
"""What official checkpoints put in front of the encoder's keys: those of DINO, MoCo v3, SimSiam, and usual wrappers."""


def encoder_of(weights: Mapping[str, Tensor], wanted: Collection[str], prefix: str, source: Path) -> dict[str, Tensor]:
    """The tensors of the encoder among those of a checkpoint, by the encoder's own names.

    Args:
        weights: of the whole checkpoint.
        wanted: names that the encoder has.
        prefix: of the encoder's keys; empty: the one of :data:`PREFIXES` under which most of ``wanted`` are found.
        source: where they come from, for the message.

    Raises:
        DataError: no key has the prefix that was asked for.
    """
    if prefix and not any(name.startswith(prefix) for name in weights):
        raise DataError(
            f"weights {source} have no key that begins with '{prefix}'; found {shortened(list(weights), 5)}"
        )
    chosen = prefix or max(PREFIXES, key=lambda one: sum(one + name in weights for name in wanted))
    return {name.removeprefix(chosen): value for name, value in weights.items() if name.startswith(chosen)}


def fill(
    model: nn.Module, weights: Mapping[str, Tensor], *, source: Path, allow: Sequence[str] = (), prefix: str = ""
) -> None:
    """Put weights into a single-channel timm model.

    RGB patch embeddings are summed over their channels and position embeddings resampled, as timm does; a
    classifier's weights are ignored.

    Args:
        model: a timm model with one input channel and no classifier.
        weights: tensors by the model's names.
        source: where they come from, for the message.
        allow: patterns of keys that may be missing or left over.
        prefix: of the encoder's keys; empty: found among the known ones.

    Raises:
        DataError: keys are missing, left over or of another shape, unless allowed by name, or values are not finite.
    """
    wanted = model.state_dict()
    with torch.device("cpu"):  # a dry build makes everything else without memory
        adapted = _adapted(model, encoder_of(weights, wanted.keys(), prefix, source), source)
    shapes = [
        f"{name} {tuple(value.shape)} instead of {tuple(wanted[name].shape)}"
        for name, value in adapted.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    missing = [name for name in wanted if name not in adapted and not _matches(name, allow)]
    extra = [name for name in adapted if name not in wanted and not _matches(name, [*allow, *NOT_THE_ENCODER])]
    broken = [name for name, value in adapted.items() if not value.isfinite().all()]
    if shapes or missing or extra or broken:
        faults = {"missing": missing, "left over": extra, "of another shape": shapes, "not finite": broken}
        told = "; ".join(f"{what}: {shortened(names, 5)}" for what, names in faults.items() if names)
        raise DataError(
            f"weights {source} do not fit the encoder ({told}); choose the backbone they were made for, or name keys "
            "that may differ in backbone.init_allow"
        )
    if not next(model.parameters()).is_meta:  # a dry build has no memory to put them into
        model.load_state_dict({name: value for name, value in adapted.items() if name in wanted}, strict=False)


def _adapted(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    try:
        fitted = dict(checkpoint_filter_fn(dict(weights), model) if isinstance(model, VisionTransformer) else weights)
    except (RuntimeError, ValueError, KeyError, AssertionError, IndexError, AttributeError) as error:
        told = " ".join(str(error).split())
        raise DataError(
            f"weights {source} do not fit the encoder ({told}); choose the backbone they were made for"
        ) from None
    first = first_convolution(model)
    if first in fitted and fitted[first].ndim == 4 and fitted[first].shape[1] == 3:
        fitted[first] = adapt_input_conv(1, fitted[first])
    return fitted


def first_convolution(model: nn.Module) -> str:
    """Name of the weight that sees the image."""
    return next(f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Conv2d))


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
