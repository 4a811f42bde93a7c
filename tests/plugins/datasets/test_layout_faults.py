"""Faults 1, 9, 11, 14 and 15 on CheXpert and on a table, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Cli = Callable[..., Any]


@dataclass(frozen=True)
class Layout:
    """A dataset on the disk, with what names it on the command line and one of its test images."""

    arguments: tuple[object, ...]
    image: Path
    images: int
    """How many the default options keep."""


@pytest.fixture(params=["chexpert", "table"])
def layout(request: pytest.FixtureRequest) -> Layout:
    root = request.getfixturevalue(f"tiny_{request.param}")()
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
    assert (answer.code, answer.out.startswith(f"{layout.images} images, 1 unreadable in ")) == (0, True)


def test_fault_09_labels_with_one_class_are_null_with_their_reason(
    sslbench: Cli, layout: Layout, tmp_path: Path
) -> None:
    answer = run(sslbench, layout, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    rows = json.loads((tmp_path / "run/record.json").read_text())["metrics"]
    rows = [row for row in rows if row["subgroup"] == "all" and row["label"] != "macro"]
    one_class = [row for row in rows if row["n_positive"] == 0]
    assert bool(one_class) == (layout.arguments[0] == "chexpert")  # most of its findings are blank here
    assert all(row["value"] is None and row["note"] for row in one_class)


def test_fault_11_a_batch_larger_than_the_split_is_refused(sslbench: Cli, layout: Layout) -> None:
    answer = run(sslbench, layout, "--dry-run", "--batch-size", 100)
    assert "a batch of 100 needs as many training images" in answer.sentence


def test_fault_14_an_image_over_the_limit_is_refused(sslbench: Cli, layout: Layout) -> None:
    Image.new("L", (30, 30)).save(layout.image)
    answer = prepared(sslbench, layout, "--set", "data.pixel_limit=800")
    assert answer.code == 3
    assert f"{layout.image} has 900 pixels, the limit is 800; raise data.pixel_limit" in answer.err


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
