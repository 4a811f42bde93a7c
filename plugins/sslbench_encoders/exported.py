"""Encoders as files that hold their own graph, TorchScript and ONNX; what they expect, the user says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ssl_bench import EncoderSpec
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.encoders import BaseEncoder, Features, read_json
from ssl_bench.plugin.preprocessing import Preprocessing, preprocessing_of
from sslbench_encoders.options import ExportedOptions

SIDECAR = "preprocessing.json"
STATED = ("low", "high", "interpolation", "fit")


class Exported(BaseEncoder):
    """A graph that turns images ``(B, C, S, S)`` into ``(B, D)``, or into ``(B, N, D)`` whose class token comes first.

    Args:
        options: what the file expects and gives.
        path: the file.
        card: what is known of it.

    Raises:
        DataError: the file cannot be read, or nothing says what it expects.
    """

    def __init__(self, options: ExportedOptions, path: Path, card: EncoderSpec) -> None:
        if not path.is_file():
            raise DataError(f"encoder {path} does not exist; give the exported file")
        preprocessing = stated(options, path, card)
        self._sequence = options.sequence
        model = self.opened(options, path)
        super().__init__(model, preprocessing, pooling=options.sequence or card.pooling or "own")

    def opened(self, options: ExportedOptions, path: Path) -> nn.Module:
        """The graph as a module."""
        raise NotImplementedError

    def features(self, images: Tensor) -> Features:
        """The output: a vector, a sequence or a map."""
        found = self.model(images)
        if found.ndim == 2:
            return Features(own=found)
        if found.ndim == 4:
            return Features(found.flatten(2).transpose(1, 2), own=found.flatten(2).mean(2))
        if found.ndim == 3 and self._sequence:
            return Features(found if self._sequence == "mean" else found[:, 1:], found[:, 0])
        raise UsageError(
            f"the encoder gives an output of shape {tuple(found.shape)}; for a sequence say --set "
            "backbone.encoder.sequence=class or mean"
        )


def stated(options: ExportedOptions, path: Path, card: EncoderSpec) -> Preprocessing:
    """What the options, the file beside it or the card say.

    Raises:
        DataError: none of them does.
    """
    if options.size and options.mean and options.std:
        values = {"size": options.size, "mean": options.mean, "std": options.std}
        return preprocessing_of({**values, **{name: getattr(options, name) for name in STATED}}, path)
    beside = path.parent / SIDECAR
    if beside.is_file():
        return preprocessing_of(read_json(beside, "an encoder's folder"), beside)
    if card.preprocessing:
        return preprocessing_of(card.preprocessing, path)
    raise DataError(
        f"{path.name} does not say what its encoder expects; put {SIDECAR} beside it, or add --set "
        "backbone.encoder.size=224 --set backbone.encoder.mean=[0.5] --set backbone.encoder.std=[0.5]"
    )


class TorchScript(Exported):
    """A TorchScript file; what is in it is a graph of torch's operations, which is run."""

    def opened(self, options: ExportedOptions, path: Path) -> nn.Module:
        """The scripted module.

        Raises:
            DataError: it is none.
        """
        try:
            return cast("nn.Module", torch.jit.load(str(path), map_location="cpu"))
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{path} is no TorchScript file: {' '.join(str(error).split())[:200]}") from None


class Onnx(Exported):
    """An ONNX file, run by onnxruntime on the CPU."""

    def opened(self, options: ExportedOptions, path: Path) -> nn.Module:
        """A session as a module without parameters.

        Raises:
            DataError: it is none.
            UsageError: it has no output of the name.
        """
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        try:
            session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class
            raise DataError(f"{path} is no ONNX file: {' '.join(str(error).split())[:200]}") from None
        outputs = [item.name for item in session.get_outputs()]
        if options.output and options.output not in outputs:
            raise UsageError(f"{path.name} has no output '{options.output}'; it has {', '.join(outputs)}")
        return _Session(session, options.output or outputs[0])


class _Session(nn.Module):
    """A session of onnxruntime; a batch runs image by image where the graph was exported for one image."""

    def __init__(self, session: Any, output: str) -> None:
        super().__init__()
        self._session, self._output = session, output
        entry = session.get_inputs()[0]
        self._name, self._alone = entry.name, entry.shape[0] == 1

    def forward(self, images: Tensor) -> Tensor:
        """Run the graph on ``images (B, C, S, S)``."""
        parts = images.split(1 if self._alone else len(images))
        found = [self._session.run([self._output], {self._name: part.cpu().numpy()})[0] for part in parts]
        return torch.from_numpy(np.concatenate(found)).to(images.device)
