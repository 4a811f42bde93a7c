"""MIMIC-CXR and MIMIC-IV as written: genuine columns, consistent files, quirks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.data.splits import check_leakage
from ssl_bench.plugin.cohort import check_cohort, missing_images
from sslbench_synthetic.cohort.population import ICU
from sslbench_synthetic.hospitals import mimic_iv
from sslbench_synthetic.hospitals.population import draw_studies
from sslbench_synthetic.hospitals.profiles import GENERAL

METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
FINDINGS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,"
    "No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
HEADERS = {
    "mimic-cxr-2.0.0-metadata.csv.gz": METADATA,
    "mimic-cxr-2.0.0-split.csv.gz": "dicom_id,study_id,subject_id,split",
    "mimic-cxr-2.0.0-chexpert.csv.gz": f"subject_id,study_id,{FINDINGS}",
    "mimic-cxr-2.0.0-negbio.csv.gz": f"subject_id,study_id,{FINDINGS}",
    "mimic-cxr-2.1.0-test-set-labeled.csv": f"study_id,{FINDINGS}".replace("Lung Opacity", "Airspace Opacity"),
    "mimiciv/icu/icustays.csv.gz": "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los",
}
PATIENTS = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"
ADMISSIONS = {
    "v1": (
        "core",
        "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admission_location,discharge_location,"
        "insurance,language,marital_status,ethnicity,edregtime,edouttime,hospital_expire_flag",
    ),
    "v3": (
        "hosp",
        "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,admission_location,"
        "discharge_location,insurance,language,marital_status,race,edregtime,edouttime,hospital_expire_flag",
    ),
}
VIEWS = {"AP", "PA", "LATERAL", "LL", "AP AXIAL", "AP LLD", "AP RLD", "PA LLD", "PA RLD", "LAO", "RAO", "LPO",
         "XTABLE LATERAL", "SWIMMERS", ""}  # fmt: skip


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def root(hospital: Callable[..., Path]) -> Path:
    return hospital("mimic-cxr")


@pytest.fixture(scope="module")
def metadata(root: Path) -> pd.DataFrame:
    return read(root / "mimic-cxr-2.0.0-metadata.csv.gz")


@pytest.mark.parametrize("name", HEADERS)
def test_columns_are_the_genuine_ones(root: Path, name: str) -> None:
    assert ",".join(read(root / name).columns) == HEADERS[name]


@pytest.mark.parametrize("release", ADMISSIONS)
def test_both_layouts_of_mimic_iv(hospital: Callable[..., Path], release: str) -> None:
    tables = hospital("mimic-cxr", mimic_iv=release) / "mimiciv"
    folder, header = ADMISSIONS[release]
    assert {path.name for path in tables.iterdir()} == {
        folder,
        "hosp",
        "icu",
    }
    assert ",".join(read(tables / folder / "patients.csv.gz").columns) == PATIENTS
    assert ",".join(read(tables / folder / "admissions.csv.gz").columns) == header


def test_release_2_0_0_has_no_labels_by_hand(hospital: Callable[..., Path]) -> None:
    assert not list(hospital("mimic-cxr", release="2.0.0").glob("*test-set*"))


def test_every_row_has_its_image_and_every_image_its_row(root: Path, metadata: pd.DataFrame) -> None:
    folder = "files/p" + metadata["subject_id"].str[:2] + "/p" + metadata["subject_id"] + "/s" + metadata["study_id"]
    paths = set(folder + "/" + metadata["dicom_id"] + ".jpg")
    assert paths == {path.relative_to(root).as_posix() for path in root.rglob("*.jpg")}
    assert paths == set((root / "IMAGE_FILENAMES").read_text().split())
    row = metadata.iloc[0]
    with Image.open(root / next(path for path in paths if row["dicom_id"] in path)) as image:
        assert (image.mode, image.height, image.width) == ("L", int(row["Rows"]), int(row["Columns"]))


def test_identifiers_and_vocabularies(metadata: pd.DataFrame) -> None:
    assert metadata["dicom_id"].str.fullmatch(r"([0-9a-f]{8}-){4}[0-9a-f]{8}").all()
    assert metadata["dicom_id"].is_unique
    assert metadata["subject_id"].str.fullmatch(r"1\d{7}").all()
    assert metadata["study_id"].str.fullmatch(r"5\d{7}").all()
    assert set(metadata["ViewPosition"]) <= VIEWS
    assert {"AP", "PA", "LATERAL", "LL", ""} <= set(metadata["ViewPosition"])
    assert set(metadata["PatientOrientationCodeSequence_CodeMeaning"]) == {"Erect", "Recumbent", ""}
    assert metadata["StudyDate"].str.fullmatch(r"21\d{6}").all()
    assert metadata["StudyTime"].str.fullmatch(r"[0-2]\d{5}(\.\d+)?").all()
    assert metadata["StudyTime"].str.startswith("0").any()
    assert metadata["StudyTime"].str.contains(".", regex=False).any()


def test_splits_are_of_patients(root: Path, metadata: pd.DataFrame) -> None:
    split = read(root / "mimic-cxr-2.0.0-split.csv.gz")
    assert list(split["dicom_id"]) == list(metadata["dicom_id"])
    assert (split.groupby("subject_id")["split"].nunique() == 1).all()
    assert set(split["split"]) == {"train", "validate", "test"}
    test = set(split.loc[split["split"] == "test", "study_id"])
    assert set(read(root / "mimic-cxr-2.1.0-test-set-labeled.csv")["study_id"]) == test


def test_labels_are_of_studies_a_few_without(root: Path, metadata: pd.DataFrame) -> None:
    for labeller in ("chexpert", "negbio"):
        labels = read(root / f"mimic-cxr-2.0.0-{labeller}.csv.gz")
        assert labels["study_id"].is_unique
        assert 0 < len(set(metadata["study_id"]) - set(labels["study_id"])) < 5
        assert set(labels["study_id"]) < set(metadata["study_id"])
        values = labels[FINDINGS.split(",")]
        assert set(np.unique(values)) == {"1.0", "0.0", "-1.0", ""}
        assert (values == "").all(axis=1).any()


def test_mimic_iv_lacks_a_few_patients_and_has_others(root: Path, metadata: pd.DataFrame) -> None:
    tables = root / "mimiciv"
    patients = read(tables / "hosp" / "patients.csv.gz")
    pictured, known = set(metadata["subject_id"]), set(patients["subject_id"])
    assert patients["subject_id"].is_unique
    assert 0 < len(pictured - known) < 6
    assert known - pictured
    ages = patients["anchor_age"].astype(int)
    assert ages.between(18, 91).all()
    assert not (ages == 90).any()
    admissions = read(tables / "hosp" / "admissions.csv.gz")
    assert set(admissions["subject_id"]) <= known
    assert set(read(tables / "icu" / "icustays.csv.gz")["hadm_id"]) <= set(admissions["hadm_id"])
    died = admissions[admissions["hospital_expire_flag"] == "1"]
    assert (died["deathtime"].str[:10].to_numpy() == patients.set_index("subject_id")["dod"][died["subject_id"]]).all()


def test_anchor_ages_over_89_are_91(tmp_path: Path) -> None:
    studies = draw_studies(GENERAL, 600, 0)
    studies["subject_id"] = (studies["patient"] + 10_000_000).astype(str)
    mimic_iv.write(studies, "v1", tmp_path, np.random.default_rng(0))
    patients = read(tmp_path / "core" / "patients.csv.gz").set_index("subject_id")
    first = studies.groupby("subject_id").first()
    shown = patients["anchor_age"].astype(int)[first.index]
    at_anchor = first["age"] - (first["time"].dt.year - patients["anchor_year"].astype(int)[first.index])
    assert (shown == at_anchor.mask(at_anchor > 89, 91)).all()
    assert (shown == 91).sum() > 5


@pytest.mark.parametrize("release", ADMISSIONS)
def test_the_loader_finds_what_was_planted(hospital: Callable[..., Path], release: str) -> None:
    dataset = pytest.importorskip("sslbench_datasets.mimic_cxr.dataset", reason="the reader of MIMIC-CXR is not here")
    root = hospital("mimic-cxr", mimic_iv=release)
    cohort = dataset.MimicCxr().read(root)
    check_cohort(cohort)
    check_leakage(cohort)
    assert not missing_images(cohort)
    planted = draw_studies(GENERAL, 60, 0)
    planted.index = pd.Index(read(root / "mimic-cxr-2.0.0-metadata.csv.gz")["study_id"].unique())
    truth = planted.loc[cohort.frame["study_id"]].reset_index(drop=True)
    admitted = cohort.frame["icu"].notna()
    assert 0.2 < admitted.mean() < 0.8
    assert (cohort.frame["icu"].eq("1") == truth["setting"].eq(ICU))[admitted].all()
    linked = cohort.frame["sex"].notna()
    assert 0.85 < linked.mean() < 1
    assert (cohort.frame["sex"].eq("M") == truth["male"].eq(1))[linked].all()
    young = linked & (truth["age"] < 85)
    assert (cohort.frame["age"] == truth["age"])[young].all()
