"""The cohort table and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort, check_cohort, inside, leaves_root, merge_duplicates, missing_images
from ssl_bench.plugin.labels import CHEXPERT14


def make(tmp_path: Path, **columns: list[object]) -> Cohort:
    base: dict[str, list[object]] = {
        "image_id": ["007", "NA", "c"],
        "image_path": ["images/a.png", "images/b.png", "images/c.png"],
        "patient_id": ["1", "1", "2"],
        "study_id": ["s", "t", "u"],
        "split": ["train", "train", "test"],
        "age": [50.0, 51.0, np.nan],
        "Edema": [1.0, -1.0, np.nan],
        "Mass": [0.0, 1.0, 0.0],
    }
    return Cohort("toy", tmp_path, pd.DataFrame(base | columns), ("age",), ("Edema", "Mass"))


def test_a_sound_cohort_passes(tmp_path: Path) -> None:
    check_cohort(make(tmp_path))
    assert len(make(tmp_path)) == 3
    assert make(tmp_path).split("test")["image_id"].tolist() == ["c"]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    cohort = make(tmp_path)
    with pytest.raises(DataError, match="'toy' lacks the columns study_id, split"):
        check_cohort(cohort.with_frame(cohort.frame.drop(columns=["study_id", "split"])))
    with pytest.raises(
        DataError, match=r"lacks the columns patient_id, age \(did you mean 'patient'\?\); found image_id"
    ):
        check_cohort(cohort.with_frame(cohort.frame.rename(columns={"patient_id": "patient"}).drop(columns="age")))


def test_double_columns_are_named(tmp_path: Path) -> None:
    cohort = make(tmp_path)
    with pytest.raises(DataError, match="has the columns Mass twice"):
        check_cohort(cohort.with_frame(pd.concat([cohort.frame, cohort.frame[["Mass"]]], axis=1)))


def test_identical_rows_are_merged_on_request(tmp_path: Path) -> None:
    cohort = make(tmp_path)
    assert merge_duplicates(cohort) is cohort
    doubled = cohort.with_frame(cohort.frame.iloc[[0, 1, 1, 2, 0]])
    merged = merge_duplicates(doubled)
    pd.testing.assert_frame_equal(merged.frame, cohort.frame)
    assert merged.counts == {"identical rows merged": 2}
    other = doubled.frame.assign(Mass=[0.0, 1.0, 0.0, 0.0, 0.0])
    with pytest.raises(DataError, match="1 occur twice: NA"):  # the copies differ
        check_cohort(merge_duplicates(cohort.with_frame(other)))


def test_duplicate_image_ids_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 occur twice: 007"):
        check_cohort(make(tmp_path, image_id=["007", "007", "c"]))


@pytest.mark.parametrize("blank", [None, np.nan, ""])
@pytest.mark.parametrize("column", ["image_id", "image_path", "patient_id", "study_id"])
def test_blank_identifiers_are_refused(tmp_path: Path, column: str, blank: object) -> None:
    with pytest.raises(DataError, match=f"{column} must not be blank; found 1 blank rows, first 1"):
        check_cohort(make(tmp_path, **{column: ["x", blank, "z"]}))


def test_unknown_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train, validate, test; found valid"):
        check_cohort(make(tmp_path, split=["train", "valid", "test"]))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    cohort = make(tmp_path, image_id=["a", "a", "b"], split=["train", "dev", "test"], image_path=["/x", "y", "../z"])
    with pytest.raises(DataError, match="3 problems") as error:
        check_cohort(cohort)
    for fault in ("occur twice: a", "found dev", "refused: /x, ../z"):
        assert fault in str(error.value)


@pytest.mark.parametrize("again", ["images/a.png", "images//a.png", "./images/a.png", "images\\a.png"])
def test_a_file_of_two_patients_is_refused(tmp_path: Path, again: str) -> None:
    cohort = make(tmp_path, image_path=["images/a.png", "images/b.png", again])
    with pytest.raises(DataError, match=r"1 belong to several, 1 of them in several splits: images/a\.png \(1, 2\)"):
        check_cohort(cohort)
    check_cohort(make(tmp_path, image_path=["images/a.png", again, "images/c.png"]))  # of one patient in one split


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up.png", "a/../../up.png", "..\\up.png", "C:\\up.png", "\\\\host\\x"]
)
def test_paths_that_leave_the_root(path: str) -> None:
    assert leaves_root(path)


@pytest.mark.parametrize("path", ["a.png", "images/..a.png", "p10/s5/x.jpg", "a..b/c.png"])
def test_paths_that_stay(path: str) -> None:
    assert not leaves_root(path)


def test_missing_images_and_links_out_of_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "secret.png"
    (root / "images").mkdir(parents=True)
    outside.write_bytes(b"x")
    (root / "images/a.png").write_bytes(b"x")
    (root / "images/b.png").symlink_to(outside)
    assert missing_images(make(root)) == ["images/b.png", "images/c.png"]
    assert not inside(root.resolve(), "images/b.png")


def test_linked_folders_count_by_where_they_lead(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "real/deep", outside / "deep"):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"x")
    (root / "within").symlink_to(root / "real")
    (root / "out").symlink_to(outside)
    (root / "real/up").symlink_to(outside / "deep")
    paths = ["real/deep/a.png", "within/deep/a.png", "out/deep/a.png", "real/up/a.png", "within/up/a.png"]
    paths += ["real/../real/deep/a.png", "out/../../outside/deep/a.png", str(outside / "deep/a.png"), "x" * 5000]
    frame = pd.DataFrame({"image_path": paths})
    assert missing_images(Cohort("links", root, frame, (), ())) == [*paths[2:5], *paths[6:]]


def test_a_linked_root_is_fine(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "images").mkdir(parents=True)
    for name in "abc":
        (real / f"images/{name}.png").write_bytes(b"x")
    (tmp_path / "link").symlink_to(real)
    assert missing_images(make(tmp_path / "link")) == []


def test_labels_are_settled_and_the_raw_values_kept(tmp_path: Path) -> None:
    settled = make(tmp_path).with_labels("native", "ones", "zeros")
    assert settled.labels == ("Edema", "Mass")
    assert settled.frame["Edema"].tolist() == [1.0, 1.0, 0.0]
    np.testing.assert_array_equal(settled.frame["raw:Edema"], [1.0, -1.0, np.nan])
    assert settled.frame["image_id"].tolist() == ["007", "NA", "c"]


def test_images_that_were_never_labelled_stay_unknown(tmp_path: Path) -> None:
    blank = np.full(3, np.nan)
    cohort = make(tmp_path, Edema=[1.0, np.nan, np.nan], Mass=[np.nan, 0.0, np.nan])
    named = cohort.with_frame(cohort.frame.assign(**{"No Finding": blank}))
    settled = replace(named, labels=("Edema", "Mass", "No Finding")).with_labels("native", "zeros", "zeros")
    np.testing.assert_array_equal(settled.frame["Mass"], [0.0, 0.0, np.nan])
    # Without the column "No Finding" a row of blanks may well be an image on which nothing was found.
    assert cohort.with_labels("native", "zeros", "zeros").frame["Mass"].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("space", ["native", "common7"])
def test_no_finding_implies_negatives_that_ignoring_blanks_keeps(tmp_path: Path, space: str) -> None:
    nan = np.nan
    others = {label: [nan, nan, nan] for label in CHEXPERT14 if label not in ("Edema", "No Finding")}
    values = {**others, "No Finding": [1.0, nan, 0.0], "Edema": [nan, nan, 1.0], "Pneumonia": [-1.0, 0.0, nan]}
    cohort = make(tmp_path)
    held = replace(cohort.with_frame(cohort.frame.drop(columns=["Edema", "Mass"]).assign(**values)), labels=CHEXPERT14)
    settled = held.with_labels(space, "ignore", "ignore").frame
    np.testing.assert_array_equal(settled["Edema"], [0, nan, 1])
    np.testing.assert_array_equal(settled["Pneumonia"], [nan, 0, nan])  # what is said to be uncertain stays it
    np.testing.assert_array_equal(settled["Atelectasis"], [0, nan, nan])
    if space == "native":
        np.testing.assert_array_equal(settled["Support Devices"], [nan, nan, nan])
        np.testing.assert_array_equal(settled["No Finding"], [1, nan, 0])


def test_labels_of_a_space_that_the_dataset_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'common7' needs Atelectasis, .*; the dataset has Edema, Mass"):
        make(tmp_path).with_labels("common7", "zeros", "zeros")


def test_bad_label_values_name_the_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found NA Edema=-2, c Mass=2; correct those rows"):
        make(tmp_path, Edema=[1.0, -2.0, 0.0], Mass=[0.0, 1.0, 2.0]).with_labels("native", "zeros", "zeros")
