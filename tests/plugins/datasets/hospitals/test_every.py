"""What holds for every further hospital: the contract, copies that say the same, and spoilt copies."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ssl_bench.data.check import Sample, check_download
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.synthetic import write_layout
from ssl_bench.errors import HandledError
from ssl_bench.plugin.cohort import Cohort, check_cohort
from ssl_bench.plugin.registry import discover
from ssl_bench.testing import dataset_checks
from sslbench_datasets.hospitals.components import HOSPITALS

Make = Callable[[str], Path]
Read = Callable[..., Cohort]
NAMES = [component.name for component in HOSPITALS]
SMALL = {"patients": 24, "size": 32}

TABLES = {
    "padchest": ["PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"],
    "vindr-cxr": ["annotations/image_labels_train.csv", "annotations/image_labels_test.csv"],
    "brax": ["master_spreadsheet_update.csv"],
    "chexpert-plus": ["df_chexpert_plus_240401.csv"],
    "taix-ray": ["metadata/annotation.csv", "metadata/split.csv"],
    "rsna-pneumonia": ["stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"],
    "siim-acr": ["train-rle.csv"],
    "nih14-experts": [
        "four_findings_expert_labels/validation_labels.csv",
        "four_findings_expert_labels/test_labels.csv",
    ],
    "shenzhen": [],
    "montgomery": [],
    "openi": [],
}
"""The CSV files that each loader reads."""


FILES = [(name, file) for name, files in TABLES.items() for file in files]
OPTED = {"Manufacturer_DICOM", "Manufacturer", "race", "ethnicity", "insurance_type", "recent_bmi"}
MISSING_MAY_BE = {"ImageDir", "StudyID", "rad_id", "Fold", *OPTED}
"""Columns that a loader does without."""


def text_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a CSV file, gzipped or not, and unlink it from where it was copied from."""
    table = change(text_of(path))
    path.unlink()
    table.to_csv(path, index=False)


def by_image(cohort: Cohort) -> pd.DataFrame:
    return cohort.frame.sort_values("image_id").reset_index(drop=True)


@pytest.fixture(scope="module")
def cohorts(hospitals: Make, read: Read) -> Callable[[str], Cohort]:
    made: dict[str, Cohort] = {}

    def make(name: str) -> Cohort:
        if name not in made:
            made[name] = read(name, hospitals(name))
        return made[name]

    return make


def test_every_table_is_named_here() -> None:
    assert set(TABLES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_suite_for_datasets_passes(name: str, hospitals: Make) -> None:
    for check in dataset_checks(name, hospitals(name)):
        check.call()


@pytest.mark.parametrize("name", NAMES)
def test_the_writer_marks_its_data_and_the_loader_finds_the_mark(name: str, cohorts: Callable[[str], Cohort]) -> None:
    cohort = cohorts(name)
    assert cohort.synthetic
    assert cohort.name == name
    assert cohort.sources.get("images", len(cohort)) >= len(cohort)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_finds_no_problem_and_compares_with_published_counts(name: str, hospitals: Make, read: Read) -> None:
    published = discover().get("dataset", name).published
    found = check_download(lambda: read(name, hospitals(name)), published, Sample(4, 0, DecodeOptions(size=32)))
    assert not [one for one in found if one.status == "problem"]
    told = [one.found for one in found if one.what.startswith("count of") and "published are" in one.found]
    assert len(told) == len(published) > 0
    assert not [one for one in told if one.startswith("none")]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_the_order_of_rows_and_columns_and_the_way_of_writing_do_not_matter(
    name: str, file: str, copy: Make, cohorts: Callable[[str], Cohort], read: Read
) -> None:
    root = copy(name)
    table = text_of(root / file)
    columns = list(table)
    random.Random(0).shuffle(columns)
    text = "\ufeff" + table.sample(frac=1, random_state=0)[columns].to_csv(index=False, lineterminator="\r\n")
    packed = not file.endswith(".gz")
    (root / file).unlink()
    (root / file).write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    again = read(name, root)
    assert_frame_equal(by_image(again)[list(by_image(cohorts(name)))], by_image(cohorts(name)))
    assert dict(again.counts) == dict(cohorts(name).counts)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_column_that_is_gone_is_told_or_was_not_needed(
    name: str, file: str, copy: Make, cohorts: Callable[[str], Cohort], read: Read
) -> None:
    root, whole = copy(name), by_image(cohorts(name))
    table = text_of(root / file)
    columns = list(table)[:4] + list(table)[-4:]  # VinDr has a table of 30
    needed = 0
    for column in dict.fromkeys(columns):
        edit(root / file, lambda _, column=column: table.drop(columns=column))
        told = ""
        try:
            found = by_image(read(name, root))
        except HandledError as error:
            told = str(error)
        if column in OPTED:
            assert not told
            assert len(set(whole) - set(found)) == 1
        if column in MISSING_MAY_BE:
            continue
        if not told:
            assert_frame_equal(found, whole)
        assert not told or column.strip() in told
        needed += bool(told)
    assert needed > 1


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_file_that_is_gone_empty_or_no_table_is_refused(name: str, file: str, copy: Make, read: Read) -> None:
    path = copy(name) / file
    path.unlink()
    root = path.parents[len(Path(file).parts) - 1]
    with pytest.raises(HandledError):
        read(name, root)
    for content in (b"", b"<html><body>log in</body></html>", b"PK\x03\x04 zip", b"a,b\n"):
        path.write_bytes(content)
        with pytest.raises(HandledError) as caught:
            read(name, root)
        assert "\n" not in str(caught.value)


PATIENTS = {"padchest": "PatientID", "brax": "PatientID", "chexpert-plus": "deid_patient_id", "taix-ray": "PatientID"}
IMAGES = {"vindr-cxr": "image_id", "rsna-pneumonia": "patientId", "siim-acr": "ImageId", "nih14-experts": "Image Index"}


@pytest.mark.parametrize("name", [*PATIENTS, *IMAGES])
def test_a_row_without_its_id_is_refused(name: str, copy: Make, read: Read) -> None:
    column = {**PATIENTS, **IMAGES}[name]
    root = copy(name)
    edit(root / TABLES[name][0], lambda table: table.assign(**{column: ["", *table[column][1:]]}))
    with pytest.raises(HandledError, match="must not be blank"):
        read(name, root)


LABELS = {"vindr-cxr": "Cardiomegaly", "brax": "Edema", "taix-ray": "HeartSize", "rsna-pneumonia": "Target",
          "nih14-experts": "Fracture", "padchest": "Labels"}  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("value", ["maybe", "7"])
def test_a_label_that_means_nothing_is_refused(name: str, value: str, copy: Make, read: Read) -> None:
    root, column = copy(name), LABELS[name]
    edit(root / TABLES[name][0], lambda table: table.assign(**{column: value}))
    with pytest.raises(HandledError):
        read(name, root).with_labels("native", "zeros", "zeros")


AGES = {"padchest": "PatientBirth", "brax": "PatientAge", "chexpert-plus": "age", "taix-ray": "Age"}
SEXES = {"padchest": "PatientSex_DICOM", "brax": "PatientSex", "chexpert-plus": "sex", "taix-ray": "Sex"}


@pytest.mark.parametrize("name", AGES)
def test_values_that_nobody_has_are_missing_and_counted(
    name: str, copy: Make, cohorts: Callable[[str], Cohort], read: Read
) -> None:
    root, age, sex = copy(name), AGES[name], SEXES[name]
    strange = ["-3", "9999999", "abc"]
    path = root / TABLES[name][0]
    edit(path, lambda table: table.assign(**{age: [*strange, *table[age][3:]], sex: ["Z", *table[sex][1:]]}))
    before, after = cohorts(name), read(name, root)
    assert len(after) == len(before)
    what = "implausible or unreadable age"
    assert after.counts[what] == before.counts.get(what, 0) + 3
    assert after.counts["unknown sex"] == before.counts.get("unknown sex", 0) + 1


@pytest.mark.parametrize("name", [*PATIENTS, "vindr-cxr"])
def test_an_image_twice_is_refused(name: str, copy: Make, read: Read) -> None:
    root = copy(name)
    edit(root / TABLES[name][0], lambda table: pd.concat([table, table]))
    with pytest.raises(HandledError, match=r"occur twice|two rows"):
        check_cohort(read(name, root))


@pytest.mark.parametrize("name", NAMES)
def test_the_writer_gives_the_same_bytes_again(name: str, hospitals: Make, tmp_path: Path) -> None:
    write_layout(discover(), name, SMALL, tmp_path / "again")
    first = hospitals(name)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    )
    assert all((first / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
