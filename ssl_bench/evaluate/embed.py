"""Embeddings of a frozen encoder for every image, none dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ssl_bench.data.source import PixelStatistics, Rows, Source
from ssl_bench.data.views import whole_view
from ssl_bench.data.whole import prepared
from ssl_bench.distributed import gather_rows, own_share
from ssl_bench.errors import DataError, shortened
from ssl_bench.numbers import counted
from ssl_bench.plugin.contracts import Backbone
from ssl_bench.plugin.encoders import BaseEncoder

CPU_IMAGES, DEVICE_IMAGES = 64, 256
"""Images embedded at once: the activations of 64 stay in a core's cache, 256 keep an accelerator busy."""

FILES = 16
"""Whole pictures prepared and embedded at once."""


@torch.inference_mode()
def embed(
    encoder: Backbone,
    source: Source,
    rows: Rows,
    grey: PixelStatistics,
    *,
    batch_size: int = 0,
    names: Sequence[str] | npt.NDArray[Any] = (),
) -> npt.NDArray[np.float32]:
    """Pooled features ``(len(rows), D)`` in float32, in the order of ``rows``.

    Several processes embed a part each, and all of them get the features of all, each image once.

    Args:
        encoder: a backbone; it is put into evaluation mode on the source's device.
        source: images.
        rows: store rows.
        grey: normalisation of the training.
        batch_size: images at once, 0 for what suits the device; the last partial batch is kept.
        names: image ids of the rows, for the message.

    Raises:
        DataError: features are not finite; the message names the images.
    """
    cast("nn.Module", encoder).to(source.device).eval()
    share, found = own_share(), np.empty((0, 0), np.float32)
    batch_size = batch_size or (CPU_IMAGES if source.device.type == "cpu" else DEVICE_IMAGES)
    for start in range(0, len(rows), batch_size * share.world):
        block = rows[start : start + batch_size * share.world]
        images = source.read(block[share.part(len(block))])
        view = whole_view(images, encoder.image_size, mean=grey.mean, std=grey.std)
        features = gather_rows(encoder(view, tokens=False).pooled.float())[: len(block)].cpu().numpy()
        if not start:
            found = np.empty((len(rows), features.shape[1]), np.float32)
        found[start : start + len(block)] = features
    return finite(found, names, rows)


@torch.inference_mode()
def embed_files(
    encoder: BaseEncoder, files: Sequence[Path], device: torch.device, pixel_limit: int, batch_size: int = 0
) -> npt.NDArray[np.float32]:
    """Pooled features ``(N, D)`` in float32 of whole pictures, prepared by the encoder's own code.

    Several processes embed a part each, and all of them get the features of all.

    Raises:
        DataError: a picture cannot be read, or features are not finite.
    """
    encoder.to(device).eval()
    share, size, parts = own_share(), batch_size or FILES, []
    blocks = [files[start : start + size * share.world] for start in range(0, len(files), size * share.world)]
    own = [block[row] for block in blocks for row in share.part(len(block))]
    for block, (images,) in zip(blocks, prepared(own, [encoder], pixel_limit, size), strict=True):
        found = gather_rows(encoder(images.to(device), tokens=False).pooled.float())
        parts.append(found[: len(block)].cpu().numpy())
    return finite(np.concatenate(parts), [path.name for path in files], np.arange(len(files)))


def finite(
    features: npt.NDArray[np.float32], names: Sequence[str] | npt.NDArray[Any], rows: Rows
) -> npt.NDArray[np.float32]:
    """Features, if they are numbers.

    Raises:
        DataError: naming the images of those that are not.
    """
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        told = [str(names[int(row)]) for row in bad] if len(names) else [f"row {row}" for row in rows[bad]]
        raise DataError(
            f"the encoder gives non-finite features for {counted(len(bad), 'image')}: {shortened(told)}; its weights "
            "are not usable: train again with a lower pretrain.lr, or give other weights"
        )
    return features
