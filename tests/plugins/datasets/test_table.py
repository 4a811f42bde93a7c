"""Any table by a column map: what is read, and maps and files made to be wrong."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ssl_bench.config.config import load
from ssl_bench.data.images import check_images
from ssl_bench.data.splits import check_leakage
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.cohort import Cohort, check_cohort, missing_images
from ssl_bench.plugin.registry import Registry
from ssl_bench.testing import check_dataset
from sslbench_datasets.options import TableOptions
from sslbench_datasets.table import Table

COHORT = Path(__file__).parents[3] / "docs/open-cohort.columns.yaml"


@pytest.fixture
def root(tiny_table: Callable[..., Path]) -> Path:
    return tiny_table()


def test_conformance(root: Path) -> None:
    check_dataset("table", root, columns=str(root / "columns.yaml"))


def read(root: Path, /, **changes: object) -> Cohort:
    """The cohort of ``root``, its column map changed (None: a key less)."""
    values = yaml.safe_load((root / "columns.yaml").read_text()) | changes
    (root / "columns.yaml").write_text(
        yaml.safe_dump({key: value for key, value in values.items() if value is not None}, sort_keys=False)
    )
    cohort = Table(TableOptions(columns=str(root / "columns.yaml"))).read(root)
    check_cohort(cohort)
    return cohort


def rewrite(root: Path, **columns: list[str]) -> None:
    table = pd.read_csv(root / "mine.csv", dtype=str, keep_default_na=False)
    for name, values in columns.items():
        table.loc[: len(values) - 1, name] = values
    table.to_csv(root / "mine.csv", index=False)


def test_identifiers_features_and_labels(root: Path) -> None:
    cohort = read(root)
    check_leakage(cohort)
    assert not missing_images(cohort)
    assert cohort.features == ("age", "sex", "mortality")
    assert cohort.labels == ("Edema", "Fracture")
    first = cohort.frame.iloc[0]
    assert (first["image_id"], first["patient_id"], first["study_id"]) == ("films/0-0.png", "000", "films/0-0.png")
    assert (first["age"], first["sex"], first["mortality"]) == (30, "M", "0")
    assert cohort.frame["mortality"].tolist()[4] == "1"
    assert cohort.frame["Fracture"].tolist()[:3] == [0, 1, 1]
    assert set(cohort.frame["Fracture"]) == {0, 1, -1}
    assert cohort.official_split
    assert cohort.frame["split"].value_counts().to_dict() == {"train": 36, "validate": 12, "test": 12}


def test_parquet_is_the_same_table(root: Path) -> None:
    expected = read(root).frame
    table = pd.read_csv(root / "mine.csv", dtype={"person": str})
    table.to_parquet(root / "mine.parquet")
    pd.testing.assert_frame_equal(read(root, table="mine.parquet").frame, expected)
    (root / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"mine\.parquet is not a Parquet file"):
        read(root)


def test_without_a_split_column_patients_are_drawn(root: Path) -> None:
    cohort = read(root, split=None)
    check_leakage(cohort)
    assert not cohort.official_split
    assert set(cohort.frame["split"]) == {"train", "validate", "test"}


def test_without_validation_rows_training_patients_select(root: Path) -> None:
    rewrite(root, set=(["train"] * 6 + ["train"] * 2 + ["test"] * 2) * 6)
    cohort = read(root)
    check_leakage(cohort)
    sizes = cohort.frame["split"].value_counts()
    assert sizes["test"] == 12
    assert sizes["validate"] > 0


def test_a_column_of_findings(root: Path) -> None:
    rewrite(root, Edema=["Pneumonia;ARDS", "normal", "", " ARDS "] + ["normal"] * 56)
    names = {"column": "Edema", "separator": ";", "none": "normal"}
    cohort = read(root, labels=names)
    assert cohort.labels == ("ARDS", "Pneumonia")
    assert cohort.frame[["ARDS", "Pneumonia"]].iloc[[0, 1, 3]].to_numpy().tolist() == [[1, 1], [0, 0], [1, 0]]
    assert cohort.frame[["ARDS", "Pneumonia"]].iloc[2].isna().all()
    fewer = read(root, labels=names | {"findings": ["ARDS"]})
    assert fewer.labels == ("ARDS",)
    assert fewer.counts["findings that are not read: Pneumonia"] == 1
    with pytest.raises(DataError, match="no row has the findings Ards in Edema; found ARDS, Pneumonia"):
        read(root, labels=names | {"findings": ["Ards"]})


def test_labels_by_finding_with_values(root: Path) -> None:
    cohort = read(
        root, labels={"Pleural Effusion": {"column": "gender", "values": {"male": 1, "female": 0}}, "Edema": "Edema"}
    )
    assert cohort.labels == ("Pleural Effusion", "Edema")
    assert cohort.frame["Pleural Effusion"].tolist()[:4] == [1, 1, 0, 0]


def test_filters_keep_rows_and_are_counted(root: Path) -> None:
    cohort = read(root, filters={"gender": "male", "years": [30, 32]})
    assert cohort.frame["patient_id"].tolist() == ["000", "000", "002", "002"]
    assert cohort.counts["rows left out by filters"] == 56
    assert cohort.sources == {"mine.csv": 60}
    with pytest.raises(DataError, match=r"has gender men; found female, male; widen filters"):
        read(root, filters={"gender": "men"})


def test_root_comes_from_the_map_or_from_the_flag(root: Path, tmp_path: Path) -> None:
    read(root, root=".")
    table = Table(TableOptions(columns=str(root / "columns.yaml")))
    assert table.locate(None, tmp_path).samefile(root)
    assert table.locate(tmp_path, tmp_path) == tmp_path
    read(root, root=None)
    with pytest.raises(UsageError, match="--root"):
        table.locate(None, tmp_path)
    with pytest.raises(UsageError, match=r"needs a YAML file.*--columns"):
        Table().locate(None, tmp_path)
    assert Table().locate(tmp_path, tmp_path) == tmp_path  # a folder of images alone
    assert Table().read(root).counts == {"tables that are not read without a column map": 1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"imagepath": "file"}, r"unknown key 'imagepath' of column map .*did you mean 'image_path'\?"),
        ({"patient_id": None}, r"'patient_id' of column map .*: field required"),
        ({"features": {"agee": "years"}}, r"'agee' is no feature; did you mean 'age'\?"),
        ({"features": {"sex": {"colum": "gender"}}}, r"features\.sex\.colum"),
        ({"features": {"mortality": {"column": "survival", "values": {True: 0}}}}, "put it in quotes"),
        ({"labels": []}, "labels"),
    ],
)
def test_a_wrong_map_is_told_in_one_sentence(root: Path, changes: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        read(root, **changes)


@pytest.mark.parametrize("text", ["- a", "a: [", "\x00"])
def test_what_is_no_map_is_refused(root: Path, text: str) -> None:
    (root / "columns.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"column map .*columns\.yaml"):
        Table(TableOptions(columns=str(root / "columns.yaml"))).read(root)


def test_fault_02_missing_image_files(root: Path) -> None:
    (root / "films/3-1.png").unlink()
    with pytest.raises(DataError, match=r"1 of 60 images are not below .*: films/3-1\.png"):
        check_images(read(root))


def test_a_gzipped_table_reads_as_the_plain_one(root: Path) -> None:
    (root / "mine.csv.gz").write_bytes(gzip.compress((root / "mine.csv").read_bytes()))
    pd.testing.assert_frame_equal(read(root, table="mine.csv.gz").frame, read(root).frame)


def test_fault_03_columns(root: Path) -> None:
    with pytest.raises(DataError, match=r"lacks persn \(did you mean 'person'\?\); expected .*found file, person"):
        read(root, patient_id="persn")
    with pytest.raises(DataError, match=r"expected the table .*absent\.csv"):
        read(root, table="absent.csv")


def test_fault_03_and_10_rows_are_told_at_once(root: Path) -> None:
    rewrite(root, person=["", "000"], set=["training", "holdout"], Edema=["2", "yes"])
    with pytest.raises(DataError) as error:
        read(root)
    for sentence in ("person must not be blank;", "has 1 rows without it, first on line 2",
                     "set of", "found holdout; say what they mean", "films/0-1.png Edema='yes'"):  # fmt: skip
        assert sentence in str(error.value)
    rewrite(root, person=["000"], set=["train", "train"], Edema=["2", "1"])
    with pytest.raises(DataError, match=r"films/0-0\.png Edema=2; correct"):
        read(root).with_labels("native", "zeros", "zeros")


def test_fault_04_duplicate_images(root: Path) -> None:
    rewrite(root, file=["films/1-0.png"])
    with pytest.raises(DataError, match=r"image ids must be unique; 1 occur twice: films/1-0\.png"):
        read(root)


def test_fault_05_and_06_ages_and_sexes(root: Path) -> None:
    rewrite(root, years=["", "411", "005Y", "0", "90"], gender=["Unknown", "", "other", "male"])
    cohort = read(root)
    assert cohort.frame["age"].isna().tolist()[:5] == [True, True, False, True, False]
    assert cohort.frame["age"].iloc[2] == 5
    assert cohort.frame["sex"].isna().tolist()[:4] == [True, True, True, False]
    assert cohort.counts["implausible or unreadable age"] == 2
    assert cohort.counts["unknown sex"] == 2


def test_fault_07_ids_stay_text(root: Path) -> None:
    rewrite(root, person=["007", "007", "7", "7", "NA", "NA"])
    assert read(root).frame["patient_id"].tolist()[:6] == ["007", "007", "7", "7", "NA", "NA"]


def test_fault_08_a_patient_in_two_splits(root: Path) -> None:
    rewrite(root, set=["test"])
    with pytest.raises(DataError, match="no patient may be in two splits; 1 are: 000"):
        check_leakage(read(root))


def plan(registry: Registry, root: Path, features: str, cache: Path) -> object:
    data = {"name": "table", "root": str(root), "options": {"columns": str(root / "columns.yaml")}}
    return make_plan(load({"data": data, "ehr": {"features": features}}, name="smoke"), registry, cache)


def test_fault_12_a_feature_that_the_map_does_not_name(registry: Registry, root: Path, tmp_path: Path) -> None:
    assert plan(registry, root, "age,mortality", tmp_path)
    with pytest.raises(UsageError, match=r"dataset 'table' has no feature 'icu'; it has age, sex, mortality"):
        plan(registry, root, "age,icu", tmp_path)


@pytest.mark.parametrize("path", ["../x.png", "/etc/passwd", "C:/x.png"])
def test_fault_13_paths_out_of_the_root_are_refused(root: Path, path: str) -> None:
    rewrite(root, file=[path])
    with pytest.raises(DataError, match="must stay below"):
        read(root)


def test_fault_13_links_out_of_the_root_are_refused(root: Path, tmp_path: Path) -> None:
    (root / "films/0-0.png").rename(tmp_path / "elsewhere.png")
    (root / "films/0-0.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(DataError, match=r"not below .*films/0-0\.png"):
        check_images(read(root))


@pytest.mark.real
def test_genuine_cohort(genuine: Callable[[str], Path]) -> None:
    root = genuine("real/open-cohort")
    cohort = Table(TableOptions(columns=str(COHORT))).read(root)
    check_cohort(cohort)
    check_leakage(cohort)
    assert (len(cohort), cohort.frame["patient_id"].nunique()) == (343, 150)
    assert cohort.frame["mortality"].value_counts().to_dict() == {"0": 209, "1": 25}
    assert cohort.frame["icu"].value_counts().to_dict() == {"1": 192, "0": 55}
    assert not missing_images(cohort)


@pytest.mark.parametrize(
    ("feature", "column", "values", "told"),
    [
        (
            "sex",
            "gender",
            None,
            r"sex expects M or F; column gender of .* has '(fe)?male' \(30\).*values: \{male: \.\.\.",
        ),
        ("age", "years", ["1961-03-02"] * 60, r"age expects years .* has '1961-03-02' \(60\); these are dates"),
        ("age", "years", ["adult", "57,5"] * 30, "age expects years .* correct the column"),
    ],
)
def test_a_feature_of_which_no_value_means_anything_is_refused(
    root: Path, feature: str, column: str, values: list[str] | None, told: str
) -> None:
    rewrite(root, **({column: values} if values else {}))
    with pytest.raises(DataError, match=told):
        read(root, features={feature: column})
    rewrite(root, **{column: [""] * 60})
    assert read(root, features={feature: column}).frame[feature].isna().all()


def test_several_findings_in_one_cell_are_seen(root: Path) -> None:
    rewrite(root, Edema=["Edema, Effusion", "Edema"] * 30)
    cohort = read(root, labels={"column": "Edema"})
    assert cohort.counts["findings whose name may be several in one cell, such as 'Edema, Effusion'"] == 1
    assert read(root, labels={"column": "Edema", "separator": ","}).labels == ("Edema", "Effusion")


@pytest.mark.parametrize(
    ("cells", "none", "told"),
    [
        (["Edema|effusion", "Effusion"], [], "'Effusion' and 'effusion'"),
        (["Lung Opacity", "lung_opacity"], [], "'Lung Opacity' and 'lung_opacity'"),
        (["no finding", "Edema"], ["No Finding"], "'no finding' and 'No Finding'"),
    ],
)
def test_a_finding_in_two_spellings_is_refused(root: Path, cells: list[str], none: list[str], told: str) -> None:
    rewrite(root, Edema=cells * 30)
    with pytest.raises(DataError, match=f"Edema has 1 findings in two spellings: {told}; write each in one way"):
        read(root, labels={"column": "Edema", "none": none})
    rewrite(root, Edema=["Edema", "no finding"] * 30)
    assert read(root, labels={"column": "Edema", "none": ["No finding", "no finding"]}).labels == ("Edema",)


def test_one_file_is_one_image_however_its_path_is_written(root: Path) -> None:
    table = pd.read_csv(root / "mine.csv", dtype=str, keep_default_na=False)
    again = table.iloc[:2].assign(file=["./" + table.file[0], table.file[1].replace("/", "//")])
    pd.concat([table, again]).to_csv(root / "mine.csv", index=False)
    with pytest.raises(DataError, match="image ids must be unique; 2 occur twice"):
        read(root)


@pytest.mark.parametrize("labels", [["Edema", "edema"], {"Edema": "Edema", "edema ": "Fracture"}])
def test_two_labels_in_one_spelling_are_refused(root: Path, labels: object) -> None:
    rewrite(root, edema=["1", "0"] * 30)
    with pytest.raises(DataError, match=r"in two spellings: 'Edema' and 'edema ?'; keep one of each"):
        check_cohort(read(root, labels=labels))


@pytest.mark.parametrize("other", ["edema", "EDEMA", "Edema_"])
def test_a_column_that_is_spelt_like_that_of_a_label_is_refused(root: Path, other: str) -> None:
    rewrite(root, **{other: ["1", "0"] * 30})
    with pytest.raises(DataError, match=f"has 1 label columns in two spellings: 'Edema' and '{other}'; keep one"):
        read(root, labels=["Edema"])
    assert read(root, labels=["Fracture"]).labels == ("Fracture",)
