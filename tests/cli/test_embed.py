"""``sslbench embed``: features once for several encoders, kept, continued, and read by ``probe``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ssl_bench.data import whole
from ssl_bench.evaluate import feature_folder

Cli = Callable[..., Any]


def scripted(folder: Path, channels: int = 6, seed: int = 0) -> Path:
    """A TorchScript CNN of random weights with its preprocessing beside it."""
    torch.manual_seed(seed)
    folder.mkdir()
    body = torch.nn.Sequential(torch.nn.Conv2d(1, channels, 5, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
                               torch.nn.Flatten())  # fmt: skip
    torch.jit.script(body.eval()).save(str(folder / "net.pt"))
    (folder / "preprocessing.json").write_text(json.dumps({"size": 32, "mean": [0.5], "std": [0.25]}))
    return folder / "net.pt"


@pytest.fixture
def embedded(sslbench: Cli, tiny_nih: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    encoder = scripted(tmp_path / "encoder")

    def embed(out: Path, *arguments: Any, root: Path | None = None, path: Path = encoder) -> Any:
        return sslbench("embed", f"torchscript={path}", "--data", "nih14", "--root", root or tiny_nih(), "--out", out,
                        *arguments)  # fmt: skip

    return embed


def test_features_are_computed_once_and_probed(embedded: Callable[..., Any], sslbench: Cli, tmp_path: Path) -> None:
    out = tmp_path / "features"
    answer = embedded(out)
    assert answer.code == 0, answer.err
    assert "torchscript: 120 of 120 images embedded now" in answer.out
    assert "torchscript: 0 of 120 images embedded now" in embedded(out).out
    table, features = pd.read_parquet(out / "images.parquet"), np.load(out / "torchscript.npy")
    assert features.shape == (len(table), 6) == (120, 6)
    assert features.dtype == np.float32
    probed = sslbench("probe", out, "--eval", "linear", "--replicates", "100", "--json")
    assert probed.code == 0, probed.err
    record = json.loads(probed.out)
    assert record["data"]["name"] == "nih14"
    assert {row["encoder"] for row in record["metrics"]} == {"torchscript"}


def test_other_weights_are_embedded_anew_and_other_images_refused(
    embedded: Callable[..., Any], tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "features"
    embedded(out)
    before = np.load(out / "torchscript.npy")
    assert "120 of 120 images embedded now" in embedded(out, path=scripted(tmp_path / "other", seed=1)).out
    assert np.abs(np.load(out / "torchscript.npy") - before).max() > 0
    answer = embedded(out, root=tiny_nih(seed=3))
    assert answer.code == 2
    assert "features of other images" in answer.err


def test_a_stopped_command_goes_on_with_the_same_numbers(
    embedded: Callable[..., Any], sslbench: Cli, tmp_path: Path
) -> None:
    whole_run, stopped = tmp_path / "whole", tmp_path / "stopped"
    embedded(whole_run)

    shutil.copytree(whole_run, stopped)
    state = json.loads((stopped / "torchscript.json").read_text())
    (stopped / "torchscript.json").write_text(json.dumps({**state, "done": feature_folder.BLOCK}))
    array = np.load(stopped / "torchscript.npy", mmap_mode="r+")
    array[feature_folder.BLOCK :] = np.nan  # what a kill left unwritten
    array.flush()
    refused = sslbench("probe", stopped)
    assert refused.code == 3
    assert f"stop at {feature_folder.BLOCK} of 120 images" in refused.sentence
    assert f"{120 - feature_folder.BLOCK} of 120 images embedded now" in embedded(stopped).out
    assert np.array_equal(np.load(stopped / "torchscript.npy"), np.load(whole_run / "torchscript.npy"))


def test_several_encoders_decode_each_picture_once(
    sslbench: Cli, tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm
    from timm.models import save_for_hf

    model = timm.create_model("resnet10t", num_classes=0)
    save_for_hf(model, tmp_path / "timm", safe_serialization=True)
    decoded: list[Path] = []
    real = whole.decode
    monkeypatch.setattr(whole, "decode", lambda path, options: decoded.append(path) or real(path, options))
    answer = sslbench("embed", f"torchscript={scripted(tmp_path / 'small')}", f"timm={tmp_path / 'timm'}", "--data",
                      "nih14", "--root", tiny_nih(), "--out", tmp_path / "features", "--tokens", "--half")  # fmt: skip
    assert answer.code == 0, answer.err
    assert len(decoded) == len(set(decoded)) == 120
    assert np.load(tmp_path / "features" / "timm-tokens.npy").dtype == np.float16
    twice = sslbench("embed", "hf=a", "hf=b", "--data", "nih14", "--out", tmp_path / "twice")
    assert twice.code in (2, 3)
