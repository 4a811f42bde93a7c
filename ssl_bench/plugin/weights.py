"""Weights from a file: safetensors, or torch files without code; every key accounted for."""

from __future__ import annotations

import argparse
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ssl_bench.errors import DataError
from ssl_bench.files import sha256

TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar")

WEIGHTS = "model.safetensors"
"""The file that a run writes into ``encoder/``, with its hash in ``config.json``."""

INFLATES = 10
"""How many times its size a torch file may unpack to; torch packs nothing, other programs weights by a third."""

TOO_LARGE = "would take {:,.0f} MiB of memory, the file has {:,.2f} MiB; that is no checkpoint, so they are refused"


def read_weights(path: Path, allow: Sequence[Any] = ()) -> dict[str, Tensor]:
    """Tensors by name from a ``.safetensors`` file, a torch file, a run, or the ``encoder/`` folder of a run.

    Torch files are read with ``weights_only=True``, so that nothing in them is executed; the arguments of a command
    line that DINO and DeiT keep in theirs (``argparse.Namespace``) are read as the plain values that they are.

    Args:
        path: the file or folder.
        allow: classes that a torch file may hold besides; a pickled module gives its own tensors.

    Raises:
        DataError: the file is missing, of another kind, damaged, or holds code.
    """
    if (path / "encoder" / WEIGHTS).is_file():
        path = path / "encoder"
    path = path / WEIGHTS if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"weights {path} do not exist; give a .safetensors or .pth file or the encoder folder of a run")
    if path.suffix not in (".safetensors", *TORCH_SUFFIXES):
        raise DataError(f"weights must be .safetensors or one of {', '.join(TORCH_SUFFIXES)}, found {path.name}")
    if path.name == WEIGHTS:
        _check_hash(path.parent)
    _check_size(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace, *allow]):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise DataError(
            f"weights {path} hold more than tensors, or are damaged, and running code of a file is refused; save them "
            "as safetensors"
        ) from None
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise DataError(
                f"weights {path} are a TorchScript program, and running code of a file is refused; load it elsewhere "
                "and save its state_dict()"
            ) from None
        raise DataError(unreadable(path, error)) from None
    except Exception as error:  # a damaged file makes torch's reader raise whatever its bytes say
        raise DataError(unreadable(path, error)) from None
    return _tensors(loaded, path)


def unreadable(path: Path, error: Exception) -> str:
    """The sentence for a file that torch or safetensors cannot read."""
    told = " ".join(str(error).split())
    return f"weights {path} cannot be read: {type(error).__name__}: {told}; download them again"


def _check_size(path: Path) -> None:
    """A torch file is a zip archive whose parts torch stores as they are; what is packed may inflate without end."""
    if path.suffix == ".safetensors" or not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"weights {path} cannot be read: {error}; download them again") from None
    if unpacked > INFLATES * path.stat().st_size:
        raise DataError(f"weights {path} {TOO_LARGE.format(unpacked / 2**20, path.stat().st_size / 2**20)}")


def _check_hash(folder: Path) -> None:
    """The hash that a run writes beside its encoder holds; folders of others have none."""
    try:
        kept = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("sha256")
        if kept and kept != sha256(folder / WEIGHTS):
            raise DataError(f"weights {folder} are damaged: their hash is not the one in config.json; restore them")
    except FileNotFoundError:
        return
    except (ValueError, AttributeError) as error:
        raise DataError(f"weights {folder} are damaged: config.json cannot be read ({error}); restore them") from None


def _tensors(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The table of tensors in a checkpoint, below ``model`` or ``state_dict`` where it is nested."""
    loaded = loaded.state_dict() if isinstance(loaded, nn.Module) else loaded
    for key in ("state_dict", "model", "teacher", "target_encoder", "encoder"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    table = loaded if isinstance(loaded, Mapping) else {}
    found = {str(name): value for name, value in table.items() if isinstance(value, Tensor)}
    held = sum(value.numel() * value.element_size() for value in found.values())
    if held > INFLATES * path.stat().st_size:  # one number may stand for a tensor of any size
        raise DataError(f"weights {path} {TOO_LARGE.format(held / 2**20, path.stat().st_size / 2**20)}")
    if not found:
        raise DataError(f"weights {path} hold no table of tensors; save a model's state_dict")
    return found
