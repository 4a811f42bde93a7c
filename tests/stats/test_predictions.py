from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError
from ssl_bench.stats.predictions import by_study, read_predictions


def table(**changes: object) -> pd.DataFrame:
    columns: dict[str, object] = {
        "image_id": ["007", "NA", "c", "d"],
        "patient_id": ["1", "1", "2", "3"],
        "study_id": ["s1", "s1", "s2", "s3"],
        "y_Edema": [1, 1, 0, ""],
        "p_Edema": [0.9, 0.3, 0.2, 0.5],
    }
    return pd.DataFrame({**columns, **changes})


def written(folder: Path, frame: pd.DataFrame) -> Path:
    path = folder / "predictions.csv"
    frame.to_csv(path, index=False)
    return path


def test_identifiers_stay_text_and_blank_labels_are_unknown(tmp_path: Path) -> None:
    read = read_predictions(written(tmp_path, table()))
    assert read.ids.tolist() == ["007", "NA", "c", "d"]
    assert read.labels == ("Edema",)
    np.testing.assert_array_equal(read.truth[:, 0], [1, 1, 0, np.nan])
    assert read.outside == 0


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    frame = table(y_Edema=[1.0, 1.0, 0.0, np.nan])
    frame.to_parquet(tmp_path / "p.parquet")
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.parquet").truth[:, 0], [1, 1, 0, np.nan])


def test_nullable_columns_of_parquet_are_read(tmp_path: Path) -> None:
    table(y_Edema=pd.array([1, 1, 0, None], "Int64")).to_parquet(tmp_path / "p.parquet")
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.parquet").truth[:, 0], [1, 1, 0, np.nan])


def test_a_missing_patient_in_parquet_is_no_patient_of_its_own(tmp_path: Path) -> None:
    table(patient_id=["1", None, "2", "3"], y_Edema=[1, 1, 0, 0]).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match="needs patient_id; 1 have none: rows 2"):
        read_predictions(tmp_path / "p.parquet")


def test_studies_need_names_and_patients_may_have_any(tmp_path: Path) -> None:
    path = written(tmp_path, table(patient_id=["a/1", "a/1", "a/2", "b"]))
    assert by_study(read_predictions(path, named=True), "max", path).patients.tolist() == ["a/1", "a/2", "b"]
    path = written(tmp_path, table(study_id=["s1", "s1", "", ""]))
    with pytest.raises(DataError, match="needs study_id; 2 have none: rows 3, 4"):
        by_study(read_predictions(path, named=True), "max", path)


@pytest.mark.parametrize(("aggregate", "expected"), [("max", [0.9, 0.2, 0.5]), ("mean", [0.6, 0.2, 0.5])])
def test_studies_join_their_images(tmp_path: Path, aggregate: str, expected: list[float]) -> None:
    read = by_study(read_predictions(written(tmp_path, table()), named=True), aggregate, "")  # type: ignore[arg-type]
    assert read.ids.tolist() == ["1/s1", "2/s2", "3/s3"]
    assert read.patients.tolist() == ["1", "2", "3"]
    np.testing.assert_allclose(read.scores[:, 0], expected)


def test_scores_outside_the_unit_interval_are_counted_not_squashed(tmp_path: Path) -> None:
    read = read_predictions(written(tmp_path, table(p_Edema=[3.0, -1.0, 0.2, 0.5])))
    assert read.outside == 2
    assert read.scores[0, 0] == 3.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image_id": ["a", "a", "c", "d"]}, "image ids must be unique in .*; 1 occur twice: a"),
        ({"y_Edema": [1, 2, 0, 0]}, "labels must be 1, 0 or blank; found NA y_Edema=2"),
        ({"patient_id": ["1", "", " ", "3"]}, "every row of .* needs patient_id; 2 have none: rows 2, 3"),
        ({"image_id": ["", "", "c", "d"]}, "every row of .* needs image_id; 2 have none: rows 1, 2$"),
        ({"p_Edema": [0.1, "high", 0.2, 0.3]}, "column p_Edema must hold numbers; it does not for NA"),
        ({"p_Edema": [0.1, "inf", 0.2, 0.3]}, "scores must be finite; 1 image has one that is not: NA"),
        ({"p_Edema": ["", "", "", ""]}, "none of the labels Edema has a score"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_predictions(written(tmp_path, table(**change)))


def test_missing_columns_are_named_with_the_nearest_match(tmp_path: Path) -> None:
    path = written(tmp_path, table().rename(columns={"patient_id": "patientid", "p_Edema": "p_edema"}))
    with pytest.raises(DataError, match=r"lack the columns patient_id, .*did you mean 'patientid'\?"):
        read_predictions(path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, table(image_id=["a", "a", "c", "d"], y_Edema=[1, 2, 0, 0]))
    with pytest.raises(DataError, match="2 problems"):
        read_predictions(path)


def test_studies_with_disputed_labels_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, table(y_Edema=[1, 0, 0, 0]))
    with pytest.raises(DataError, match="the images of a study must share their labels; 1/s1 do not"):
        by_study(read_predictions(path, named=True), "max", path)


def test_aggregate_needs_studies(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs the column study_id"):
        by_study(read_predictions(written(tmp_path, table().drop(columns="study_id")), named=True), "mean", "x.csv")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing.csv do not exist"):
        read_predictions(tmp_path / "nothing.csv")
