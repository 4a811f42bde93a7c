"""A split of the user's own for any dataset: what it must say, what is told, what is left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ssl_bench.data.own_split import apply_split, read_own_split
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.cohort import Cohort

Cli = Callable[..., Any]


def make(patients: list[str]) -> Cohort:
    names = [f"{number}.png" for number in range(len(patients))]
    frame = pd.DataFrame({"image_id": names, "image_path": names, "patient_id": patients, "study_id": names})
    return Cohort("toy", Path("."), frame.assign(split="train"), (), ())


def write(folder: Path, *lines: str) -> Path:
    (folder / "own.csv").write_text("\n".join(lines) + "\n")
    return folder / "own.csv"


@pytest.mark.parametrize("key", ["patient_id", "subject_id"])
def test_patients_get_their_split(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, f"{key},split", "1,train", "2,Val", "3,test", "1,train")
    found = apply_split(make(["1", "2", "3", "1"]), read_own_split(path))
    assert found.frame["split"].tolist() == ["train", "validate", "test", "train"]
    assert not found.official_split
    note = found.notes[0]
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    assert note == f"the split is the user's own file (sha256 {sha[:12]}), by patients"
    assert note.numbers == {"sha256": sha, "listed": 3}
    assert not found.counts


def test_the_finest_identifier_counts(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,image_id,split", "1,0.png,train", "1,1.png,train", "2,2.png,test")
    assert apply_split(make(["1", "1", "2"]), read_own_split(path)).frame["split"].tolist() == [
        "train",
        "train",
        "test",
    ]


def test_ids_are_known_in_any_spelling(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,split", "0001,train", "2.0,test")
    assert apply_split(make(["1", "2"]), read_own_split(path)).frame["split"].tolist() == ["train", "test"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["patient_id,split", "1,train", "2,tset"],
            r"must be train, validate, test; found tset; did you mean",
        ),
        (["patient_id,split", "1,train", "1,test"], "must have one split for each patient_id; 1 have two: 1"),
        (["patient_id,split", "1,train", "01,test"], "must have one split for each patient_id; 1 have two: 01"),
        (["patient_id,split", "1,train", ",test"], "patient_id must not be blank"),
        (["patient,split", "1,train"], r"lacks patient_id \(did you mean 'patient'\?\)"),
        (["patient_id,fold", "1,train"], "lacks split"),
        (["patient_id;split", "1;train"], "values are separated by semicolons"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, lines: list[str], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_own_split(write(tmp_path, *lines))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--split expects a CSV file, found none at"):
        read_own_split(tmp_path / "absent.csv")


def test_patients_that_one_of_both_lacks(tmp_path: Path) -> None:
    own = read_own_split(write(tmp_path, "patient_id,split", "1,train", "2,test", "9,test", "8,test"))
    cohort = make(["1", "1", "2", "3"])
    with pytest.raises(DataError, match=r"has no split for 1 of 3 patients of 'toy': 3; .*on-unlisted skip"):
        apply_split(cohort, own)
    found = apply_split(cohort, own, skip=True)
    assert found.frame["patient_id"].tolist() == ["1", "1", "2"]
    assert found.counts == {
        "patients of the split file that are not in the data": 2,
        "images left out, whose patients the split file lacks": 1,
    }
    assert "2 patients of the split file that are not in the data; 1 images left out" in found.notes[0]
    with pytest.raises(DataError, match="has no split for 2 of 2 patients"):
        apply_split(make(["x", "y"]), own, skip=True)


def rows(cohort_file: Path) -> pd.DataFrame:
    return pd.read_csv(cohort_file, dtype=str)


@pytest.mark.parametrize("dataset", ["nih14", "synthetic"])
def test_any_dataset_takes_it_and_its_record_tells(
    sslbench: Cli, tiny_nih: Callable[..., Path], tmp_path: Path, dataset: str
) -> None:
    place = {"nih14": ["--root", tiny_nih()], "synthetic": []}[dataset]
    names = (
        rows(Path(place[1]) / "Data_Entry_2017_v2020.csv")["Patient ID"].unique()
        if place
        else [f"{number:05d}" for number in range(5000)]
    )
    kinds = ("train", "train", "validate", "test")
    path = write(tmp_path, "patient_id,split", *(f"{name},{kinds[n % 4]}" for n, name in enumerate(names)))
    arguments = ["--method", "random", "--preset", "smoke", "--data", dataset, *place, "--eval", "linear",
                 "--set", "evaluate.replicates=100", "--batch-size", 2]  # fmt: skip
    answer = sslbench("run", *arguments, "--split", path, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    record = json.loads((tmp_path / "run/record.json").read_text())
    note = next(note for note in record["notes"] if note["code"] == "own-split")
    assert note["numbers"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["config"]["data"]["split"] == str(path)
    assert record["data"]["official_split"] is False
    write(tmp_path, "patient_id,split", f"{names[0]},train", "stranger,test")
    answer = sslbench("run", *arguments, "--split", path, "--dry-run")
    assert (answer.code, "own.csv has no split for" in answer.sentence) == (3, True)
