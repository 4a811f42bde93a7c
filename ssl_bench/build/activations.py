"""Less memory for the same gradients: activations computed again block by block, and encoders given a part at a time.

The second is the gradient cache of Gao et al. (arXiv 2101.06983): an encoder sees a batch in parts whose activations
are computed again in the backward pass, one part after the other, while heads, losses, centres, Sinkhorn and BatchNorm
in the heads see the features of the whole batch. So it is a method's own mathematics, which a sum of the losses of
small batches would not be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, cast

import torch
from timm.layers.drop import DropPath
from timm.layers.patch_dropout import PatchDropout
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.checkpoint import checkpoint

from ssl_bench.distributed import PART, BatchNorm, Part
from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import Backbone, Encoding, Hidden


def recomputed(function: Callable[..., Any], *given: Any) -> Any:
    """What a function gives; its activations are not kept, but computed again in the backward pass.

    Draws, autocast and what is known of the rows (:data:`ssl_bench.distributed.PART`) are then as they are now.
    """
    here = copy_context()

    def run(*given: Any) -> Any:
        return here.copy().run(function, *given)

    return checkpoint(run, *given, use_reentrant=False)


def backbones(method: nn.Module) -> list[nn.Module]:
    """The encoders inside a method, none of them inside another."""
    found: dict[str, nn.Module] = {}
    for name, part in method.named_modules():
        encoder = isinstance(part, Backbone)
        if encoder and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = part
    return list(found.values())


def check_sparing(method: nn.Module, name: str, *, parts: int, blocks: bool) -> None:
    """Tell what of it cannot be.

    Args:
        method: around its backbones.
        name: of the backbone.
        parts: in which an encoder gets a batch.
        blocks: activations are computed again block by block.

    Raises:
        UsageError: the encoder mixes or draws for the rows of a batch, or has no blocks to compute again.
    """
    for backbone in backbones(method):
        if blocks and not _has_blocks(backbone):
            raise UsageError(
                f"backbone '{name}' cannot compute activations again; leave out --checkpoint-activations, or use a "
                "model of timm that can"
            )
        if parts > 1 and (why := _whole_only(backbone)):
            raise UsageError(
                f"--accumulate {parts} would train another network: backbone '{name}' {why}; leave it out, or choose a "
                "ViT or a ConvNeXt without it"
            )


def _has_blocks(backbone: nn.Module) -> bool:
    """Whether the network inside an encoder can compute its activations again; timm's all have the switch."""
    try:
        for state in (True, False):
            cast("Any", backbone.model).set_grad_checkpointing(state)
    except (AttributeError, AssertionError):
        return False
    return True


def _whole_only(backbone: nn.Module) -> str:
    """Why an encoder must see all rows of a batch at once; empty where it need not."""
    for module in backbone.modules():
        if isinstance(module, _BatchNorm):
            return "has BatchNorm, whose statistics are those of the whole batch"
        rate = next((float(getattr(module, key)) for key in ("p", "drop_prob", "prob") if hasattr(module, key)), 0.0)
        drops = isinstance(module, _DropoutNd | DropPath | PatchDropout) and rate > 0
        if drops and not getattr(module, "by_rows", False):
            return f"has {type(module).__name__}, which draws for the whole batch at once"
    return ""


@contextmanager
def sparing(method: nn.Module, *, parts: int = 1, blocks: bool = False) -> Iterator[None]:
    """The encoders of a method with less memory while they train; as they were afterwards.

    Args:
        method: with backbones that :func:`check_sparing` has nothing against.
        parts: in which an encoder gets a batch; 1: all at once.
        blocks: activations are computed again block by block.
    """
    found = backbones(method)
    before = [(backbone, vars(backbone).get("forward")) for backbone in found]
    if blocks:
        _switch(method, found, on=True)
    for backbone in found if parts > 1 else []:
        backbone.forward = _by_parts(backbone, backbone.forward, parts)
    try:
        yield
    finally:
        for backbone, forward in before if parts > 1 else []:
            del backbone.forward
            if forward is not None:
                backbone.forward = forward
        if blocks:
            _switch(method, found, on=False)


def _switch(method: nn.Module, backbones: Sequence[nn.Module], *, on: bool) -> None:
    """Compute activations again or keep them; running statistics follow a batch once either way."""
    for backbone in backbones:
        cast("Any", backbone.model).set_grad_checkpointing(on)
    for module in method.modules():
        if isinstance(module, BatchNorm):
            module.computed_again = on


def _by_parts(backbone: nn.Module, whole: Callable[..., Encoding], parts: int) -> Callable[..., Encoding]:
    """The forward of an encoder that is given a batch in parts while it trains."""

    def forward(
        images: Tensor, keep: Tensor | None = None, *, tokens: bool = True, hidden: Hidden | None = None
    ) -> Encoding:
        def part(images: Tensor, keep: Tensor | None, where: Tensor | None, token: Tensor | None) -> Encoding:
            further = {} if where is None or token is None else {"hidden": Hidden(where, token)}
            return whole(images, keep, tokens=tokens, **further)

        if not backbone.training:
            return part(images, keep, *(hidden or (None, None)))
        found: list[Encoding] = []
        state = _draws(images.device)
        for start in range(0, len(images), size := -(-len(images) // parts)):
            rows = slice(start, start + size)
            _draw_again(state, images.device)  # every part draws for all rows, and keeps its own
            given = (
                images[rows],
                None if keep is None else keep[rows],
                *((None, None) if hidden is None else (hidden.where[rows], hidden.token)),
            )
            with _part(Part(start, len(images))):
                found.append(recomputed(part, *given) if torch.is_grad_enabled() else part(*given))
        return Encoding(*(torch.cat(rows) for rows in zip(*found, strict=True)))

    return forward


@contextmanager
def _part(part: Part) -> Iterator[None]:
    token = PART.set(part)
    try:
        yield
    finally:
        PART.reset(token)


def _draws(device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Where the random streams of the CPU and of a GPU are."""
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _draw_again(state: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
