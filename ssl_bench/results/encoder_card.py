"""What a record says of weights of others: what they are, what they expect, and which file they were."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ssl_bench.config.config import EncoderChoice
from ssl_bench.files import sha256
from ssl_bench.plugin.components import EncoderSpec
from ssl_bench.plugin.encoders import BaseEncoder
from ssl_bench.results.record import EncoderCard, Footprint


def encoder_card(choice: EncoderChoice, network: BaseEncoder, component: EncoderSpec) -> EncoderCard:
    """Name, terms and input of an encoder, with the hash of its file; no path."""
    return EncoderCard(
        name=choice.name,
        file=choice.path.name,
        sha256=content_hash(choice.path),
        licence=component.licence or None,
        revision=component.revision or None,
        source=component.source or None,
        verified=component.verified,
        trained_on=None if component.trained_on is None else tuple(component.trained_on),
        preprocessing=network.preprocessing.describe(),
        pooling=network.pooling,
        width=network.dim,
        parameters=sum(value.numel() for value in network.parameters()) or None,
        image_flops=image_flops(network),
    )


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the hashes of a folder's files by name."""
    if path.is_file():
        return sha256(path)
    parts = [
        f"{file.relative_to(path).as_posix()}\t{sha256(file)}\n" for file in sorted(path.rglob("*")) if file.is_file()
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def footprint(network: nn.Module, images: int | None) -> Footprint:
    """What an encoder costs in use and what it was given, so that rows of a table can be weighed.

    Args:
        network: as it is evaluated.
        images: of its pretraining; None: unknown.
    """
    encoder = cast("Any", network)
    return Footprint(
        parameters=sum(value.numel() for value in network.parameters()) or None,
        image_flops=image_flops(network),
        image_size=encoder.image_size,
        width=encoder.dim,
        pretraining_images=images,
    )


@torch.inference_mode()
def image_flops(network: nn.Module) -> int | None:
    """Floating-point operations of one image; None where the graph runs outside of torch."""
    training = network.training
    network.eval()  # an image alone has no batch statistics
    try:
        return _counted(network)
    finally:
        network.train(training)


def _counted(network: nn.Module) -> int | None:
    encoder = cast("Any", network)
    how = getattr(encoder, "preprocessing", None)
    channels, size = (how.channels, how.size) if how else (1, encoder.image_size)
    example = torch.zeros(1, channels, size, size, device=next(network.parameters(), torch.zeros(0)).device)
    with FlopCounterMode(display=False) as counter:
        encoder(example, tokens=False)
    return counter.get_total_flops() or None
