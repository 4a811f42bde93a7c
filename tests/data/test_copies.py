"""One picture under the names of several patients."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.copies import copied_files, same_pictures, seen_pictures
from ssl_bench.plugin.cohort import Cohort


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Four files of one size, two of them with one content beyond their middles."""
    names = [f"{letter}.png" for letter in "abcd"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode() + bytes(20_000))
    frame = pd.DataFrame({"image_id": list("abcd"), "image_path": names, "patient_id": list("1123")})
    return Cohort("toy", tmp_path, frame.assign(split=["train", "train", "test", "validate"]), (), ())


def test_files_of_one_size_that_differ_are_no_copies(cohort: Cohort) -> None:
    assert copied_files(cohort) == []


@pytest.mark.parametrize("copy", [shutil.copyfile, os.link, os.symlink])
def test_a_copy_or_a_link_is_found(cohort: Cohort, copy: object) -> None:
    (cohort.root / "c.png").unlink()
    copy(cohort.root / "a.png", cohort.root / "c.png")  # type: ignore[operator]
    assert copied_files(cohort) == [["a.png", "c.png"]]


def test_a_patient_may_have_a_picture_twice(cohort: Cohort) -> None:
    shutil.copyfile(cohort.root / "a.png", cohort.root / "b.png")
    assert copied_files(cohort) == []
    assert same_pictures(cohort, ["x", "x", "y", "z"]) == []


def test_pictures_of_several_patients_are_counted_and_named_here_alone(cohort: Cohort) -> None:
    (note,) = same_pictures(cohort, ["x", "z", "x", "y"])
    assert note == (
        "2 images show a picture that another patient has, too; 1 of test was trained on under another patient: a, c"
    )
    assert note.numbers == {"images": 2, "pictures": 1, "trained_on": 1}
    assert "a, c" not in note.public()
    (apart,) = same_pictures(cohort, ["x", "z", "y", "y"], "there")
    assert apart.text == "2 images of there show a picture that another patient has, too"


def test_test_images_of_other_data_that_were_trained_on_are_counted() -> None:
    assert seen_pictures("there", ["x", "y"], ["z"]) == []
    assert seen_pictures("there", ["x", "y"], ["y"]) == ["1 of 2 test images of there were trained on, pixel by pixel"]


def test_a_name_that_no_file_can_have_is_told_elsewhere(cohort: Cohort) -> None:
    shutil.copyfile(cohort.root / "a.png", cohort.root / "c.png")
    names = ["a.png", "b\0.png", "c.png", "d" * 300]
    assert copied_files(cohort.with_frame(cohort.frame.assign(image_path=names))) == [["a.png", "c.png"]]
