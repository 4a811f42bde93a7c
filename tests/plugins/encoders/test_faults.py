"""A file that is not what it should be: one sentence with what was expected and found."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssl_bench.errors import DataError, HandledError, UsageError

Opened = Callable[..., Any]
Tiny = Callable[[str], tuple[str, Path]]


@pytest.fixture
def copied(tiny: Tiny, tmp_path: Path) -> Callable[[str], tuple[str, Path]]:
    """A copy of a tiny encoder, to be damaged."""

    def copy(name: str) -> tuple[str, Path]:
        reader, path = tiny(name)
        home = path if path.is_dir() else path.parent
        shutil.copytree(home, tmp_path / name)
        return reader, tmp_path / name if path.is_dir() else tmp_path / name / path.name

    return copy


def sentence(opened: Opened, reader: str, path: Path, kind: type[HandledError] = DataError, **config: Any) -> str:
    with pytest.raises(kind) as caught:
        opened(reader, path, **config)
    told = str(caught.value)
    assert "\n" not in told
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize(("of", "reader"), [("timm-vit", "hf"), ("vit", "openclip"), ("vit", "timm"), ("onnx", "xrv"),
                                            ("xrv", "onnx"), ("xrv", "torchscript")])  # fmt: skip
def test_a_file_of_another_kind(of: str, reader: str, tiny: Tiny, opened: Opened) -> None:
    tiny("xrv" if reader == "xrv" else "onnx" if reader == "onnx" else "openclip" if reader == "openclip" else "vit")
    stated = {"size": 32, "mean": [0.5], "std": [0.5]} if reader in ("onnx", "torchscript") else {}
    with pytest.raises(HandledError):
        opened(reader, tiny(of)[1], **stated)


def test_a_folder_without_preprocessing(copied: Tiny, opened: Opened) -> None:
    reader, path = copied("dinov2")
    (path / "preprocessor_config.json").unlink()
    told = sentence(opened, reader, path)
    assert "does not say what its encoder expects" in told
    assert opened("rad-dino", path, image_size=70).preprocessing.mean == (0.5307,) * 3  # the card knows


def test_an_exported_graph_without_preprocessing(copied: Tiny, opened: Opened) -> None:
    reader, path = copied("torchscript")
    (path.parent / "preprocessing.json").unlink()
    assert "does not say what its encoder expects" in sentence(opened, reader, path)
    assert opened(reader, path, size=32, mean=[0.5], std=[0.25]).dim == 12


def test_statistics_of_another_number_of_channels(copied: Tiny, opened: Opened) -> None:
    reader, path = copied("torchscript")
    told = sentence(opened, reader, path, size=32, mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])
    assert "3 channels" in told


def test_a_missing_shard(copied: Tiny, opened: Opened) -> None:
    reader, path = copied("dinov2")
    (path / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"layernorm.weight": "model-00002-of-00002.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002-of-00002.safetensors" in sentence(opened, reader, path)


def test_weights_that_do_not_fill_the_model(copied: Tiny, opened: Opened) -> None:
    from safetensors.torch import load_file, save_file

    reader, path = copied("dinov2")
    weights = load_file(path / "model.safetensors")
    weights.pop("layernorm.weight")
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    told = sentence(opened, reader, path)
    assert "layernorm.weight" in told


def test_another_width(copied: Tiny, opened: Opened) -> None:
    reader, path = copied("vit")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    sentence(opened, reader, path)


class Evil:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("evil"),))


@pytest.mark.parametrize("reader", ["xrv", "timm"])
def test_a_pickle_with_code_is_refused_and_not_run(
    reader: str, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reader == "xrv":
        pytest.importorskip("torchxrayvision", reason="torchxrayvision is not installed (extra 'encoders')")
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Evil()}, tmp_path / "weights.pt", pickle_module=pickle)
    options = {"model": "vit_tiny_patch16_224"} if reader == "timm" else {}
    assert "running code of a file is refused" in sentence(opened, reader, tmp_path / "weights.pt", **options)
    assert not (tmp_path / "evil").exists()


def test_remote_code_is_never_run(copied: Tiny, opened: Opened) -> None:
    reader, path = copied("vit")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "modeling.Model"}}))
    assert "code of its own" in sentence(opened, reader, path)


def test_sizes_and_poolings_that_it_does_not_have(tiny: Tiny, opened: Opened) -> None:
    reader, path = tiny("dinov2")
    assert "multiples of 14 px" in sentence(opened, reader, path, UsageError, image_size=60)
    assert opened(reader, path, image_size=42).preprocessing.size == 42
    assert "class+mean" in sentence(opened, reader, path, UsageError, pooling="attention")
    reader, path = tiny("torchscript")
    assert "32 px alone" in sentence(opened, reader, path, UsageError, image_size=64)
    assert "choose --pooling own" in sentence(opened, reader, path, UsageError, pooling="class")
    assert "--normalise takes" in sentence(opened, reader, path, UsageError, normalise="imagnet")


def test_overrides_change_what_is_done(tiny: Tiny, opened: Opened) -> None:
    reader, path = tiny("timm-vit")
    own, joined = opened(reader, path), opened(reader, path, pooling="class+mean", normalise="0.4,0.2")
    assert joined.dim == 2 * own.dim
    assert joined.preprocessing.mean == (0.4,) * 3
    assert joined.preprocessing.std == (0.2,) * 3
    import numpy as np

    white = joined.prepare(np.full((60, 60), 255, np.uint8))
    assert torch.allclose(white, torch.full_like(white, 3.0))


def test_an_unknown_architecture_and_a_path_that_is_not_there(tiny: Tiny, opened: Opened, tmp_path: Path) -> None:
    path = tiny("timm-vit")[1] / "model.safetensors"
    assert "backbone.encoder.model=NAME" in sentence(opened, "timm", path, UsageError)
    assert "does not exist" in sentence(opened, "timm", tmp_path / "none.pt", model="vit_tiny_patch16_224")


def test_a_file_that_unpacks_without_end_is_refused_before_it_is_read(opened: Opened, tmp_path: Path) -> None:
    import zipfile

    path, packed = tmp_path / "weights.pth", tmp_path / "packed.pth"
    torch.save({"weight": torch.zeros(1 << 18)}, path)
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as small:
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    told = sentence(opened, "timm", packed, model="vit_tiny_patch16_224")
    assert "that is no checkpoint" in told
