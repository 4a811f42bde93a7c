"""What makes two encoders the same: their weights, or their features where there are only features.

A replicate is a new pretraining. The same encoder evaluated again, by another name or seed, is no second one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ssl_bench.plugin.cohort import SPLITS
from ssl_bench.results.record import Identity
from ssl_bench.results.rundir import RunDirectory

if TYPE_CHECKING:
    from torch import Tensor

    from ssl_bench.plugin.contracts import Backbone


def identities(encoders: Mapping[str, Backbone], run: RunDirectory, dataset: str) -> dict[str, Identity]:
    """The identity of each encoder of a run, by its name in the table.

    Args:
        encoders: by name.
        run: where their embeddings are kept, for those that have no weights.
        dataset: the run's own.
    """
    found = {}
    for name, encoder in encoders.items():
        exported = encoder.export()
        found[name] = of_weights(*exported) if exported else _of_kept(run, name, dataset)
    return found


def of_weights(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Identity:
    """Identity by architecture and weights, in whatever file and order they lay."""
    import torch

    told = sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        told.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        told.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return Identity(sha256=told.hexdigest(), of="weights")


def of_features(ids: npt.NDArray[Any], features: npt.NDArray[Any]) -> Identity:
    """Identity by the features (N, D) of images (N,), in whatever order they lay."""
    return _of_numbers(ids, features, "features")


def of_predictions(ids: npt.NDArray[Any], scores: npt.NDArray[Any], labels: Sequence[str]) -> Identity:
    """Identity by the scores (N, L) of images (N,), where there is nothing else."""
    order = np.argsort(np.array(labels))
    return _of_numbers(ids, scores[:, order], "predictions")


def _of_numbers(ids: npt.NDArray[Any], numbers: npt.NDArray[Any], what: str) -> Identity:
    order = np.argsort(ids.astype(str))
    told = sha256("\n".join(ids[order].astype(str)).encode())
    told.update(np.ascontiguousarray(numbers[order], dtype=np.float64).tobytes())
    return Identity(sha256=told.hexdigest(), of=what)


def _of_kept(run: RunDirectory, encoder: str, dataset: str) -> Identity:
    files = [run.embeddings(encoder, f"{dataset}-{split}") for split in SPLITS]
    files = [file for file in files if file.is_file()] or files  # a withheld split has none
    parts = []
    for file in files:
        with np.load(file, allow_pickle=False) as kept:
            parts.append((kept["image_id"], kept["embeddings"]))
    ids, features = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return of_features(ids, features)
