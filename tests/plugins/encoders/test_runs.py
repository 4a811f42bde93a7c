"""Encoders of others through a whole run: table, record, evaluation again, and several protocols."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

Tiny = Callable[[str], tuple[str, Path]]


@pytest.fixture
def run(
    tiny: Tiny, tiny_nih: Callable[[], Path], sslbench: Callable[..., Any], tmp_path: Path
) -> Callable[..., tuple[Any, Path]]:
    """A smoke run of a tiny encoder on the little NIH cohort; the answer and its folder."""
    root = tiny_nih()

    def start(name: str, *arguments: Any) -> tuple[Any, Path]:
        reader, path = tiny(name)
        out = tmp_path / f"run-{name}"
        answer = sslbench("run", "--encoder", f"{reader}={path}", "--data", "nih14", "--root", root,
                          "--preset", "smoke", "--set", "evaluate.replicates=100", "--out", out,
                          *arguments)  # fmt: skip
        return answer, out

    return start


def test_a_run_of_given_weights(run: Callable[..., tuple[Any, Path]], sslbench: Callable[..., Any]) -> None:
    answer, out = run("timm-vit", "--eval", "linear,knn")
    assert answer.code == 0, answer.err
    record = json.loads((out / "record.json").read_text())
    card = record["encoder"]
    assert record["method"] == "pretrained"
    assert card["name"] == "timm"
    assert card["preprocessing"]["size"] == 48
    assert card["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert card["width"] == 32
    assert card["image_flops"] > 0
    assert {row["encoder"] for row in record["metrics"]} == {"trained", "pixels"}
    before = {path: np.load(path)["embeddings"] for path in (out / "embeddings").rglob("*.npz")}
    for path in (out / "embeddings").rglob("*.npz"):
        path.unlink()  # so that they are computed again
    again = sslbench("evaluate", out, "--eval", "clusters", "--set", "evaluate.replicates=100")
    assert again.code == 0, again.err
    for path in (out / "embeddings").rglob("*.npz"):
        assert np.abs(np.load(path)["embeddings"] - before[path]).max() <= 1e-6


def test_its_embeddings_are_those_of_the_publishers_package(run: Callable[..., tuple[Any, Path]], tiny: Tiny) -> None:
    import timm

    answer, out = run("timm-eva", "--eval", "knn")
    assert answer.code == 0, answer.err
    model = timm.create_model(f"local-dir:{tiny('timm-eva')[1]}", pretrained=True, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    config = (out / "config.yaml").read_text()
    root = Path(next(line.split(": ")[1] for line in config.splitlines() if line.strip().startswith("root: /")))
    kept = np.load(out / "embeddings" / "trained" / "nih14-test.npz")
    for image, found in list(zip(kept["image_id"], kept["embeddings"], strict=True))[:5]:
        with Image.open(next(root.rglob(str(image)))) as picture, torch.inference_mode():
            expected = model(transform(picture.convert("RGB"))[None])[0].numpy()
        assert np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


def test_augmenting_protocols_see_the_stated_input(run: Callable[..., tuple[Any, Path]]) -> None:
    answer, _ = run("timm-convnext", "--eval", "linear-paper", "--set", "evaluate.options.linear-paper.epochs=1")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--method", "msn"), "builds its own encoder"),
        (("--init", "x.pt"), "--init and --encoder both name weights"),
    ],
)
def test_what_does_not_go_together(arguments: tuple[str, ...], told: str, run: Callable[..., tuple[Any, Path]]) -> None:
    answer, _ = run("timm-vit", *arguments)
    assert answer.code == 2
    assert told in answer.sentence


def test_flags_of_encoders_without_one(sslbench: Callable[..., Any]) -> None:
    answer = sslbench("run", "--pooling", "mean", "--preset", "smoke", "--dry-run")
    assert answer.code == 2
    assert "add --encoder NAME=PATH" in answer.sentence
    assert "an encoder is given as NAME=PATH" in sslbench("run", "--encoder", "rad-dino").sentence
    answer = sslbench("run", "--encoder", "rad_dino=/none", "--preset", "smoke")
    assert "did you mean 'rad-dino'?" in answer.sentence


def test_an_own_run_has_one_result_by_every_door(
    tiny_nih: Callable[..., Path], sslbench: Callable[..., Any], tmp_path: Path
) -> None:
    """At once, evaluated again, as weights to start from on other data, and as a timm folder."""
    home = ["--data", "nih14", "--root", tiny_nih(), "--preset", "smoke"]
    quick = ["--eval", "knn", "--set", "evaluate.replicates=100"]
    run = tmp_path / "run"
    assert sslbench("run", "--method", "simclr", *home, *quick, "--out", run).code == 0

    def kept(folder: Path) -> np.ndarray:
        return np.load(folder / "embeddings" / "trained" / "nih14-test.npz")["embeddings"]

    at_once = kept(run)
    for path in (run / "embeddings").rglob("*.npz"):
        path.unlink()
    assert sslbench("evaluate", run, "--eval", "clusters", "--set", "evaluate.replicates=100").code == 0
    assert np.abs(kept(run) - at_once).max() <= 1e-6
    # Other training images have another mean grey value, which must not matter to the weights.
    darker = tmp_path / "darker"
    copy_darker_training_images(tiny_nih(), darker)
    doors = {"init": ["--method", "pretrained", "--init", run / "encoder"], "file": ["--method", "pretrained", "--init",
             run / "encoder" / "model.safetensors"]}  # fmt: skip
    for name, door in doors.items():
        out = tmp_path / name
        answer = sslbench("run", *door, "--data", "nih14", "--root", darker, "--preset", "smoke", *quick, "--out", out)
        assert answer.code == 0, answer.err
        assert np.abs(kept(out) - at_once).max() <= 1e-6, name


def copy_darker_training_images(source: Path, target: Path) -> None:
    """The same test images, training images of half the brightness."""
    import shutil

    shutil.copytree(source, target)
    for name in (target / "train_val_list.txt").read_text().split():
        path = target / "images" / name
        with Image.open(path) as image:
            darker = Image.fromarray((np.asarray(image) // 2).astype(np.uint8))
        darker.save(path)
