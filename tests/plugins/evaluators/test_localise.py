"""Boxes find their way into the square that encoders see, and planted signs are localised where they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ssl_bench.data.boxes import in_square
from ssl_bench.errors import DataError
from ssl_bench.plugin.boxes import Box
from ssl_bench.plugin.contracts import Encoding, EvalContext, MetricValue, Split
from ssl_bench.report.run_tables import own_tables
from ssl_bench.results.record import Record
from sslbench_datasets.nih14 import read_boxes
from sslbench_evaluators.localise import METRICS, Localise, intervals, masks_of, of_image
from sslbench_evaluators.options import LocaliseOptions

SIDE, PATCH = 8, 4
HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


def box(**sides: float) -> pd.DataFrame:
    return pd.DataFrame([{"image_id": "a", "finding": "Mass", "left": 0.2, "top": 0.2, "right": 0.6, "bottom": 0.4,
                          "aspect": 1.0, **sides}])  # fmt: skip


@pytest.mark.parametrize(
    ("aspect", "fit", "expected"),
    [(1.0, "crop", (0.2, 0.2, 0.6, 0.4)), (2.0, "crop", (0.0, 0.2, 0.7, 0.4)), (2.0, "pad", (0.2, 0.35, 0.6, 0.45)),
     (0.5, "crop", (0.2, 0.0, 0.6, 0.3)), (0.5, "pad", (0.35, 0.2, 0.55, 0.4))],
)  # fmt: skip
def test_boxes_follow_the_picture_into_its_square(aspect: float, fit: Any, expected: tuple[float, ...]) -> None:
    found = in_square(box(aspect=aspect), fit).iloc[0]
    assert tuple(found[["left", "top", "right", "bottom"]]) == pytest.approx(expected)


def test_a_box_outside_of_the_square_is_left_out() -> None:
    assert in_square(box(left=0.0, right=0.2, aspect=2.0), "crop").empty


def test_nihs_boxes_are_read_in_shares_of_1024_px(tmp_path: Path) -> None:
    path = tmp_path / "BBox_List_2017.csv"
    assert read_boxes(path) is None
    path.write_text(f"{HEADER}\n00000001_000.png,Infiltrate,512,256,256,128\n")
    found = read_boxes(path)
    assert found is not None
    assert found.iloc[0].to_dict() == {"image_id": "00000001_000.png", "finding": "Infiltration", "left": 0.5,
                                       "top": 0.25, "right": 0.75, "bottom": 0.375, "aspect": 1.0}  # fmt: skip
    path.write_text(f"{HEADER}\n00000001_000.png,Infiltrate,512,,256,128\n")
    with pytest.raises(DataError, match=r"must be four numbers; not so in 00000001_000\.png"):
        read_boxes(path)


def split_with(boxes: list[Box], images: int = 1, **more: Any) -> Split:
    ids = np.array([str(number) for number in range(images)])
    return Split("test", ids, ids, np.zeros((images, 2), np.float32), np.zeros((images, 1), np.float32),
                 np.arange(images), boxes=boxes, **more)  # fmt: skip


def test_patches_whose_centre_lies_in_a_box_are_inside_and_a_small_box_has_one() -> None:
    split = split_with([Box(0, "Effusion", 0.0, 0.0, 0.5, 0.25), Box(0, "Pleural Effusion", 0.9, 0.9, 0.91, 0.91),
                        Box(0, "Mass", 0, 0, 1, 1)])  # fmt: skip
    mask = masks_of(split, "Effusion", 4)[0].reshape(4, 4)
    assert mask.astype(int).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_numbers_of_one_image_by_hand() -> None:
    inside = np.array([True, True, False, False])
    assert of_image(np.array([3.0, 1.0, 2.0, 0.0]), inside, 0.5) == (1.0, 1 / 3, 0.5, 0.75)
    assert of_image(np.array([0.0, 1.0, 2.0, 3.0]), inside, 0.5) == (0.0, 0.0, 0.0, 0.0)
    assert np.isnan(of_image(np.arange(4.0), np.ones(4, bool), 0.5)[3])


@dataclass
class Patches:
    """An encoder whose tokens are the brightness of a patch, and noise."""

    tokens: bool = True

    def __call__(self, images: torch.Tensor, keep: Any = None, *, tokens: bool = True) -> Encoding:
        patches = torch.nn.functional.avg_pool2d(images, PATCH).flatten(1)[..., None]  # (B, N, 1)
        several = torch.cat([patches, torch.zeros_like(patches)], dim=2)
        return Encoding(several.mean(1), several if self.tokens else several[:, :0])


def context(boxed_train: int, *, tokens: bool = True) -> EvalContext:
    """Half of the images have a bright square of a quarter of the side somewhere; test images with one have its box."""
    rng = np.random.default_rng(0)
    images, splits, start = [], {}, 0
    for name, size in {"train": 80, "validate": 8, "test": 40}.items():
        boxes, labels = [], np.zeros((size, 1), np.float32)
        for number in range(size):
            picture = 0.2 * rng.normal(size=(SIDE * PATCH, SIDE * PATCH))
            if number % 2:
                top, left = rng.integers(0, SIDE - 2, 2)
                picture[top * PATCH : (top + 2) * PATCH, left * PATCH : (left + 2) * PATCH] += 3
                labels[number] = 1
                if name == "test" or len(boxes) < boxed_train:
                    boxes.append(Box(number, "Mass", left / SIDE, top / SIDE, (left + 2) / SIDE, (top + 2) / SIDE))
            images.append(picture)
        ids = np.array([f"{name}-{number}" for number in range(size)])
        splits[name] = Split(name, ids, np.array([one[:-1] for one in ids]), np.zeros((size, 2), np.float32), labels,
                             np.arange(start, start + size), boxes=boxes)  # fmt: skip
        start += size
    views = torch.tensor(np.array(images), dtype=torch.float32)[:, None]
    encoder: Any = Patches(tokens)
    return EvalContext(splits, ("Mass",), encoder, "cpu", 0, lambda rows: views[torch.tensor(rows)])


def run(given: EvalContext) -> dict[str, MetricValue]:
    found = list(Localise(LocaliseOptions(area=4 / 64, replicates=100)).evaluate(given))
    return {item.metric: item for item in found if isinstance(item, MetricValue)}


@pytest.mark.parametrize(
    ("boxed", "told"), [(0, "labels of 80 training images, no box"), (30, "30 training images with boxes")]
)
def test_a_planted_sign_is_found_with_and_without_boxes_to_learn_from(boxed: int, told: str) -> None:
    found = run(context(boxed))
    assert found["pointing"].value == 1.0
    assert found["patch_auroc"].value is not None
    assert found["patch_auroc"].value > 0.99
    assert found["box_dice"].value is not None
    assert found["box_dice"].value > 0.9
    assert told in found["pointing"].note
    assert found["pointing"].ci_low is None
    assert "one value alone, so no interval" in found["pointing"].note


def test_without_boxes_or_tokens_there_is_a_reason() -> None:
    bare = context(0, tokens=False)
    assert run(bare)["pointing"].note == "the encoder gives no square grid of patch tokens"
    test = SimpleNamespace(**{**bare.splits["test"].__dict__, "boxes": []})
    without: Any = SimpleNamespace(**{**bare.__dict__, "splits": {**bare.splits, "test": test}})
    assert run(without)["pointing"].note == "no boxes of these findings in the test split"


def test_intervals_hold_the_mean_and_are_of_patients() -> None:
    numbers = np.tile(np.array([[0.0, 0.2, 0.4, 0.6], [1.0, 0.4, 0.6, 0.8]]), (10, 1))
    patients = np.array([f"p{number // 2}" for number in range(20)])
    for patient_wise, found in ((False, intervals(numbers, np.arange(20).astype(str), "Mass", "", 0, 400)),
                                (True, intervals(numbers, patients, "Mass", "", 0, 400))):  # fmt: skip
        for item, name, mean in zip(found, METRICS, numbers.mean(0), strict=True):
            assert (item.metric, item.value) == (name, pytest.approx(mean))
            assert item.ci_low is not None
            assert item.ci_high is not None
            # each patient holds one image of either kind, so no resample of patients moves the mean
            assert (item.ci_high - item.ci_low < 1e-9) == patient_wise


def test_a_table_shows_numbers_of_protocols_without_a_macro_mean() -> None:
    row = {"protocol": "localise", "split": "test", "subgroup": "all", "fraction": 1.0, "draw": 0, "label": "Mass",
           "encoder": "random", "dataset": "nih14", "fitted_on": "nih14", "note": ""}  # fmt: skip
    rows = [{**row, "metric": name, "value": 0.25, "ci_low": low, "ci_high": low and 0.5} for name, low in
            (("pointing", None), ("box_iou", 0.1))]  # fmt: skip
    macro = {
        **row,
        "protocol": "linear",
        "label": "macro",
        "metric": "auroc",
        "value": 0.5,
        "ci_low": 0.4,
        "ci_high": 0.6,
    }
    (table,) = own_tables(Record.model_validate({"metrics": [*rows, macro]}))
    assert table.columns == ("finding", "encoder", "pointing", "box_iou")
    assert table.texts() == [["Mass", "random", "0.250", "0.250 [0.100, 0.500]"]]
