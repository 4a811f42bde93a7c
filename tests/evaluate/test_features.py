"""Anybody's features: three forms of one table, and a sentence for everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError, UsageError
from ssl_bench.evaluate.features import GIVEN, read_features

SIZE, WIDTH = 30, 12


def table() -> pd.DataFrame:
    """Ten patients with three images each; one label is unknown, one age and one sex are."""
    rng = np.random.default_rng(0)
    patient = np.arange(SIZE) // 3
    frame = pd.DataFrame({
        "image_id": [f"{number:03d}" for number in range(SIZE)],
        "patient_id": [f"p{number}" for number in patient],
        "split": np.array(["train", "validate", "test"])[np.minimum(patient // 4, 2)],
        "y_Edema": (rng.random(SIZE) < 0.5).astype(int).astype(str),
        "sex": np.where(patient % 2, "F", "M"),
        "age": rng.integers(20, 90, SIZE).astype(str),
    })  # fmt: skip
    frame.loc[4, ["y_Edema", "sex", "age"]] = ""
    features = pd.DataFrame(rng.normal(size=(SIZE, WIDTH)).round(4))
    return frame.join(features.add_prefix("e_"))


def arrays(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {
        "embeddings": frame[[f"e_{k}" for k in range(WIDTH)]].to_numpy(np.float32),
        "labels": pd.to_numeric(frame["y_Edema"]).to_numpy(np.float64)[:, None], "label_names": np.array(["Edema"]),
        "image_ids": frame["image_id"].to_numpy(str), "patient_ids": frame["patient_id"].to_numpy(str),
        "splits": frame["split"].to_numpy(str), "sex": frame["sex"].to_numpy(str),
        "age": pd.to_numeric(frame["age"]).to_numpy(np.float64),
    }  # fmt: skip


def written(folder: Path, frame: pd.DataFrame, ending: str = "csv") -> Path:
    path = folder / f"mine.{ending}"
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        np.savez(path, **arrays(frame))  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet", "npz"])
def test_three_forms_hold_the_same(tmp_path: Path, ending: str) -> None:
    frame = table()
    read = read_features(written(tmp_path, frame, ending))[GIVEN]
    assert read.labels == ("Edema",)
    splits = read.splits()
    assert [len(split.rows) for split in splits.values()] == [12, 12, 6]
    train = splits["train"]
    assert train.image_ids[:2].tolist() == ["000", "001"]
    expected = frame[[f"e_{k}" for k in range(WIDTH)]].to_numpy(np.float32)[:12]  # e_10 after e_9, not after e_1
    np.testing.assert_array_equal(train.embeddings, expected)
    assert np.isnan(train.labels[4, 0])
    assert train.ehr["sex"][4] is None
    assert train.ehr["sex"][3] == "F"
    assert np.isnan(train.ehr["age"][4])


def change(name: str, row: int | slice, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype(object)
        frame.loc[row, name] = value
        return frame

    return changed


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda f: f.drop(columns="split"), r"lack the columns split \(found image_id, patient_id, y_Edema"),
        (lambda f: f.rename(columns={"patient_id": "patientid"}), r"lack the columns patient_id; did you mean"),
        (lambda f: f[["image_id", "patient_id", "split", "y_Edema"]], "lack the columns e_0"),
        (change("e_3", 5, "nan"), "embeddings must be finite in .*; 1 image has others: 005"),
        (change("e_3", 5, "many"), "column e_3 must hold numbers; it does not for 005"),
        (change("image_id", 1, "000"), "image ids must be unique in .*; 1 occur twice: 000"),
        (change("image_id", slice(1, 2), ""), "needs image_id; 2 have none: rows 2, 3"),
        (change("patient_id", 1, ""), "needs patient_id; 1 have none: rows 2"),
        (change("y_Edema", 0, "2"), "labels must be 1, 0 or blank in .*; found 000 Edema=2"),
        (
            change("split", 0, "dev"),
            "expected the splits train, validate, test in .*, found dev, train, validate, test",
        ),
        (lambda f: f[f["split"] != "validate"], "expected the splits .*, found train, test; fitting, choosing and"),
        (change("patient_id", 29, "p0"), "no patient may be in two splits; 1 are: p0"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, wrong: Callable[[pd.DataFrame], pd.DataFrame], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence) as error:
        read_features(written(tmp_path, wrong(table())))
    assert "\n" not in str(error.value)


def test_arrays_of_other_sizes_are_refused(tmp_path: Path) -> None:
    given = arrays(table())
    np.savez(tmp_path / "a.npz", **{**given, "labels": given["labels"][1:]})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"labels \(29, 1\)"):
        read_features(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", embeddings=given["embeddings"])
    with pytest.raises(DataError, match="lack the arrays labels, label_names, image_ids"):
        read_features(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"is no intact \.npz file"):
        read_features(tmp_path / "c.npz")


def test_a_missing_file_and_a_folder_of_no_run_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"embeddings .*nothing.csv do not exist"):
        read_features(tmp_path / "nothing.csv")
    (tmp_path / "embeddings").mkdir()
    with pytest.raises(UsageError, match="holds no run"):
        read_features(tmp_path / "embeddings")
