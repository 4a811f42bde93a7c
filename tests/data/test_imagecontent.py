"""Hashes of what each image of a run is: equal where the data are, and where not they say what changed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.imagecontent import PARTS, content_hashes, image_content
from ssl_bench.plugin.cohort import Cohort

PIXELS = ["a1", "b2", "c3"]


@pytest.fixture
def cohort() -> Cohort:
    frame = pd.DataFrame(
        {
            "image_id": ["x", "y", "z"], "image_path": ["x.png", "y.png", "z.png"], "patient_id": ["1", "2", "2"],
            "study_id": ["s", "t", "t"], "split": ["train", "test", "test"], "age": [40.0, None, 71.0],
            "sex": ["M", None, "F"], "Edema": [1.0, 0.0, None], "raw:Edema": [1.0, 0.0, None],
        }
    )  # fmt: skip
    return Cohort("toy", Path("/here"), frame, ("age", "sex"), ("Edema",))


@pytest.mark.parametrize(
    ("change", "column", "images"),
    [
        ({"Edema": [0.0, 0.0, None]}, "labels", ["x"]),
        ({"Edema": [1.0, 0.0, 0.0]}, "labels", ["z"]),
        ({"age": [40.0, 0.0, 71.0]}, "features", ["y"]),
        ({"sex": ["M", "None", "F"]}, "features", ["y"]),
        ({"split": ["train", "test", "validate"]}, "split", ["z"]),
        ({"patient_id": ["1", "2", "3"]}, "split", ["z"]),
    ],
)
def test_what_changed_is_told_by_column_and_image(
    cohort: Cohort, change: dict[str, object], column: str, images: list[str]
) -> None:
    before = image_content(cohort, PIXELS)
    after = image_content(cohort.with_frame(cohort.frame.assign(**change)), PIXELS)
    assert before.index[before[column] != after[column]].tolist() == images
    assert before.drop(columns=column).equals(after.drop(columns=column))
    differing = [name for name in PARTS if content_hashes(before)[name] != content_hashes(after)[name]]
    assert differing == [column]


def test_other_pixels_are_told(cohort: Cohort) -> None:
    before, after = image_content(cohort, PIXELS), image_content(cohort, ["a1", "b2", "d4"])
    assert before.index[before["pixels"] != after["pixels"]].tolist() == ["z"]


def test_order_paths_and_types_of_columns_do_not_matter(cohort: Cohort) -> None:
    turned = cohort.with_frame(cohort.frame.iloc[::-1].assign(image_path=list("abc")))
    typed = turned.with_frame(turned.frame.astype({"Edema": "Int64", "sex": "string", "age": "Float64"}))
    before = image_content(cohort, PIXELS)
    for other in (turned, typed):
        assert before.equals(image_content(other, PIXELS[::-1]))
        assert content_hashes(before) == content_hashes(image_content(other, PIXELS[::-1]))


def test_a_dataset_without_features_has_hashes_too(cohort: Cohort) -> None:
    bare = Cohort("toy", cohort.root, cohort.frame, (), ("Edema",))
    assert image_content(bare, PIXELS)["features"].nunique() == 1
