"""The CheXpert loader on files of every release, its quirks, and files made to be wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.images import check_images
from ssl_bench.data.splits import check_leakage
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.cohort import Cohort, check_cohort, missing_images
from ssl_bench.plugin.labels import CHEXPERT14
from ssl_bench.testing import check_dataset
from sslbench_datasets.chexpert import Chexpert
from sslbench_datasets.options import ChexpertOptions


@pytest.fixture(scope="module")
def whole(tiny_chexpert: Callable[..., Path]) -> Path:
    """Train, valid and test in the small release's layout; not to be spoilt."""
    return tiny_chexpert()


@pytest.fixture
def home(tiny_chexpert: Callable[..., Path]) -> Path:
    """The folder with ``train.csv``, to be spoilt."""
    return tiny_chexpert() / "CheXpert-v1.0-small"


def test_conformance(whole: Path) -> None:
    check_dataset("chexpert", whole)


def read(root: Path, **options: object) -> Cohort:
    cohort = Chexpert(ChexpertOptions(**options)).read(root)  # type: ignore[arg-type]
    check_cohort(cohort)
    return cohort


def rewrite(home: Path, split: str = "train", **columns: list[str]) -> None:
    """New values for the first rows of some columns; ``Frontal_Lateral`` stands for ``Frontal/Lateral``."""
    table = pd.read_csv(home / f"{split}.csv", dtype=str, keep_default_na=False)
    names = {name.replace("/", "_").replace(" ", "_"): name for name in table.columns}
    for name, values in columns.items():
        table.loc[: len(values) - 1, names[name]] = values
    table.to_csv(home / f"{split}.csv", index=False)


def fewer_columns(home: Path, *names: str, split: str = "test") -> pd.DataFrame:
    """Drop columns of a file; returns the table as it was."""
    table = pd.read_csv(home / f"{split}.csv", dtype=str, keep_default_na=False)
    table.drop(columns=list(names)).to_csv(home / f"{split}.csv", index=False)
    return table


@pytest.mark.parametrize("prefix", ["CheXpert-v1.0", "CheXpert-v1.0-small", ""])
def test_every_prefix_from_the_folder_and_its_parent(tiny_chexpert: Callable[..., Path], prefix: str) -> None:
    root = tiny_chexpert(prefix=prefix)
    for given in (root, root / (prefix or "CheXpert-v1.0")):
        cohort = read(given)
        assert not missing_images(cohort)
        assert cohort.frame["image_id"].iloc[0] == "train/patient00001/study1/view1_frontal"
        assert cohort.frame["study_id"].iloc[0] == "patient00001/study1"
        assert cohort.frame["patient_id"].iloc[0] == "patient00001"
        assert cohort.labels == CHEXPERT14


def test_a_tenth_of_the_training_patients_selects_and_the_official_set_is_left_out(whole: Path) -> None:
    cohort = read(whole)
    check_leakage(cohort)
    sizes = cohort.frame["split"].value_counts()
    assert sizes["train"] + sizes["validate"] == 40
    assert 1 <= sizes["validate"] <= 9
    assert sizes["test"] == 6
    assert cohort.frame.loc[cohort.frame["split"] == "validate", "image_path"].str.startswith("train/").all()
    assert cohort.counts["rows of valid.csv left out (selection=official selects on them)"] == 8
    assert dict(cohort.sources) == {"train.csv": 53, "valid.csv": 8, "test.csv": 8}


def test_the_official_set_selects_by_option(whole: Path) -> None:
    cohort = read(whole, selection="official")
    assert cohort.frame.loc[cohort.frame["split"] == "validate", "image_path"].str.startswith("valid/").all()
    assert cohort.frame["split"].value_counts().to_dict() == {"train": 40, "validate": 6, "test": 6}


def test_without_a_test_file_the_official_set_is_the_test_split(tiny_chexpert: Callable[..., Path]) -> None:
    root = tiny_chexpert(test=False)
    cohort = read(root)
    assert cohort.frame.loc[cohort.frame["split"] == "test", "image_path"].str.startswith("valid/").all()
    assert cohort.counts["rows of valid.csv that are the test split"] == 8
    with pytest.raises(DataError, match=r"selection on the official validation set expects.*leave out"):
        read(root, selection="official")
    (root / "CheXpert-v1.0-small/valid.csv").unlink()
    with pytest.raises(DataError, match="found neither"):
        read(root)


def test_views(whole: Path) -> None:
    assert set(read(whole).frame["view"]) == {"PA"}
    assert len(read(whole, views="all", selection="official")) == 53 + 8 + 8
    assert set(read(whole, views="LATERAL").frame["view"]) == {"LATERAL"}
    with pytest.raises(DataError, match=r"no image of the views AP; found LATERAL, PA; widen views"):
        read(whole, views="AP")
    with pytest.raises(UsageError, match=r"unknown view 'LATERL'; did you mean 'LATERAL'"):
        read(whole, views="LATERL")


def test_quirks_of_sex_age_and_view(home: Path) -> None:
    rewrite(
        home,
        Sex=["Unknown", "Female", "Male", ""],
        Age=["0", "90", "57", "411", ""],
        Frontal_Lateral=["Frontal"] * 4,
        AP_PA=["LL", "RL", "AP", ""],
    )
    frame = read(home, views="all").frame
    assert frame["sex"].tolist()[1:3] == ["F", "M"]
    assert frame["sex"].isna().tolist()[:4] == [True, False, False, True]
    assert frame["age"].tolist()[1:3] == [90, 57]
    assert frame["age"].isna().tolist()[:5] == [True, False, False, True, True]
    assert frame["view"].tolist()[:3] == ["LL", "LATERAL", "AP"]
    kept = read(home)
    assert {"LL", "LATERAL"}.isdisjoint(kept.frame["view"])
    assert kept.frame["view"].isna().sum() == 1  # a frontal film that may be AP or PA
    assert kept.counts["implausible or unreadable age"] == 2
    assert (kept.counts["unknown sex"], kept.counts["missing sex"]) == (1, 1)


def test_raw_labels_stay_and_belong_to_their_own_row(home: Path) -> None:
    rewrite(home, Edema=["-1.0", "1.0", "", "0.0"], Fracture=["1", "", "-1", "0"])
    frame = read(home, views="all").frame
    assert frame["Edema"].tolist()[:2] == [-1, 1]
    assert frame["Edema"].isna().tolist()[:4] == [False, False, True, False]
    assert frame["Fracture"].iloc[2] == -1
    settled = read(home, views="all").with_labels("chexpert14", "ones", "ignore").frame
    assert settled["Edema"].tolist()[:2] == [1, 1]
    assert settled["raw:Edema"].iloc[0] == -1


@pytest.mark.parametrize("name", ["test_labels.csv", "groundtruth.csv", "mine.csv"])
def test_truth_by_study_goes_to_every_image_of_the_study(home: Path, name: str) -> None:
    before = fewer_columns(home, *CHEXPERT14)
    studies = before["Path"].str.rsplit("/", n=1).str[0].unique()
    truth = pd.DataFrame({"Study": studies, **dict.fromkeys(CHEXPERT14, "0")})
    truth.loc[1, ["Edema", "Fracture"]] = "1"
    truth.to_csv(home / name, index=False)
    cohort = read(home, views="all", test_labels="mine.csv" if name == "mine.csv" else "")
    test = cohort.split("test").set_index("study_id")
    studied = test.loc[["patient00951/study1"], ["Edema", "Fracture", "Pneumonia"]]
    assert (studied.to_numpy() == [1, 1, 0]).all()
    assert len(studied) == (2 if 951 % 3 == 0 else 1)
    assert test["Edema"].sum() == len(studied)
    assert test["age"].notna().all()


def test_truth_alone_takes_the_images_of_the_folder(home: Path) -> None:
    before = fewer_columns(home, *CHEXPERT14)
    truth = pd.DataFrame({"Path": before["Path"], **dict.fromkeys(CHEXPERT14, "0")})
    truth.to_csv(home / "test_labels.csv", index=False)
    (home / "test.csv").unlink()
    test = read(home).split("test")
    assert len(test) == 6
    assert test["sex"].isna().all()
    assert (test["Edema"] == 0).all()


def test_truth_must_hold_every_test_study_once(home: Path) -> None:
    before = fewer_columns(home, *CHEXPERT14)
    truth = pd.DataFrame(
        {"Study": before["Path"].str.rsplit("/", n=1).str[0].unique(), **dict.fromkeys(CHEXPERT14, "0")}
    )
    truth.iloc[1:].to_csv(home / "groundtruth.csv", index=False)
    with pytest.raises(DataError, match=r"1 have none: test/patient00950/study1; complete"):
        read(home)
    pd.concat([truth, truth.iloc[:1]]).to_csv(home / "groundtruth.csv", index=False)
    with pytest.raises(DataError, match=r"one row for each study; test/patient00950/study1 occur twice"):
        read(home)
    truth.rename(columns={"Study": "Studie"}).to_csv(home / "groundtruth.csv", index=False)
    with pytest.raises(DataError, match=r"lacks Study \(did you mean 'Studie'\?\)"):
        read(home)
    with pytest.raises(DataError, match=r"expected the truth of the test split at .*absent\.csv"):
        read(home, test_labels="absent.csv")


def test_fault_02_missing_image_files(home: Path) -> None:
    shutil.rmtree(home / "train/patient00004")
    with pytest.raises(
        DataError, match=r"1 of \d+ images are not below .*train/patient00004/study1/view1_frontal\.jpg"
    ):
        check_images(read(home))


def test_fault_03_columns_of_all_files_are_told_at_once(home: Path) -> None:
    fewer_columns(home, "Sex", split="valid")
    text = (home / "train.csv").read_text()
    (home / "train.csv").write_text(text.replace("Pleural Other", "Pleural Others", 1))
    with pytest.raises(DataError) as error:
        read(home)
    assert r"train.csv lacks Pleural Other (did you mean 'Pleural Others'?); expected the columns Path" in str(
        error.value
    )
    assert "valid.csv lacks Sex" in str(error.value)
    (home / "train.csv").write_text(text.replace("Path,", "Path,Fracture,", 1))
    with pytest.raises(DataError, match=r"train\.csv has the columns Fracture twice"):
        read(home)


def test_fault_04_duplicate_images(home: Path) -> None:
    lines = (home / "train.csv").read_text().splitlines()
    (home / "train.csv").write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(
        DataError, match=r"image ids must be unique; 1 occur twice: train/patient00001/study1/view1_frontal"
    ):
        read(home)


def test_fault_07_odd_patients_stay_text(home: Path) -> None:
    rewrite(home, Path=[f"CheXpert-v1.0-small/train/patient{name}/study1/view1_frontal.jpg" for name in ("007", "7")])
    assert read(home, views="all").frame["patient_id"].tolist()[:2] == ["patient007", "patient7"]


def test_fault_08_a_patient_in_two_splits(home: Path) -> None:
    rewrite(home, "test", Path=["CheXpert-v1.0-small/train/patient00004/study2/view1_frontal.jpg"])
    with pytest.raises(DataError, match=r"no patient may be in two splits; 1 are: patient00004"):
        check_leakage(read(home, views="all"))


@pytest.mark.parametrize(("value", "shown"), [("2.0", "Edema=2"), ("-2", "Edema=-2"), ("maybe", "Edema='maybe'")])
def test_fault_10_strange_labels_name_their_row(home: Path, value: str, shown: str) -> None:
    rewrite(home, Edema=["1.0", value])
    with pytest.raises(DataError, match=rf"(has|found) train/patient00002/study1/view1_frontal {shown}; correct"):
        read(home).with_labels("native", "zeros", "zeros")


def test_fault_13_paths_out_of_the_root_are_refused(home: Path) -> None:
    rewrite(home, Path=["../../patient1/study1/view1_frontal.jpg"])
    with pytest.raises(DataError, match="must stay below"):
        read(home)
    rewrite(home, Path=["secret.jpg"])
    with pytest.raises(DataError, match=r"must hold patient and study, such as .*found secret\.jpg"):
        read(home)


def test_two_releases_in_one_folder_are_told_apart(tiny_chexpert: Callable[..., Path]) -> None:
    root = tiny_chexpert()
    shutil.copytree(root / "CheXpert-v1.0-small", root / "CheXpert-v1.0")
    with pytest.raises(DataError, match=r"in one folder of it.*CheXpert-v1\.0, .*CheXpert-v1\.0-small"):
        read(root)
    assert read(root / "CheXpert-v1.0").root.name == "CheXpert-v1.0"


@pytest.mark.real
def test_genuine_truth(home: Path, genuine: Callable[[str], Path]) -> None:
    file = genuine("formats/chexpert/test_groundtruth.head.csv")
    genuine = pd.read_csv(file, dtype=str)
    paths = [f"{study}/view1_frontal.jpg" for study in genuine["Study"]]
    table = pd.read_csv(home / "test.csv", dtype=str, keep_default_na=False).drop(columns=list(CHEXPERT14))
    pd.concat([table.iloc[:1]] * len(paths)).assign(Path=paths).to_csv(home / "test.csv", index=False)
    shutil.copy(file, home / "groundtruth.csv")
    test = read(home, views="all").split("test")
    assert (test[list(CHEXPERT14)].to_numpy() == genuine[list(CHEXPERT14)].astype(float).to_numpy()).all()
