"""Faults 1, 9, 11, 12, 14 and 15 on CheXpert, MIMIC-CXR and a table, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sslbench_datasets.mimic_cxr.dataset import MimicCxr

Cli = Callable[..., Any]


@dataclass(frozen=True)
class Layout:
    """A dataset on the disk, with what names it on the command line and one of its test images."""

    arguments: tuple[object, ...]
    image: Path
    images: int
    """How many the default options keep."""


@pytest.fixture(params=["chexpert", "mimic", "table"])
def layout(request: pytest.FixtureRequest) -> Layout:
    make = request.getfixturevalue(f"tiny_{request.param}")
    if request.param == "mimic":
        root = make(fresh=True)
        kept = MimicCxr().read(root)
        image = root / kept.frame.loc[kept.frame["split"] == "test", "image_path"].iloc[0]
        return Layout(("mimic-cxr", "--root", root), image, len(kept))
    root = make()
    if request.param == "chexpert":
        image = root / "CheXpert-v1.0-small/test/patient00950/study1/view1_frontal.jpg"
        return Layout(("chexpert", "--root", root), image, 46)
    return Layout(("table", "--root", root, "--columns", root / "columns.yaml"), root / "films/4-0.png", 60)


def prepared(sslbench: Cli, layout: Layout, *arguments: object) -> Any:
    return sslbench("data", "prepare", *layout.arguments, "--size", 16, "--workers", 1, *arguments)


def run(sslbench: Cli, layout: Layout, *arguments: object) -> Any:
    return sslbench("run", "--method", "random", "--preset", "smoke", "--eval", "linear", "--data", *layout.arguments,
                    "--set", "evaluate.replicates=100", *arguments)  # fmt: skip


def test_fault_01_a_truncated_image_is_named_or_put_aside(sslbench: Cli, layout: Layout) -> None:
    whole = layout.image.read_bytes()
    layout.image.write_bytes(whole[: len(whole) // 2])
    answer = prepared(sslbench, layout)
    assert answer.code == 3
    assert f"1 of {layout.images} images cannot be read: image " in answer.err
    assert f"{layout.image} cannot be read: " in answer.err
    answer = prepared(sslbench, layout, "--on-bad", "quarantine", "--set", "data.bad_limit=0.05")
    assert (answer.code, answer.out.startswith(f"{layout.images} images, of which 1 cannot be read, in ")) == (0, True)


def test_fault_09_labels_with_one_class_are_null_with_their_reason(
    sslbench: Cli, layout: Layout, tmp_path: Path
) -> None:
    if layout.arguments[0] == "mimic-cxr":
        path = next(Path(str(layout.arguments[2])).glob("*-chexpert.csv*"))
        pd.read_csv(path, dtype=str).assign(Fracture="0.0").to_csv(path, index=False)
    answer = run(sslbench, layout, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    rows = json.loads((tmp_path / "run/record.json").read_text())["metrics"]
    rows = [row for row in rows if row["subgroup"] == "all" and row["label"] != "macro"]
    one_class = [row for row in rows if row["n_positive"] == 0]
    assert bool(one_class) == (layout.arguments[0] != "table")  # most findings of the others are blank here
    assert all(row["value"] is None and row["note"] for row in one_class)


def test_fault_11_a_batch_larger_than_the_split_is_refused(sslbench: Cli, layout: Layout) -> None:
    answer = run(sslbench, layout, "--dry-run", "--batch-size", 1000)
    assert "a batch of 1000 needs as many training images" in answer.sentence


def test_fault_12_a_feature_that_the_dataset_lacks_is_refused(sslbench: Cli, layout: Layout) -> None:
    answer = sslbench("run", "--method", "msn", "--preset", "smoke", "--dry-run", "--data", *layout.arguments,
                      "--features", "age,height")  # fmt: skip
    assert (answer.code, "has no feature 'height'" in answer.sentence) == (2, True)
    if layout.arguments[0] == "chexpert":
        answer = sslbench("run", "--method", "msn", "--preset", "smoke", "--dry-run", "--data", *layout.arguments,
                          "--features", "age,icu")  # fmt: skip
        assert answer.code == 2
        assert "dataset 'chexpert' has no feature 'icu'; it has age, sex, view" in answer.sentence


def test_fault_14_an_image_over_the_limit_is_refused(sslbench: Cli, layout: Layout) -> None:
    Image.new("L", (30, 30)).save(layout.image)
    answer = prepared(sslbench, layout, "--set", "data.pixel_limit=800")
    assert answer.code == 3
    assert f"{layout.image} has 900 pixels, the limit is 800; raise data.pixel_limit" in answer.err


def test_fault_15_coloured_jpegs_become_grey(sslbench: Cli, tiny_chexpert: Callable[..., Path]) -> None:
    root = tiny_chexpert()
    grey = Image.fromarray(np.linspace(0, 255, 256).reshape(16, 16).astype(np.uint8))
    films = sorted(root.rglob("*.jpg"))
    for film, mode in zip(films, ("RGB", "CMYK"), strict=False):
        grey.convert("RGB").convert(mode).save(film, quality=100)
    answer = prepared(sslbench, Layout(("chexpert", "--root", root), films[0], 46))
    assert answer.code == 0, answer.err
    stored = np.load(Path(answer.out.split()[-1]) / "images.npy").astype(int)
    close = (np.abs(stored - np.asarray(grey).astype(int)).max((1, 2)) <= 6).sum()  # JPEG and CMYK round
    assert close == 2


def test_fault_15_wide_and_coloured_images_are_defined(sslbench: Cli, tiny_table: Callable[..., Path]) -> None:
    root = tiny_table()
    table = Layout(("table", "--root", root, "--columns", root / "columns.yaml"), root, 60)
    ramp = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
    grey = Image.fromarray((ramp // 257).astype(np.uint8))
    Image.fromarray(ramp).save(root / "films/0-0.png")
    for number, mode in enumerate(("RGBA", "P", "LA")):
        grey.convert(mode).save(root / f"films/{number + 1}-0.png")
    answer = prepared(sslbench, table)
    assert answer.code == 0, answer.err
    images = np.load(Path(answer.out.split()[-1]) / "images.npy")
    for row in (0, 2, 4, 6):
        np.testing.assert_allclose(images[row].astype(int), np.asarray(grey).astype(int), atol=2)
