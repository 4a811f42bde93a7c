"""CheXpert as written: genuine columns, consistent files, quirks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.testing import check_dataset
from sslbench_datasets.chexpert import Chexpert
from sslbench_synthetic.hospitals.population import draw_studies
from sslbench_synthetic.hospitals.profiles import REFERRAL

FINDINGS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,"
    "Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
SMALL = "CheXpert-v1.0-small"
PATH = r"/patient\d{5}/study\d/view\d_(frontal|lateral)\.jpg"


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def tables(hospital: Callable[..., Path]) -> dict[str, pd.DataFrame]:
    root = hospital("chexpert") / SMALL
    return {name: read(root / f"{name}.csv") for name in ("train", "valid", "test", "groundtruth")}


@pytest.fixture(scope="module")
def films(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([tables[name] for name in ("train", "valid", "test")], ignore_index=True)


def test_columns_are_the_genuine_ones(tables: dict[str, pd.DataFrame]) -> None:
    described = "Path,Sex,Age,Frontal/Lateral,AP/PA"
    assert ",".join(tables["train"].columns) == f"{described},{FINDINGS}"
    assert ",".join(tables["valid"].columns) == f"{described},{FINDINGS}"
    assert ",".join(tables["test"].columns) == described
    assert ",".join(tables["groundtruth"].columns) == f"Study,{FINDINGS}"


@pytest.mark.parametrize(("paths", "folder", "prefix"), [
    ("small", SMALL, f"{SMALL}/"), ("full", "CheXpert-v1.0", "CheXpert-v1.0/"), ("bare", "", ""),
])  # fmt: skip
def test_every_row_has_its_image(hospital: Callable[..., Path], paths: str, folder: str, prefix: str) -> None:
    root = hospital("chexpert", paths=paths, patients=25)
    rows = pd.concat([read(root / folder / f"{name}.csv")["Path"] for name in ("train", "valid", "test")])
    assert rows.str.fullmatch(f"{prefix}(train|valid|test){PATH}").all()
    assert set(rows) == {prefix + path.relative_to(root / folder).as_posix() for path in root.rglob("*.jpg")}
    with Image.open(root / folder / str(rows.iloc[0]).removeprefix(prefix)) as image:
        assert image.mode == "L"
        assert sorted(image.size) == [32, 38]


def test_a_patient_is_in_one_part(films: pd.DataFrame) -> None:
    place = films["Path"].str.extract(r"/(train|valid|test)/(patient\d+)/")
    assert (place.groupby(1)[0].nunique() == 1).all()
    assert set(place[0]) == {"train", "valid", "test"}


def test_test_truth_is_by_study(tables: dict[str, pd.DataFrame]) -> None:
    studies = tables["test"]["Path"].str.replace(SMALL, "CheXpert-v1.0").str.rsplit("/", n=1).str[0]
    assert set(tables["groundtruth"]["Study"]) == set(studies)
    assert tables["groundtruth"]["Study"].is_unique
    assert set(np.unique(tables["groundtruth"][FINDINGS.split(",")])) == {"0", "1"}


def test_labels_of_reports_and_of_readers(tables: dict[str, pd.DataFrame]) -> None:
    assert set(np.unique(tables["train"][FINDINGS.split(",")])) == {"1.0", "0.0", "-1.0", ""}
    assert set(np.unique(tables["valid"][FINDINGS.split(",")])) == {"1.0", "0.0"}


def test_quirks(films: pd.DataFrame) -> None:
    assert films["Sex"].value_counts()["Unknown"] == 1
    assert set(films["Sex"]) == {"Male", "Female", "Unknown"}
    ages = films["Age"].astype(int)
    assert (ages == 0).sum() == 3
    assert ages.max() <= 90
    lateral = films["Frontal/Lateral"] == "Lateral"
    assert (films.loc[lateral, "AP/PA"] == "").all()
    assert set(films.loc[~lateral, "AP/PA"]) >= {"AP", "PA"}
    assert films.loc[~lateral, "AP/PA"].isin(("LL", "RL")).sum() >= 1
    assert (films["Path"].str.contains("_lateral") == lateral).all()


@pytest.mark.parametrize("paths", ["small", "full", "bare"])
def test_the_loader_reads_it(hospital: Callable[..., Path], paths: str) -> None:
    check_dataset("chexpert", hospital("chexpert", paths=paths))


def test_what_is_read_is_what_was_planted(hospital: Callable[..., Path]) -> None:
    cohort = Chexpert().read(hospital("chexpert"))
    test = cohort.split("test")
    assert set(cohort.frame["split"]) == {"train", "validate", "test"}
    planted = draw_studies(REFERRAL, 60, 0)
    effusions = [tuple(part.sort_values("study")["Effusion"] > 0) for _, part in planted.groupby("patient")]
    for _, studies in test.drop_duplicates("study_id").groupby("patient_id"):
        assert tuple(studies["Pleural Effusion"] == 1) in effusions


def test_the_mark_is_seen_from_both_roots(hospital: Callable[..., Path], tmp_path: Path) -> None:
    marked = shutil.copytree(hospital("chexpert"), tmp_path / "marked")
    assert not Chexpert().read(marked).synthetic
    (marked / "synthetic.json").write_text("{}")
    assert Chexpert().read(marked).synthetic
    assert Chexpert().read(marked / SMALL).synthetic
