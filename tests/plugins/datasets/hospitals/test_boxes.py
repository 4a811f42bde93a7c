"""Masks and boxes of further hospitals: runs of pixels by hand, sides in shares, what the synthetic writers draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pydicom
import pytest

from ssl_bench.errors import DataError
from ssl_bench.evaluate.embedder import boxes_of
from ssl_bench.plugin.boxes import Box
from ssl_bench.plugin.cohort import Cohort
from sslbench_datasets.hospitals.masks import GRID, mask_boxes
from sslbench_evaluators.localise import masks_of

Make = Callable[[str], Path]
Read = Callable[..., Cohort]
SIDES = ["left", "top", "right", "bottom"]


def runs_of(mask: np.ndarray) -> str:
    """A mask as runs down its columns, each from the end of the run before."""
    flat, words, last = mask.T.ravel(), [], 0
    edges = np.flatnonzero(np.diff(np.pad(flat.astype(int), 1)))
    for begin, end in edges.reshape(-1, 2):
        words += [str(begin - last), str(end - begin)]
        last = end
    return " ".join(words)


def drawn(boxes: pd.DataFrame, side: int = GRID) -> np.ndarray:
    """Cells of the grid whose middle is in a rectangle."""
    middle = (np.arange(side) + 0.5) / side
    mask = np.zeros((side, side), bool)
    for box in boxes.itertuples():
        mask |= ((middle > box.top) & (middle < box.bottom))[:, None] & ((middle > box.left) & (middle < box.right))
    return mask


def of(masks: dict[str, str], side: int = 256) -> pd.DataFrame:
    return mask_boxes(pd.Series(masks), "Pneumothorax", side, Path("train-rle.csv"))


@pytest.mark.parametrize("seed", range(4))
def test_runs_become_the_cells_whose_middle_they_hold(seed: int) -> None:
    rng, rows = np.random.default_rng(seed), np.arange(256)
    centre, radius = rng.uniform(60, 190, 2), rng.uniform(5, 50)
    mask = (rows[:, None] - centre[0]) ** 2 + (2 * (rows[None, :] - centre[1])) ** 2 < radius**2
    mask[200:, 250:] = True  # down to the corner
    found = of({"a": runs_of(mask)})
    np.testing.assert_array_equal(drawn(found), mask[2::4, 2::4])
    assert found["part"].all()
    assert set(found["finding"]) == {"Pneumothorax"}


def test_a_mask_without_the_middle_of_a_cell_is_the_rectangle_around_it() -> None:
    mask = np.zeros((256, 256), bool)
    mask[8:10, 16:18] = True
    assert of({"a": runs_of(mask)})[SIDES].to_numpy().tolist() == [[16 / 256, 8 / 256, 18 / 256, 10 / 256]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 2 3", "pairs of"),
        ("a b", "pairs of"),
        ("", "pairs of"),
        ("1 -2", "pairs of"),
        ("0 70000", "lie in pictures"),
    ],
)
def test_what_is_no_mask_is_refused(text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        of({"a": text})


def test_parts_of_a_mask_hold_the_patches_whose_centre_is_in_them() -> None:
    thin = [
        Box(0, "Pneumothorax", 0.2, 0.0, 0.22, 1.0, part=True),
        Box(0, "Pneumothorax", 0.1, 0.1, 0.15, 0.6, part=True),
    ]
    boxes = [*thin, Box(1, "Pneumothorax", 0.8, 0.8, 0.81, 0.81, part=True)]
    found = masks_of(SimpleNamespace(boxes=boxes), "Pneumothorax", 4)  # type: ignore[arg-type]
    assert found[0].reshape(4, 4).astype(int).tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert found[1].reshape(4, 4)[3].astype(int).tolist() == [0, 0, 0, 1]


def test_boxes_stand_at_the_place_of_their_image_in_the_split() -> None:
    columns = ["image_id", "finding", *SIDES, "aspect", "part"]
    rows = [("b", "Mass", 0.25, 0.0, 0.75, 0.5, 2.0, np.nan), ("x", "Mass", 0, 0, 1, 1, 1.0, False),
            ("a", "Mass", 0, 0, 1, 1, 1.0, True), ("b", "Mass", 0.0, 0.0, 0.1, 1.0, 2.0, False)]  # fmt: skip
    cohort = SimpleNamespace(boxes=pd.DataFrame(rows, columns=columns))
    prepared = SimpleNamespace(cohort=cohort, fit="crop")
    found = boxes_of(prepared, np.array(["a", "b"]))  # type: ignore[arg-type]
    # Of the picture twice as wide as high the middle half is seen: one box fills it, the other lies beside it.
    assert found == [Box(1, "Mass", 0.0, 0.0, 1.0, 0.5), Box(0, "Mass", 0.0, 0.0, 1.0, 1.0, part=True)]
    assert boxes_of(SimpleNamespace(cohort=SimpleNamespace(boxes=None)), np.array(["a"])) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["rsna-pneumonia", "siim-acr", "vindr-cxr"])
def test_written_boxes_are_those_of_images_with_the_finding(hospitals: Make, read: Read, name: str) -> None:
    cohort = read(name, hospitals(name), **({"boxes": True} if name == "vindr-cxr" else {}))
    boxes, frame = cohort.boxes, cohort.frame.set_index("image_id")
    assert boxes is not None
    assert len(boxes) > 3
    assert set(boxes["finding"]) <= set(cohort.labels)
    assert all(
        frame.loc[image, finding] == 1 for image, finding in zip(boxes["image_id"], boxes["finding"], strict=True)
    )
    assert ((boxes[["left", "top"]].to_numpy() >= 0) & (boxes[["right", "bottom"]].to_numpy() <= 1)).all()
    assert (boxes["left"] < boxes["right"]).all()
    assert (boxes["top"] < boxes["bottom"]).all()
    positive = {"rsna-pneumonia": "Pneumonia", "siim-acr": "Pneumothorax"}.get(name)
    if positive:
        assert set(boxes["image_id"]) == set(frame.index[frame[positive] == 1])


def test_boxes_of_vindr_are_shares_of_each_films_own_size(copy: Make, read: Read) -> None:
    root = copy("vindr-cxr")
    assert read("vindr-cxr", root).boxes is None
    found = read("vindr-cxr", root, boxes=True).boxes
    assert found is not None
    first = found.iloc[0]
    path = next(root.glob(f"*/{first['image_id']}.dicom"))
    header = pydicom.dcmread(path, stop_before_pixels=True)
    assert first["aspect"] == pytest.approx(header.Columns / header.Rows)
    paths = [root / f"annotations/annotations_{split}.csv" for split in ("train", "test")]
    files = [pd.read_csv(path, dtype={"image_id": str}) for path in paths]
    rows = pd.concat(files)
    own = rows[(rows["image_id"] == first["image_id"]) & (rows["class_name"] == first["finding"])].iloc[0]
    assert first["left"] == pytest.approx(own["x_min"] / header.Columns)
    assert first["bottom"] == pytest.approx(own["y_max"] / header.Rows)
    path.unlink()
    path.write_bytes(b"")
    spoilt = read("vindr-cxr", root, boxes=True)
    assert spoilt.counts["boxes on films whose header states no size"] > 0
    assert first["image_id"] not in set(spoilt.boxes["image_id"])  # type: ignore[index]
