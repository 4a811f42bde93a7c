"""The NIH loader on files of every release, and on files made to be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from ssl_bench.data.splits import check_leakage
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.cohort import Cohort, check_cohort, missing_images
from ssl_bench.plugin.labels import NIH14
from sslbench_datasets.nih14 import Nih14, parse_labels, read_quality_lists
from sslbench_datasets.options import Nih14Options
from sslbench_datasets.values import parse_age

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
KAGGLE_HEADER = "Image_Index,Finding_Labels,Follow_Up_#,Patient_ID,Patient_Age,Patient_Gender,View_Position"
TAIL = ",2682,2749,0.143,0.143"
ROWS = (
    "00000001_000.png,Cardiomegaly|Emphysema,0,1,58,M,PA",
    "00000001_001.png,No Finding,1,1,59,M,AP",
    "00000002_000.png,Pleural_Thickening,0,2,81,F,PA",
    "00000003_000.png,Hernia|Effusion,0,3,30,F,AP",
)
TRAIN, TEST = ("00000001_000.png", "00000001_001.png", "00000002_000.png"), ("00000003_000.png",)


def write_labels(root: Path, rows: tuple[str, ...] = ROWS, header: str = HEADER, tail: str = TAIL) -> Path:
    (root / "Data_Entry_2017_v2020.csv").write_text("\n".join([header, *(row + tail for row in rows)]) + "\n")
    return root


def write_lists(root: Path, train: tuple[str, ...] = TRAIN, test: tuple[str, ...] = TEST) -> None:
    (root / "train_val_list.txt").write_text("\n".join(train))
    (root / "test_list.txt").write_text("\n".join(test))


def write_image(path: Path, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), 99, np.uint8)).convert(mode).save(path)


def read(root: Path, **options: str) -> Cohort:
    cohort = Nih14(Nih14Options(**options)).read(root)
    check_cohort(cohort)
    return cohort


def positives(cohort: Cohort, image: str) -> set[str]:
    row = cohort.frame.set_index("image_id").loc[image, list(cohort.labels)]
    return set(row[row == 1].index)


def test_current_release(tmp_path: Path) -> None:
    write_lists(write_labels(tmp_path))
    cohort = read(tmp_path)
    assert cohort.official_split
    assert cohort.labels == NIH14
    assert positives(cohort, "00000001_000.png") == {"Cardiomegaly", "Emphysema"}
    assert positives(cohort, "00000001_001.png") == set()
    assert positives(cohort, "00000002_000.png") == {"Pleural_Thickening"}
    assert cohort.frame["age"].tolist() == [58, 59, 81, 30]
    assert cohort.frame["sex"].tolist() == ["M", "M", "F", "F"]
    assert cohort.frame["view"].tolist() == ["PA", "AP", "PA", "AP"]
    assert cohort.frame["patient_id"].tolist() == ["1", "1", "2", "3"]
    assert cohort.frame["study_id"].is_unique
    assert not cohort.counts


def test_header_of_older_copies(tmp_path: Path) -> None:
    rows = tuple(row.replace(",58,", ",058Y,") for row in ROWS)
    cohort = read(write_labels(tmp_path, rows, KAGGLE_HEADER, ""))
    assert cohort.frame["age"].iloc[0] == 58
    assert positives(cohort, "00000003_000.png") == {"Hernia", "Effusion"}


@pytest.mark.parametrize(
    ("header", "tail"), [(HEADER + ",", TAIL + ","), (HEADER, TAIL + ","), ("\ufeff" + HEADER, TAIL)]
)
def test_final_commas_and_byte_order_mark_do_not_shift_columns(tmp_path: Path, header: str, tail: str) -> None:
    cohort = read(write_labels(tmp_path, ROWS, header, tail))
    assert cohort.frame["image_id"].iloc[0] == "00000001_000.png"
    assert cohort.frame["view"].iloc[0] == "PA"


def test_windows_line_ends(tmp_path: Path) -> None:
    write_lists(write_labels(tmp_path))
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    cohort = read(tmp_path)
    assert cohort.frame["split"].tolist()[-1] == "test"
    assert not cohort.counts


def test_older_release_by_its_own_name_and_by_option(tmp_path: Path) -> None:
    write_labels(tmp_path).joinpath("Data_Entry_2017_v2020.csv").rename(tmp_path / "Data_Entry_2017.csv")
    assert len(read(tmp_path)) == len(ROWS)
    (tmp_path / "Data_Entry_2017.csv").rename(tmp_path / "mine.csv")
    assert len(read(tmp_path, labels_file="mine.csv")) == len(ROWS)
    with pytest.raises(DataError, match=r"Data_Entry_2017\.csv.*found mine\.csv"):
        read(tmp_path)


def test_ages() -> None:
    text = pd.Series(["57", "040Y", "005M", "012D", "414", "155", "0", "-3", "", "old", "120", "121", "000D", "26w"])
    years = parse_age(text)
    assert years[:4].tolist() == pytest.approx([57, 40, 5 / 12, 12 / 365.25])
    assert years[4:10].isna().all()
    assert years[10] == 120
    assert years[11:13].isna().all()
    assert years[13] == pytest.approx(26 * 7 / 365.25)


@given(st.integers(1, 120), st.sampled_from(["", "Y", "y"]))
def test_whole_years_survive(age: int, unit: str) -> None:
    assert parse_age(pd.Series([f"{age:03d}{unit}"])).tolist() == [age]


def test_implausible_and_missing_values_are_counted(tmp_path: Path) -> None:
    rows = (
        "a.png,No Finding,0,1,414,M,PA",
        "b.png,No Finding,0,2,0,Unknown,PA",
        "c.png,No Finding,0,3,,,LL",
        "d.png,No Finding,0,4,50,F,",
    )
    cohort = read(write_labels(tmp_path, rows))
    assert cohort.frame["age"].isna().tolist() == [True, True, True, False]
    assert cohort.frame["sex"].isna().tolist() == [False, True, True, False]
    assert cohort.frame["view"].isna().tolist() == [False, False, True, True]
    assert dict(cohort.counts) == {
        "implausible or unreadable age": 2,
        "missing age": 1,
        "missing sex": 1,
        "missing view": 1,
        "unknown sex": 1,
        "unknown view": 1,
    }


def test_identifiers_stay_text(tmp_path: Path) -> None:
    rows = ("007.png,No Finding,0,007,50,M,PA", "NA,No Finding,0,NA,50,M,PA", "nan.png,No Finding,0,1e5,50,M,PA")
    frame = read(write_labels(tmp_path, rows)).frame
    assert frame["image_id"].tolist() == ["007.png", "NA", "nan.png"]
    assert frame["patient_id"].tolist() == ["007", "NA", "1e5"]


def test_lists_hold_out_a_tenth_of_the_training_patients(tmp_path: Path) -> None:
    rows = tuple(
        f"{patient:05d}_{film}.png,No Finding,{film},{patient},50,M,PA" for patient in range(600) for film in (0, 1)
    )
    names = tuple(row.split(",")[0] for row in rows)
    write_lists(write_labels(tmp_path, rows), names[:1000], names[1000:])
    cohort = read(tmp_path)
    check_leakage(cohort)
    assert cohort.frame["split"].iloc[1000:].eq("test").all()
    assert set(cohort.frame["split"].iloc[:1000]) == {"train", "validate"}
    assert cohort.frame["split"].iloc[:1000].eq("validate").mean() == pytest.approx(0.1, abs=0.04)


def test_without_lists_the_split_is_by_patient_and_not_official(tmp_path: Path) -> None:
    rows = tuple(
        f"{patient:05d}_{film}.png,No Finding,{film},{patient},50,M,PA" for patient in range(600) for film in (0, 1)
    )
    cohort = read(write_labels(tmp_path, rows))
    check_leakage(cohort)
    shares = cohort.frame["split"].value_counts(normalize=True)
    assert not cohort.official_split
    assert shares["train"] == pytest.approx(0.7, abs=0.06)
    assert shares["test"] == pytest.approx(0.2, abs=0.05)


def test_list_entries_without_a_row_are_counted(tmp_path: Path) -> None:
    write_lists(write_labels(tmp_path), (*TRAIN, "99999999_000.png"), (*TEST, "99999999_001.png"))
    assert read(tmp_path).counts == {"list entries without a row": 2}


def test_rows_in_neither_list_are_refused(tmp_path: Path) -> None:
    write_lists(write_labels(tmp_path), TRAIN[:-1])
    with pytest.raises(DataError, match=r"1 are in neither: 00000002_000\.png; complete the lists"):
        read(tmp_path)


def test_an_image_in_both_lists_is_refused(tmp_path: Path) -> None:
    write_lists(write_labels(tmp_path), TRAIN, (*TEST, TRAIN[0]))
    with pytest.raises(DataError, match=r"1 are in both: 00000001_000\.png"):
        read(tmp_path)


def test_one_list_alone_is_refused(tmp_path: Path) -> None:
    write_lists(write_labels(tmp_path))
    (tmp_path / "test_list.txt").unlink()
    with pytest.raises(DataError, match=r"test_list\.txt is missing"):
        read(tmp_path)


def test_images_in_numbered_folders(tmp_path: Path) -> None:
    write_image(write_labels(tmp_path) / "images_001/images/00000001_000.png")
    write_image(tmp_path / "images_012/images/00000003_000.png", "RGBA")
    cohort = read(tmp_path)
    assert cohort.frame["image_path"].iloc[0] == "images_001/images/00000001_000.png"
    assert cohort.frame["image_path"].iloc[3] == "images_012/images/00000003_000.png"
    assert missing_images(cohort) == ["images_001/images/00000001_001.png", "images_001/images/00000002_000.png"]


def test_images_in_one_flat_folder(tmp_path: Path) -> None:
    for row in write_labels(tmp_path) and ROWS:
        write_image(tmp_path / "images" / row.split(",")[0])
    cohort = read(tmp_path)
    assert cohort.frame["image_path"].iloc[2] == "images/00000002_000.png"
    assert not missing_images(cohort)


def test_no_images_at_all_keeps_the_rows(tmp_path: Path) -> None:
    assert len(missing_images(read(write_labels(tmp_path)))) == len(ROWS)


def test_paths_out_of_the_root_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must stay below"):
        read(write_labels(tmp_path, ("../secret.png,No Finding,0,1,50,M,PA",)))


def test_duplicate_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"00000001_000\.png"):
        read(write_labels(tmp_path, (*ROWS, ROWS[0])))


def test_unknown_findings_name_the_row_and_the_nearest(tmp_path: Path) -> None:
    rows = (*ROWS[:3], "00000003_000.png,Hernia|Efusion,0,3,30,F,AP")
    with pytest.raises(DataError, match=r"00000003_000\.png: 'Efusion'; did you mean 'Effusion'\?"):
        read(write_labels(tmp_path, rows))


def test_findings_match_whole_names() -> None:
    labels = parse_labels(pd.Series(["Mass|Nodule", "No Finding"]), pd.Series(["a", "b"]))
    assert labels.iloc[0].sum() == 2
    with pytest.raises(DataError, match="'Pneumo'"):
        parse_labels(pd.Series(["Pneumo"]), pd.Series(["a"]))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            HEADER.replace("Patient Age,", "Patient Agee,"),
            r"lacks Patient Age \(did you mean 'Patient Agee'\?\).*expected.*found",
        ),
        (HEADER.replace("Follow-up #", "Patient ID"), "columns Patient ID twice"),
        ("", "lacks Image Index"),
    ],
)
def test_wrong_columns(tmp_path: Path, header: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(write_labels(tmp_path, ROWS, header))


def test_blank_identifiers_and_cut_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Patient ID must not be blank; .* has 1 rows without it, first on line 2"):
        read(write_labels(tmp_path, ("a.png,No Finding,0,,50,M,PA",)))
    with pytest.raises(DataError, match=r"Patient ID must not be blank.*first on line 3.*cut off"):
        read(write_labels(tmp_path, (ROWS[0] + TAIL, "00000001_001.png,No Fin"), tail=""))
    with pytest.raises(DataError, match="header and no rows"):
        read(write_labels(tmp_path, ()))


def test_binary_label_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Data_Entry_2017.csv").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(DataError, match="is a picture; download it again"):
        read(tmp_path)


def test_root_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--root"):
        Nih14().locate(None, tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        Nih14().locate(tmp_path / "absent", tmp_path)
    assert Nih14().locate(tmp_path, tmp_path / "cache") == tmp_path


def test_a_tenth_of_the_training_patients_selects(tmp_path: Path) -> None:
    rows = tuple(f"{patient:08d}_000.png,Mass,0,{patient},50,M,PA" for patient in range(1, 301))
    names = [row.split(",")[0] for row in rows]
    write_lists(write_labels(tmp_path, rows), tuple(names[:200]), tuple(names[200:]))
    sizes = read(tmp_path).frame["split"].value_counts()
    assert sizes["test"] == 100
    assert 10 <= sizes["validate"] <= 32
    assert dict(read(tmp_path).sources) == {"images": 300, "train_val_list.txt": 200, "test_list.txt": 100}


def test_quality_lists_leave_images_out(tmp_path: Path) -> None:
    write_lists(write_labels(tmp_path))
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "rotated.csv").write_text("00000001_000.png\n99999999_000.png\n")
    (lists / "poor.csv").write_text("00000001_000.png\n00000002_000.png")
    cohort = read(tmp_path, quality_lists="lists")
    assert cohort.frame["image_id"].tolist() == ["00000001_001.png", "00000003_000.png"]
    assert cohort.frame.index.tolist() == [0, 1]
    assert cohort.counts["left out by poor.csv"] == 2
    assert "left out by rotated.csv" not in cohort.counts  # what it lists, the first has left out
    assert cohort.sources["images"] == 4
    assert len(read(tmp_path, quality_lists=f"lists/rotated.csv,{lists / 'poor.csv'}")) == 2
    assert len(read(tmp_path)) == 4
    with pytest.raises(DataError, match=r"quality_lists expects a file .*found none at .*absent\.csv"):
        read(tmp_path, quality_lists="absent.csv")


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        Nih14Options(label_file="x.csv")  # type: ignore[call-arg]


@pytest.mark.real
def test_genuine_images(genuine: Callable[[str], Path]) -> None:
    root = genuine("real/nih14-mini")
    cohort = read(root)
    check_leakage(cohort)
    assert len(cohort) == 540
    assert cohort.frame["patient_id"].nunique() == 471
    assert len(cohort.split("test")) == 150
    assert not missing_images(cohort)


@pytest.mark.real
def test_genuine_label_files(genuine: Callable[[str], Path]) -> None:
    root = genuine("formats/nih")
    assert len(Nih14(Nih14Options(labels_file="Data_Entry_2017_v2020.head.csv")).read(root)) == 20
    cohort = Nih14(Nih14Options(labels_file="Data_Entry_2017_v2020.rows_of_png_samples.csv")).read(root)
    assert not missing_images(cohort)
    assert cohort.counts["list entries without a row"] == 86_524 + 25_596 - 6
    for name in (
        "kaggle_style_labels.gregwchase",
        "google2019_nih-chest-xray-labels",
        "Data_Entry_2017.qqto2008_first40000",
    ):
        assert len(Nih14(Nih14Options(labels_file=f"{name}.head.csv")).read(root)) >= 20


@pytest.mark.real
def test_genuine_quality_lists(genuine: Callable[[str], Path]) -> None:
    root = genuine("formats/nih")
    lists = read_quality_lists(root, ("azure_quality_lists",))
    assert len(lists) == 3
    assert all(name.endswith(".png") for names in lists.values() for name in names)
    assert "00001255_007.png" in lists["blacklist_rotated_images.csv"]
