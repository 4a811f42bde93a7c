"""Whole pictures for encoders that bring their own preprocessing: read once, prepared for each of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ssl_bench.data.decode import DecodeOptions, decode

if TYPE_CHECKING:
    from ssl_bench.plugin.encoders import BaseEncoder

LARGE = 1 << 20
"""A size that no picture is reduced for while it is decoded."""


def prepared(
    paths: Sequence[Path], encoders: Sequence[BaseEncoder], pixel_limit: int, batch_size: int, workers: int = 0
) -> Iterator[list[Tensor]]:
    """Batches of inputs ``(B, C, S, S)`` for each encoder; every picture is decoded once, however many they are.

    Args:
        paths: of the pictures, in the order wanted.
        encoders: what they are prepared for.
        pixel_limit: a picture of more pixels is refused.
        batch_size: pictures in a batch; the last one may be smaller.
        workers: threads, 0 for one a core.

    Raises:
        DataError: a picture cannot be read.
    """
    options = DecodeOptions(LARGE, "whole", pixel_limit)

    def read(path: Path) -> list[Tensor]:
        grey = decode(path, options)
        return [encoder.prepare(grey) for encoder in encoders]

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        waiting = iter(paths)
        queue = [pool.submit(read, path) for path in islice(waiting, 2 * batch_size)]
        while queue:
            done, queue = queue[:batch_size], queue[batch_size:]
            inputs = [future.result() for future in done]
            queue += [pool.submit(read, path) for path in islice(waiting, len(done))]
            yield [torch.stack([given[number] for given in inputs]) for number in range(len(encoders))]
