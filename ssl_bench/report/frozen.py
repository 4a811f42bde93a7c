"""The encoder of a run as a frozen torch module that takes pictures as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import timm
import torch
from torch import Tensor, nn

from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.errors import UsageError
from ssl_bench.report.bundle import check_encoder
from ssl_bench.results.rundir import RunDirectory


class FrozenEncoder(nn.Module):
    """A frozen encoder with its preprocessing.

    Args:
        model: as timm opened it.
        size: side of its input in px.
        mean: of grey values in [0, 1], as in its training.
        std: of the same.

    Attributes:
        dim: width D of a feature.
    """

    def __init__(self, model: nn.Module, size: int, mean: float, std: float) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.size, self.mean, self.std = size, mean, std
        self.dim = int(model.num_features)  # type: ignore[arg-type]

    def preprocess(self, images: Sequence[Path | str] | npt.NDArray[np.uint8]) -> Tensor:
        """Image files, or grey values ``(N, S, S)`` uint8 of the encoder's size, as its input ``(N, 1, S, S)``.

        Raises:
            UsageError: no list of files is given, or values of another shape or type.
            DataError: a file cannot be read.
        """
        self._check(images)
        options = DecodeOptions(self.size)
        files = images if isinstance(images, np.ndarray) else [decode(Path(path), options) for path in images]
        grey = np.stack(list(files)).astype(np.float32) / 255 if len(files) else np.empty((0, self.size, self.size))
        return torch.from_numpy((grey.astype(np.float32) - self.mean) / self.std)[:, None]

    def _check(self, images: Sequence[Path | str] | npt.NDArray[np.uint8]) -> None:
        if isinstance(images, str | Path):
            raise UsageError(f"an encoder expects a list of images, found '{images}'; put it into brackets")
        if not isinstance(images, np.ndarray):
            others = [type(one).__name__ for one in images if not isinstance(one, str | Path)]
            if others:
                raise UsageError(f"an encoder expects a list of files, or one array of grey values (N, {self.size}, "
                                 f"{self.size}) in uint8, found a list with {others[0]}")  # fmt: skip
            return
        if images.dtype != np.uint8 or images.shape[1:] != (self.size, self.size):
            raise UsageError(f"an encoder expects files, or grey values (N, {self.size}, {self.size}) in uint8, found "
                             f"{images.shape} in {images.dtype}")  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(N, D)`` of preprocessed images ``(N, 1, S, S)``."""
        features: Tensor = self.model(images)
        return features

    @torch.inference_mode()
    def embed(self, images: Sequence[Path | str] | npt.NDArray[np.uint8], batch_size: int = 64) -> npt.NDArray[Any]:
        """Features ``(N, D)`` in float32 of image files or grey values; arguments as :meth:`preprocess`.

        Raises:
            DataError: a file cannot be read.
        """
        self._check(images)
        blocks = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
        found = [self(self.preprocess(block)).numpy() for block in blocks]
        return np.concatenate(found) if found else np.empty((0, self.dim), np.float32)


def open_encoder(run: RunDirectory) -> FrozenEncoder:
    """The encoder that a finished run left.

    Raises:
        UsageError: it left none.
        DataError: the weights differ from the hash beside them, or from the record.
    """
    record = run.read_record()
    if not (run.encoder / "config.json").is_file():
        raise UsageError(f"{run.path} left no encoder: it evaluated given weights or features; take them from there")
    known = check_encoder(run.encoder)["pretrained_cfg"]
    for name in ("config.json", "model.safetensors"):
        run.checked(run.encoder / name, record)
    model = timm.create_model(f"local-dir:{run.encoder}", pretrained=True)
    return FrozenEncoder(model, int(known["input_size"][-1]), float(known["mean"][0]), float(known["std"][0]))
