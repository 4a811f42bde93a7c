"""Copies as they go around: written in another way they say the same; what contradicts itself is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ssl_bench.data.boxes import check_boxes
from ssl_bench.errors import HandledError
from ssl_bench.plugin.cohort import Cohort, check_cohort
from sslbench_datasets.hospitals.readers import larger

Make = Callable[[str], Path]
Read = Callable[..., Cohort]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def rewrite(path: Path, change: Change, separator: str = ",") -> None:
    """Change a CSV file that others are links to."""
    table = change(pd.read_csv(path, dtype=str, keep_default_na=False))
    path.unlink()
    table.to_csv(path, index=False, sep=separator)


def column(name: str, change: Callable[[pd.Series], pd.Series]) -> Change:
    return lambda table: table.assign(**{name: change(table[name])})


def by_image(cohort: Cohort) -> pd.DataFrame:
    return cohort.frame.sort_values("image_id").reset_index(drop=True)


PADCHEST = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
BRAX, PLUS = "master_spreadsheet_update.csv", "df_chexpert_plus_240401.csv"
WORDS = {"M": "Male ", "F": "female"}

SAME = [
    ("brax", BRAX, column("PngPath", lambda paths: ".\\" + paths.str.replace("/", "\\"))),
    ("brax", BRAX, column("PngPath", lambda paths: "./" + paths)),
    ("brax", BRAX, column("PatientSex", lambda sexes: sexes.replace(WORDS))),
    ("chexpert-plus", PLUS, column("path_to_image", lambda paths: paths.str.replace("/", "\\"))),
    ("chexpert-plus", PLUS, column("sex", lambda sexes: sexes.str.upper() + " ")),
    ("padchest", PADCHEST, column("MethodLabel", lambda methods: methods.str.upper())),
    ("padchest", PADCHEST, column("Labels", lambda lists: lists.str.upper().str.replace("NAN", "nan"))),
    ("padchest", PADCHEST, column("PatientSex_DICOM", lambda sexes: sexes.replace(WORDS))),
    ("nih14-experts", "four_findings_expert_labels/test_labels.csv",
     column("Image Index", lambda names: names.str.removesuffix(".png"))),
    ("vindr-cxr", "annotations/image_labels_train.csv", column("image_id", lambda names: names + ".dicom")),
    ("rsna-pneumonia", "stage_2_train_labels.csv", column("patientId", lambda names: names + ".dcm")),
    ("siim-acr", "train-rle.csv", column("ImageId", lambda names: names + ".dcm")),
    ("taix-ray", "metadata/split.csv", column("Split", lambda splits: splits.str.title() + " ")),
    ("taix-ray", "metadata/annotation.csv", column("Sex", lambda sexes: sexes.replace(WORDS))),
    ("taix-ray", "metadata/annotation.csv", column("HeartSize", lambda grades: grades + ".0")),
    ("nih14-experts", "four_findings_expert_labels/test_labels.csv", column("Fracture", lambda said: said.str.lower())),
    ("rsna-pneumonia", "stage_2_detailed_class_info.csv", lambda table: pd.concat([table, table])),
    ("siim-acr", "train-rle.csv", lambda table: table.rename(columns=str.strip)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "change"), SAME, ids=lambda part: part if isinstance(part, str) else "")
def test_another_way_of_writing_says_the_same(
    name: str, file: str, change: Change, copy: Make, hospitals: Make, read: Read
) -> None:
    root = copy(name)
    rewrite(root / file, change)
    again = read(name, root)
    check_cohort(again)
    assert_frame_equal(
        by_image(again).drop(columns="image_path"), by_image(read(name, hospitals(name))).drop(columns="image_path")
    )


@pytest.mark.parametrize(
    ("name", "file"),
    [("vindr-cxr", "annotations/image_labels_train.csv"), ("taix-ray", "metadata/annotation.csv"),
     ("siim-acr", "train-rle.csv"), ("nih14-experts", "four_findings_expert_labels/test_labels.csv")],
)  # fmt: skip
def test_tables_may_be_gzipped_under_that_name(name: str, file: str, copy: Make, hospitals: Make, read: Read) -> None:
    path = copy(name) / file
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    root = path.parents[len(Path(file).parts) - 1]
    assert_frame_equal(by_image(read(name, root)), by_image(read(name, hospitals(name))))


def test_films_of_upper_case_endings_and_terms_of_any_case_are_read(copy: Make, hospitals: Make, read: Read) -> None:
    root = copy("shenzhen")
    for film in sorted((root / "CXR_png").iterdir())[:3]:
        film.rename(film.with_suffix(".PNG"))
    whole = read("shenzhen", hospitals("shenzhen"))
    assert_frame_equal(by_image(read("shenzhen", root)).drop(columns="image_path"),
                       by_image(whole).drop(columns="image_path"))  # fmt: skip
    root = copy("openi")
    for report in list(root.rglob("*.xml")):
        text = report.read_text()
        report.unlink()
        report.write_text(text.replace("<major>C", "<major>c").replace("<major>n", "<major>N"))
    assert_frame_equal(by_image(read("openi", root)), by_image(read("openi", hospitals("openi"))))


@pytest.mark.parametrize(
    ("text", "age", "sex"),
    [
        ("female, nodule of 3 mm", None, "F"), ("Male20yrs", 20, "M"), ("F, 30y", 30, "F"), ("m 45 yrs", 45, "M"),
        ("female\nTB 2 months ago", None, "F"), ("Patient's Sex: F\nPatient's Age: 012M\n3 mm", 1, "F"),
        ("45 M", None, None), ("male 400yrs", None, "M"), ("male 0yrs", None, "M"), ("", None, None),
    ],
)  # fmt: skip
def test_readings_give_no_age_that_they_do_not_tell(
    text: str, age: float | None, sex: str | None, copy: Make, read: Read
) -> None:
    root = copy("montgomery")
    first = sorted((root / "ClinicalReadings").iterdir())[0]
    first.unlink()
    first.write_text(text)
    row = read("montgomery", root).frame.iloc[0]
    assert [None if pd.isna(value) else value for value in (row["age"], row["sex"])] == [age, sex]


def twice(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    """The table, and its first row once more with other values."""
    return pd.concat([table, table[:1].assign(**values)])


def of_first(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    """The table with other values in its first row with a box or a mask."""
    row = table.index[table.get("Target", pd.Series("1", table.index)) == "1"][0]
    return table.assign(**{name: table[name].where(table.index != row, value) for name, value in values.items()})


RSNA, CLASSES = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"

REFUSED = [
    ("rsna-pneumonia", CLASSES, lambda table: of_first(table, **{"class": "Opacity"}), "must be normal, no lung"),
    ("rsna-pneumonia", CLASSES, lambda table: table.assign(**{"class": "Normal"}), "calls films Normal"),
    ("rsna-pneumonia", RSNA, lambda table: twice(table, Target="1", x="1", y="1", width="9", height="9"), "contradict"),
    ("rsna-pneumonia", RSNA, lambda table: of_first(table, x="", y="", width="", height=""), "box where Target is 1"),
    ("rsna-pneumonia", RSNA, lambda table: of_first(table, width="-5"), "must have a width and a height"),
    ("rsna-pneumonia", RSNA, lambda table: of_first(table, x="1900"), "must lie in their pictures"),
    ("rsna-pneumonia", RSNA, lambda table: of_first(table, x="left"), "must be four numbers"),
    ("siim-acr", "train-rle.csv", lambda table: twice(table, **{" EncodedPixels": "5 3"}), "contradict each other"),
    ("taix-ray", "metadata/annotation.csv", lambda table: table.assign(Age="64"), "be in days; half of them are 64"),
    ("taix-ray", "metadata/annotation.csv", lambda table: table.assign(HeartSize="mild"), "labels must be"),
    ("taix-ray", "metadata/split.csv", lambda table: table[table["UID"] != table["UID"][0]], "no split for 1 images"),
    ("padchest", PADCHEST, lambda table: of_first(table, Labels="['nodule' 'mass']"), "must be lists such as"),
    ("nih14-experts", "four_findings_expert_labels/test_labels.csv",
     lambda table: of_first(table, Fracture="HEDGE"), "must be YES or NO"),
    ("nih14-experts", "four_findings_expert_labels/test_labels.csv",
     lambda table: twice(table, Fracture="YES", Pneumothorax="YES"), "several that differ"),
    ("vindr-cxr", "annotations/image_labels_train.csv", lambda table: twice(table), "two rows of one reader"),
    ("vindr-cxr", "annotations/image_labels_train.csv", lambda table: table.assign(Edema="0.5"), "say 0 or 1"),
    ("vindr-cxr", "annotations/image_labels_test.csv", lambda table: of_first(table, Edema="-1"), "say 0 or 1"),
    ("brax", BRAX, lambda table: of_first(table, Edema="yes"), "labels must be 1, 0, -1 or blank"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "change", "told"), REFUSED, ids=[f"{case[0]}-{case[3]}" for case in REFUSED])
def test_what_contradicts_itself_is_refused(
    name: str, file: str, change: Change, told: str, copy: Make, read: Read
) -> None:
    root = copy(name)
    rewrite(root / file, change)
    with pytest.raises(HandledError, match=told) as caught:
        check_cohort(read(name, root))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["padchest", "brax", "chexpert-plus", "taix-ray", "vindr-cxr"])
def test_semicolons_are_told(name: str, copy: Make, read: Read) -> None:
    files = {"padchest": PADCHEST, "brax": BRAX, "chexpert-plus": PLUS, "taix-ray": "metadata/annotation.csv",
             "vindr-cxr": "annotations/image_labels_test.csv"}  # fmt: skip
    root = copy(name)
    rewrite(root / files[name], lambda table: table, separator=";")
    with pytest.raises(HandledError, match="its values are separated by semicolons"):
        read(name, root)


def test_labels_of_chexbert_are_of_these_images_and_one_each(copy: Make, read: Read) -> None:
    path = copy("chexpert-plus") / "chexbert_labels/impression_fixed.json"
    lines = path.read_text().splitlines()
    path.unlink()
    other = {**json.loads(lines[0]), "Edema": 1.0, "Fracture": 1.0}
    path.write_text("\n".join([*lines, json.dumps(other)]))
    with pytest.raises(HandledError, match=r"several that differ: train/patient00001/study1/view1_frontal\.jpg"):
        read("chexpert-plus", path.parents[1])
    path.write_text("\n".join(line.replace("train/", "PNG/train/").replace("valid/", "PNG/valid/") for line in lines))
    with pytest.raises(HandledError, match="has labels of none of the images"):
        read("chexpert-plus", path.parents[1])


def test_boxes_of_vindr_that_are_turned_round_are_refused(copy: Make, read: Read) -> None:
    root = copy("vindr-cxr")
    turned = {"x_min": "x_max", "x_max": "x_min"}
    for split in ("train", "test"):
        rewrite(root / f"annotations/annotations_{split}.csv", lambda table: table.rename(columns=turned))
    with pytest.raises(HandledError, match=r"boxes of .*annotations must have a width and a height; not so in"):
        read("vindr-cxr", root, boxes=True)


def test_boxes_may_reach_out_of_their_picture_by_what_rounding_gives() -> None:
    box = {"image_id": "a", "finding": "Mass", "left": -0.01, "top": 0.0, "right": 1.01, "bottom": 1.0, "aspect": 1.0}
    check_boxes(pd.DataFrame([box]), Path("boxes.csv"))
    with pytest.raises(HandledError, match=r"boxes of boxes\.csv must lie in their pictures; not so in a"):
        check_boxes(pd.DataFrame([{**box, "right": 1.1}]), Path("boxes.csv"))


def test_what_is_not_read_is_counted(copy: Make, read: Read) -> None:
    root = copy("vindr-cxr")
    rewrite(root / "annotations/annotations_train.csv", column("class_name", lambda names: names.str.upper()))
    found = read("vindr-cxr", root, boxes=True)
    assert found.counts["boxes of findings that their image has not by its labels, not read"] > 3
    root = copy("rsna-pneumonia")
    rewrite(root / CLASSES, lambda table: table[3:])
    assert read("rsna-pneumonia", root).counts["images without a label of No Finding"] == 3
    root = copy("padchest")
    rewrite(root / PADCHEST, column("MethodLabel", lambda methods: methods.replace("RNN_model", "intern")))
    assert read("padchest", root).counts["images labelled neither by Physician nor by RNN_model, taken for the latter"]


def test_a_side_that_nobody_judged_leaves_the_other_side_when_it_shows_something() -> None:
    one, other = pd.Series([0.0, 0.0, 3.0, float("nan")]), pd.Series([2.0, float("nan"), float("nan"), float("nan")])
    assert larger(one, other).fillna(-9).tolist() == [2, -9, 3, -9]


def test_two_films_of_one_number_are_refused(copy: Make, read: Read) -> None:
    root = copy("shenzhen")
    first = sorted((root / "CXR_png").iterdir())[0]
    flipped = "1" if first.stem.endswith("0") else "0"
    first.with_name(f"{first.stem[:-1]}{flipped}.png").write_bytes(first.read_bytes())
    with pytest.raises(HandledError, match="must have one film of each number; CHNCXR_"):
        read("shenzhen", root)
