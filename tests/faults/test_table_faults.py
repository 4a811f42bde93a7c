"""Faults of the table: 3 to 10."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from ssl_bench.plugin.splits import assign

RANDOM = ("--method", "random")
"""Nothing is trained: the table is the subject."""

LABELS, TRAIN, TEST = "Data_Entry_2017_v2020.csv", "train_val_list.txt", "test_list.txt"


def rewrite(bench: Any, **columns: list[str]) -> None:
    """New values for the first rows of columns of the label file; underscores stand for spaces."""
    table = pd.read_csv(bench.root / LABELS, dtype=str, keep_default_na=False)
    for name, values in columns.items():
        table.loc[: len(values) - 1, name.replace("_", " ")] = values
    table.to_csv(bench.root / LABELS, index=False)


def finished(bench: Any, *arguments: object) -> tuple[dict[str, Any], pd.DataFrame]:
    """Record and cohort table of a run that had nothing to refuse."""
    answer = bench.run(*arguments, method=RANDOM)
    assert answer.code == 0, answer.err
    return json.loads((bench.out / "record.json").read_text()), pd.read_parquet(bench.out / "cohort.parquet")


# --- 3: columns -------------------------------------------------------------------------------------------------------


def test_fault_03_wrong_columns_tell_what_was_expected_and_found(bench: Any) -> None:
    bench.lines("Patient Age", "Patients Age")
    sentence = bench.refused(3)
    assert f"{LABELS} lacks Patient Age (did you mean 'Patients Age'?); expected the columns Image Index, " in sentence
    assert "; found Image Index, Finding Labels, Follow-up #, Patient ID, Patients Age, " in sentence


def test_fault_03_missing_columns_are_all_told(bench: Any) -> None:
    table = pd.read_csv(bench.root / LABELS, dtype=str)
    table.drop(columns=["Patient ID", "View Position"]).to_csv(bench.root / LABELS, index=False)
    assert f"{LABELS} lacks Patient ID, View Position" in bench.refused(3)


def test_fault_03_duplicate_columns_are_refused(bench: Any) -> None:
    bench.lines("Follow-up #", "Patient Age")
    assert bench.refused(3).endswith(f"{LABELS} has the columns Patient Age twice; keep one of each")


@pytest.mark.parametrize("content", [b"", b"\x00\x01\xff\xfe" * 40, b"Image Index,Finding Labels\n", b'"a\n' * 9])
def test_fault_03_a_file_that_is_no_table_is_named(bench: Any, content: bytes) -> None:
    (bench.root / LABELS).write_bytes(content)
    assert LABELS in bench.refused(3)


def test_fault_03_a_list_that_is_no_text_is_named(bench: Any) -> None:
    (bench.root / TEST).write_bytes(b"\x00\x01\xff\xfe" * 30)
    assert f"{TEST} is not a whole text file: " in bench.refused(3)
    (bench.root / TEST).write_bytes(b"\xff\xfe\x00" * 30)  # begins as UTF-16 does, and names no image
    assert f"every image must be in {TRAIN} or {TEST}; 24 are in neither" in bench.refused(3)


CHANGED = """
from dataclasses import replace
from ssl_bench import DatasetSpec, hookimpl

@hookimpl
def sslbench_components():
    return [DatasetSpec(name="changed", target="sslbench_changed:Changed", features=("age", "sex"), summary="a table")]

class Changed:
    def __init__(self, options):
        from sslbench_datasets.nih14 import Nih14
        self.inner = Nih14()
    def locate(self, root, cache):
        return root
    def read(self, root):
        cohort = replace(self.inner.read(root), name="changed")
        return replace(cohort, frame=self.change(cohort.frame.copy()))
    def change(self, frame):
"""
"""A dataset of somebody else, whose reader returns what the body says."""


def test_fault_03_a_reader_without_a_column_is_told_which(bench: Any, plugin: Any) -> None:
    plugin("changed", CHANGED + "        return frame.rename(columns={'patient_id': 'patientid'})\n")
    sentence = bench.refused(3, data="changed")
    assert sentence.startswith("the cohort of 'changed' lacks the columns patient_id (did you mean 'patientid'?); ")


# --- 4: duplicates ----------------------------------------------------------------------------------------------------


def repeat_rows(bench: Any, *numbers: int) -> None:
    lines = (bench.root / LABELS).read_text().splitlines()
    (bench.root / LABELS).write_text("\n".join([*lines, *(lines[number + 1] for number in numbers)]))


def test_fault_04_duplicate_image_ids_are_refused(bench: Any) -> None:
    repeat_rows(bench, 0, 0, 3)
    assert bench.refused(3) == (
        "image ids must be unique; 2 occur twice: 00000001_000.png, 00000002_001.png; remove the copies, or merge "
        "identical rows by --set data.merge_duplicates=true"
    )


def test_fault_04_duplicate_image_ids_of_identical_rows_are_merged_by_a_flag(bench: Any) -> None:
    repeat_rows(bench, 0, 0, 3)
    record, cohort = finished(bench, "--set", "data.merge_duplicates=true")
    assert (len(cohort), cohort["image_id"].is_unique) == (120, True)
    assert record["data"]["counts"]["identical rows merged"] == 3


def test_fault_04_duplicate_image_ids_of_rows_that_differ_are_never_merged(bench: Any) -> None:
    repeat_rows(bench, 0)
    table = pd.read_csv(bench.root / LABELS, dtype=str)
    table.loc[0, "Finding Labels"] = "Hernia"
    table.to_csv(bench.root / LABELS, index=False)
    assert "image ids must be unique; 1 occur twice: " in bench.refused(3, "--set", "data.merge_duplicates=true")


# --- 5, 6, 7: values --------------------------------------------------------------------------------------------------


def test_fault_05_age_missing_411_005y_or_0(bench: Any) -> None:
    rewrite(bench, Patient_Age=["", "411", "005Y", "0", "006M", "old", "-3", "90"])
    record, cohort = finished(bench)
    ages = cohort["age"].tolist()
    assert [ages[2], ages[4], ages[7]] == [5.0, 0.5, 90.0]
    assert cohort["age"].isna().tolist()[:8] == [True, True, False, True, False, True, True, False]
    assert cohort["age"].isna().sum() == 5
    counts = record["data"]["counts"]
    assert counts["implausible or unreadable age"] == 4
    assert counts["missing age"] == 1


def test_fault_06_sex_unknown_or_blank_is_missing(bench: Any) -> None:
    rewrite(bench, Patient_Gender=["Unknown", "", "O", "M"])
    record, cohort = finished(bench)
    assert cohort["sex"].isna().tolist()[:4] == [True, True, True, False]
    assert cohort["sex"].isna().sum() == 3
    assert (record["data"]["counts"]["unknown sex"], record["data"]["counts"]["missing sex"]) == (2, 1)


def test_fault_05_and_06_missing_values_reach_the_method_as_absent(bench: Any) -> None:
    rewrite(bench, Patient_Age=["411"] * 100, Patient_Gender=["Unknown"] * 100)
    answer = bench.run("--features", "age,sex")
    assert answer.code == 0, answer.err
    losses = [json.loads(line)["loss"] for line in (bench.out / "log.jsonl").read_text().splitlines()]
    assert losses
    assert all(loss == loss for loss in losses)  # no NaN


def test_fault_07_ids_such_as_007_or_na_are_kept_as_text(bench: Any) -> None:
    odd = ["007", "007", "7", "7", "NA", "NA", "nan", "null", "1e5", "1e5"]
    rewrite(bench, Patient_ID=odd)
    table = pd.read_csv(bench.root / LABELS, dtype=str, keep_default_na=False)
    held_out = table["Patient ID"].isin(["007", "nan", "1e5"]) | table["Image Index"].isin(
        (bench.root / TEST).read_text().split()
    )
    held_out &= ~table["Patient ID"].isin(["7", "NA", "null"])
    (bench.root / TEST).write_text("\n".join(table.loc[held_out, "Image Index"]))
    (bench.root / TRAIN).write_text("\n".join(table.loc[~held_out, "Image Index"]))
    _, cohort = finished(bench, "--set", "data.similar_ids=keep")
    assert cohort["patient_id"].tolist()[:10] == odd
    patients = json.loads((bench.out / "splits.json").read_text())["patients"]
    assert {"007", "nan", "1e5"} <= set(patients["test"])
    assert {"7", "NA", "null"} <= set(patients["train"]) | set(patients["validate"])
    kept = pd.concat(pd.read_parquet(path) for path in (bench.out / "predictions").rglob("*test*.parquet"))
    assert {"007", "nan", "1e5"} <= set(kept["patient_id"])


# --- 8: leakage -------------------------------------------------------------------------------------------------------


def move(bench: Any, image: str) -> None:
    """From the test list into the training list."""
    bench.lines(f"{image}\n", "", name=TEST)
    with (bench.root / TRAIN).open("a") as train:
        train.write(f"\n{image}")


def test_fault_08_patient_in_two_splits_is_a_hard_error(bench: Any) -> None:
    move(bench, "00000005_000.png")
    move(bench, "00000010_000.png")
    sentence = bench.refused(3)
    assert sentence.startswith("no patient may be in two splits; 2 are: 10, 5; split by patient, not by image")


def test_fault_08_test_patient_in_pretraining_is_a_hard_error(bench: Any) -> None:
    for patient in range(5, 60, 5):  # whichever of training and validation takes a patient, some reach the training
        move(bench, f"{patient:08d}_000.png")
    assert "would bring a test patient into pretraining)" in bench.refused(3)


def test_fault_08_the_leakage_gate_opens_by_a_flag_that_the_record_keeps(bench: Any) -> None:
    patient = next(
        patient for patient in range(5, 60, 5)
        if assign(pd.Series([str(patient)]), {"train": 0.9, "validate": 0.1})[0] == "train"
    )  # fmt: skip
    move(bench, f"{patient:08d}_000.png")
    assert "(1 would bring a test patient into pretraining)" in bench.refused(3)
    record, cohort = finished(bench, "--set", "data.allow_test_in_pretraining=true")
    assert set(cohort.loc[cohort["patient_id"] == str(patient), "split"]) == {"train", "test"}
    assert "test patients were allowed in pretraining" in [note["text"] for note in record["notes"]]


# --- 9, 10: labels ----------------------------------------------------------------------------------------------------


def test_fault_09_label_with_one_class_is_null_with_its_reason(bench: Any) -> None:
    record, _ = finished(bench)
    everybody = [row for row in record["metrics"] if row["subgroup"] == "all"]
    hernia = [row for row in everybody if row["label"] == "Hernia"]
    assert hernia
    for row in hernia:
        assert (row["value"], row["ci_low"], row["ci_high"]) == (None, None, None)
        assert row["note"]
    macro = next(row for row in everybody if (row["label"], row["split"]) == ("macro", "test"))
    assert set(macro["macro_labels"]) <= {"Effusion", "Mass"}
    assert 0 <= macro["value"] <= 1


@pytest.mark.parametrize("value", [2, -2, float("inf"), "'maybe'"])
def test_fault_10_label_value_2_or_minus_2_is_an_error_with_its_row(bench: Any, plugin: Any, value: Any) -> None:
    written = f"float('{value}')" if value == float("inf") else value
    plugin("changed", CHANGED + f"        frame = frame.astype({{'Edema': object}})\n"
                                f"        frame.loc[4, 'Edema'] = {written}\n        return frame\n")  # fmt: skip
    assert bench.refused(3, data="changed") == (
        f"labels must be 1, 0, -1 or blank; found 00000003_000.png Edema={value}; correct those rows"
    )
