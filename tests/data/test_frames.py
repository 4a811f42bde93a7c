"""Files as people have them: each ending and separator gives the same table, and the rest is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.data import frames
from ssl_bench.data.frames import numbers, read_frame, texts
from ssl_bench.errors import DataError, Problems
from ssl_bench.evaluate.features import read_features
from ssl_bench.stats.predictions import read_predictions


def table(**changes: object) -> pd.DataFrame:
    columns: dict[str, object] = {
        "image_id": ["007", "b", "c", "d"], "patient_id": ["01", "01", "2", "3"], "study_id": ["s1", "s1", "s2", "s3"],
        "y_Edema": [1, 1, 0, 0], "p_Edema": [0.75, 0.25, 0.5, 0.125],
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes})


def with_commas(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, sep=";", decimal=",")


def as_columns(frame: pd.DataFrame, path: Path) -> None:
    np.savez(path, **{name: frame[name].to_numpy(str if name in frames.IDS else float) for name in frame})


def as_matrices(frame: pd.DataFrame, path: Path) -> None:
    np.savez(
        path, image_ids=frame["image_id"].to_numpy(str), patient_ids=frame["patient_id"].to_numpy("S"),
        labels=frame[["y_Edema"]].to_numpy(float), scores=frame[["p_Edema"]].to_numpy(), label_names=["Edema"],
    )  # fmt: skip


WRITERS: dict[str, tuple[str, Callable[[pd.DataFrame, Path], object]]] = {
    "csv": ("a.csv", lambda f, p: f.to_csv(p, index=False)),
    "bom": ("a.csv", lambda f, p: f.to_csv(p, index=False, encoding="utf-8-sig")),
    "gzip": ("a.csv.gz", lambda f, p: f.to_csv(p, index=False)),
    "semicolons": ("a.csv", with_commas),
    "tsv": ("a.tsv", lambda f, p: f.to_csv(p, index=False, sep="\t")),
    "spaces": ("a.txt", lambda f, p: p.write_text(f.to_csv(index=False).replace(",", " , ", 4))),
    "parquet": ("a.parquet", lambda f, p: f.to_parquet(p)),
    "feather": ("a.feather", lambda f, p: f.to_feather(p)),
    "columns in npz": ("a.npz", as_columns),
    "matrices in npz": ("a.npz", as_matrices),
}  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_holds_the_same(tmp_path: Path, form: str) -> None:
    name, write = WRITERS[form]
    write(table(), tmp_path / name)
    read = read_predictions(tmp_path / name)
    assert (read.labels, read.ids.tolist()) == (("Edema",), ["007", "b", "c", "d"])
    assert read.patients.tolist() == ["01", "01", "2", "3"]
    np.testing.assert_array_equal(read.truth[:, 0], [1, 1, 0, 0])
    np.testing.assert_array_equal(read.scores[:, 0], [0.75, 0.25, 0.5, 0.125])


@pytest.mark.skipif(find_spec("openpyxl") is None, reason="openpyxl is not installed")
def test_a_sheet_is_read(tmp_path: Path) -> None:
    table(y_Edema=[True, True, False, False], patient_id=[1, 1, 2, 3]).to_excel(tmp_path / "a.xlsx", index=False)
    read = read_predictions(tmp_path / "a.xlsx")
    assert (read.ids[0], read.patients.tolist(), read.truth[:, 0].tolist()) == (
        "007",
        ["1", "1", "2", "3"],
        [1, 1, 0, 0],
    )


def test_a_sheet_without_openpyxl_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"a.xlsx is an Excel file.* pip install openpyxl, or save it as CSV"):
        read_frame(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pkl", b"x", r"has the ending '.pkl', which is not read; save it as CSV"),
        ("a.csv", b"\xff\xfei\x00m\x00", "cannot be read as text in UTF-8"),
        ("a.csv", b"", "cannot be read: .*"),
        ("a.parquet", b"PAR1", "cannot be read: "),
        ("a.npz", b"no archive", "a.npz is no intact .npz file, which is a zip archive"),
        ("a.csv", b"a,b\n1,2,0\n", "1 rows have more values than the 2 columns, first on line 2"),
        ("a.csv", b"image_id,patient_id,y_a,p_a,p_a\n1,2,0,0.5,7\n", "has the columns p_a twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence) as error:
        read_frame(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; give a file: CSV"):
        read_frame(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"y_Edema": ["True", "False", "False", ""]}, r"column y_Edema .* holds words \(true, false\): write 1 and 0"),
        ({"y_Edema": ["yes", "no", "no", "no"]}, r"holds words \(yes, no\): write 1 and 0"),
        ({"p_Edema": ["75 %", "25 %", "50 %", "5 %"]}, "column p_Edema .* holds percent signs: write 0.87 for 87 %"),
        ({"p_Edema": ["0,5", "0,2", "1,0", "0,1"]}, "holds decimal commas: write a decimal point"),
        ({"patient_id": ["nan", "nan", "2", "3"]}, "every row of .* needs patient_id; 2 have none: rows 1, 2"),
        ({"patient_id": ["None", "1", "NA", "<NA>"]}, "needs patient_id; 3 have none: rows 1, 3, 4"),
        ({"patient_id": ["12", "12.0", "2", "3"]}, "patient_id must be spelt in one way in .*; found 12, 12.0"),
        ({"y_macro": [0, 1, 0, 1], "p_macro": 0.5}, "'macro' is the mean over findings and cannot be a finding's name"),
        ({"y_ Macro ": [0, 1, 0, 1], "p_ Macro ": 0.5}, "'macro' is the mean over findings"),
        ({"y_": [0, 1, 0, 1], "p_": 0.5}, "every finding needs a name"),
    ],
)
def test_values_that_people_write_are_named(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    table(**change).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=sentence) as error:
        read_predictions(tmp_path / "a.csv")
    assert "\n" not in str(error.value)


def test_ids_that_a_run_was_told_to_keep_are_kept_in_its_predictions(tmp_path: Path) -> None:
    table(patient_id=["12", "12.0", "NA", "3"]).to_csv(tmp_path / "a.csv", index=False)
    assert read_predictions(tmp_path / "a.csv", own=True).patients.tolist() == ["12", "12.0", "NA", "3"]


def test_words_for_missing_values_are_unknown_labels() -> None:
    frame = pd.DataFrame({"image_id": list("abcde"), "y": ["1", "NA", "nan", "None", ""]})
    problems = Problems()
    np.testing.assert_array_equal(numbers(frame, ["y"], problems)[:, 0], [1, np.nan, np.nan, np.nan, np.nan])
    problems.raise_if_any()


def test_identifiers_as_numbers_are_the_same_texts_in_every_form() -> None:
    for column in (
        pd.Series([12.0, 7.0, np.nan]),
        pd.Series([12, 7, None], dtype=object),
        pd.Series([b"12", b"7", None]),
    ):
        assert texts(column).tolist() == ["12", "7", ""]


def features(**changes: object) -> pd.DataFrame:
    rows = np.arange(12)
    columns: dict[str, object] = {
        "image_id": rows.astype(str), "patient_id": rows.astype(str), "split": ["train", "validate", "test"] * 4,
        "y_Edema": rows % 2, "e_0": rows / 7,
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes})


@pytest.mark.parametrize("name", ["a.feather", "a.tsv"])
def test_features_are_read_by_the_same_reader(tmp_path: Path, name: str) -> None:
    write = {"a.feather": lambda f, p: f.to_feather(p), "a.tsv": lambda f, p: f.to_csv(p, index=False, sep="\t")}
    write[name](features(), tmp_path / name)
    assert len(read_features(tmp_path / name)["given"].frame) == 12


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"e_0": 0.5}, "the embeddings of all images are one and the same"),
        ({"e_0": ["1e39", *map(str, range(11))]}, "embeddings must be finite in .*; 1 image has others: 0"),
        ({"patient_id": ["None", *map(str, range(11))]}, "needs patient_id; 1 have none: rows 1"),
        ({"y_macro": 1}, "'macro' is the mean over findings"),
        ({"y_Edema": "yes"}, r"holds words \(yes\): write 1 and 0"),
    ],
)
def test_features_are_checked_as_a_run_checks_its_own(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    features(**change).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=sentence):
        read_features(tmp_path / "a.csv")
