"""Images, split and labels of MIMIC-CXR-JPG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError
from ssl_bench.plugin.labels import CHEXPERT14
from sslbench_datasets.mimic_cxr.films import read_films, read_labels, read_split, read_test_labels

ORIENTATION = "PatientOrientationCodeSequence_CodeMeaning"
HEADER = f"dicom_id,subject_id,study_id,Extra,ViewPosition,Rows,Columns,StudyDate,StudyTime,{ORIENTATION}"
ROWS = (
    "d1,10000032,007,x,AP,3056,2544,21800506,213014.531,Recumbent",
    "d2,10000032,007,x,LATERAL,3056,2544,21800506,213014.531,Erect",
    "d3,10000033,008,x,AP AXIAL,3056,2544,21800506,080000.25,",
    "NA,1e5,009,x,,3056,2544,21800506,080000.25,Prone",
)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    return write(tmp_path / "metadata.csv", HEADER, *ROWS)


def test_every_view(metadata: Path) -> None:
    films, counts, _ = read_films(metadata, ("all",))
    assert films["image_id"].tolist() == ["d1", "d2", "d3", "NA"]
    assert films["patient_id"].tolist() == ["10000032", "10000032", "10000033", "1e5"]
    assert films["study_id"].tolist() == ["007", "007", "008", "009"]
    assert films["image_path"].iloc[0] == "files/p10/p10000032/s007/d1.jpg"
    assert films["time"].tolist()[2] == "080000.25"
    assert films["view"].fillna("-").tolist() == ["AP", "LATERAL", "-", "-"]
    assert films["position"].fillna("-").tolist() == ["Recumbent", "Erect", "-", "-"]
    assert counts == {"missing view": 1, "unknown view": 1, "missing position": 1, "unknown position": 1}


def test_views_that_are_asked_for(metadata: Path) -> None:
    films, counts, sources = read_films(metadata, ("AP", "PA"))
    assert sources == {"images": 4, "studies": 3, "patients": 3}
    assert films["image_id"].tolist() == ["d1"]
    assert counts["images without a view left out"] == 1
    assert counts["images of other views left out"] == 2
    assert read_films(metadata, ("AP AXIAL", "LATERAL")).frame["image_id"].tolist() == ["d2", "d3"]
    with pytest.raises(DataError, match="has the view PA or LL; found AP, AP AXIAL, LATERAL"):
        read_films(metadata, ("PA", "LL"))


def test_rows_without_an_identifier_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", HEADER, ROWS[0], ROWS[1].replace(",007,", ",,"))
    with pytest.raises(DataError, match=r"study_id must not be blank; .* has 1 rows without it, first on line 3"):
        read_films(path, ("all",))


@pytest.mark.parametrize(
    "lines",
    [
        ("dicom_id,study_id,subject_id,split", "d3,x,x,test", "d2,x,x,train", "d1,x,x,train", "NA,x,x,validate"),
        ("split,dicom_id", "test,d3", "train,d2", "train,d1", "train,d1", "validate,NA", "test,other"),
        ("study_id,split", "007,train", "008,test", "009,validate"),
        ("subject_id,split", "10000032,train", "10000033,test", "1e5,validate"),
    ],
)
def test_splits_by_the_finest_identifier(tmp_path: Path, metadata: Path, lines: tuple[str, ...]) -> None:
    films = read_films(metadata, ("all",)).frame
    split = read_split(write(tmp_path / "s.csv", *lines), films, official=False)
    assert split.tolist() == ["train", "train", "test", "validate"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("study_id,split", "007,train"), "has no study_id for 2 of 4 images: d3, NA; complete it"),
        (("study_id,split", "007,train", "007,test"), "one row for each study_id; 1 have several that differ: 007"),
        (("patient,split", "1,train"), "lacks dicom_id"),
        (("study_id,fold", "007,train"), "lacks split"),
    ],
)
def test_splits_that_do_not_fit(tmp_path: Path, metadata: Path, lines: tuple[str, ...], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read_split(write(tmp_path / "s.csv", *lines), read_films(metadata, ("all",)).frame, official=False)


ALPHABETIC = sorted(CHEXPERT14)


def labels(path: Path, *rows: tuple[str, dict[str, str]], keys: str = "subject_id,study_id") -> Path:
    lines = [",".join([ids, *(values.get(name, "") for name in ALPHABETIC)]) for ids, values in rows]
    return write(path, ",".join([keys, *ALPHABETIC]), *lines)


def test_labels_are_the_studys_own_by_name(tmp_path: Path, metadata: Path) -> None:
    films = read_films(metadata, ("all",)).frame
    path = labels(
        tmp_path / "l.csv",
        ("10000033,008", {"Edema": "-1.0"}),
        ("10000032,007", {"Edema": "1.0", "No Finding": "0.0", "Fracture": "2"}),
        ("10000032,009", {"Edema": "1.0"}),  # the study of another patient
    )
    found, counts = read_labels(path, films)
    assert list(found.columns) == list(CHEXPERT14)
    assert found["Edema"].fillna(9).tolist() == [1, 1, -1, 9]
    assert found["No Finding"].fillna(9).tolist() == [0, 0, 9, 9]
    assert found["Fracture"].iloc[0] == 2  # refused by the cohort, which names the image
    assert counts == {"studies without a label": 1}


def test_labels_that_are_no_numbers_and_studies_that_differ(tmp_path: Path, metadata: Path) -> None:
    films = read_films(metadata, ("all",)).frame
    path = labels(tmp_path / "l.csv", ("10000032,007", {"Edema": "yes"}))
    with pytest.raises(DataError, match=r"labels must be 1, 0, -1 or blank; .* has study 007 Edema='yes'"):
        read_labels(path, films)
    path = labels(tmp_path / "l.csv", ("10000032,007", {"Edema": "1"}), ("10000032,007", {"Edema": "0"}))
    with pytest.raises(DataError, match="one row for each study_id; 1 have several that differ: 007"):
        read_labels(path, films)


def test_labels_of_the_test_split_are_replaced_and_of_no_other(tmp_path: Path, metadata: Path) -> None:
    films = read_films(metadata, ("all",)).frame.assign(split=["train", "train", "test", "test"])
    found = pd.DataFrame(np.ones((4, 14)), columns=list(CHEXPERT14))
    path = labels(tmp_path / "t.csv", ("008", {"Edema": "0.0"}), ("007", {"Edema": "0.0"}), keys="study_id")
    truth, counts = read_test_labels(path, films, found)
    assert truth["Edema"].fillna(9).tolist() == [1, 1, 0, 9]
    assert truth["Fracture"].fillna(9).tolist() == [1, 1, 9, 9]
    assert counts == {"test studies without a radiologist's label": 1}
