"""One encoder's features on their way to the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ssl_bench.errors import DataError
from ssl_bench.evaluate.feature_state import Wanted, read_state, write_state
from ssl_bench.plugin.contracts import Encoding

AGREES = 1e-3
"""Largest distance in cosine of features in bfloat16 to those in float32."""


class FeatureWriter:
    """Embeds batches and writes them to an array on the disk, with a note of how far it is.

    Args:
        folder: where ``NAME.npy``, ``NAME.json`` and, with tokens, ``NAME-tokens.npy`` lie.
        wanted: the encoder.
        of: the images' key, their number, and the dataset.
        tokens: keep the token maps too.
        half: compute in bfloat16 where that agrees.

    Attributes:
        done: images that the array holds already.
    """

    def __init__(
        self, folder: Path, wanted: Wanted, of: Mapping[str, Any], *, tokens: bool = False, half: bool = False
    ) -> None:
        self.folder, self.name, self.count = folder, wanted.name, int(of["of"])
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = wanted.network.to(device).eval()
        self.tokens, self.half, self._device = tokens, half, device
        identity = {**of, "encoder": dict(wanted.card), "tokens": tokens}
        self._path = folder / f"{self.name}.json"
        state = read_state(self._path) if self._path.is_file() else {}
        same = {key: state.get(key) for key in identity} == identity and (folder / f"{self.name}.npy").is_file()
        self.done = int(state["done"]) if same else 0
        self._state: dict[str, Any] = {**identity, "done": self.done, "precision": state.get("precision", "float32")}

    @torch.inference_mode()
    def add(self, start: int, inputs: Tensor) -> None:
        """Embed the images from row ``start`` on; rows that are there already are passed over.

        Raises:
            DataError: features are not finite.
        """
        if start + len(inputs) <= self.done:
            return
        found = self._encoded(inputs.to(self._device))
        rows = found.pooled.float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise DataError(
                f"encoder '{self.name}' gives non-finite features for images {start} to {start + len(rows) - 1}; its "
                "weights are not usable"
            )
        self._write(f"{self.name}.npy", start, rows)
        if self.tokens:
            self._write(f"{self.name}-tokens.npy", start, found.tokens.half().cpu().numpy())
        self.done = start + len(rows)
        write_state(self._path, {**self._state, "done": self.done})

    def _encoded(self, images: Tensor) -> Encoding:
        if not self.half:
            return self.network(images, tokens=self.tokens)  # type: ignore[no-any-return]
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            quick: Encoding = self.network(images, tokens=self.tokens)
        if self._state["precision"] == "bfloat16":
            return quick
        exact: Encoding = self.network(images, tokens=self.tokens)
        apart = 1 - functional.cosine_similarity(quick.pooled.float(), exact.pooled.float()).min()
        self.half = bool(apart <= AGREES)
        self._state["precision"] = "bfloat16" if self.half else "float32"
        return exact

    def _write(self, name: str, start: int, rows: npt.NDArray[Any]) -> None:
        path = self.folder / name
        if not self.done or not path.is_file():
            np.lib.format.open_memmap(path, mode="w+", dtype=rows.dtype, shape=(self.count, *rows.shape[1:]))
        array = np.load(path, mmap_mode="r+")
        array[start : start + len(rows)] = rows
        array.flush()
