"""Odd files of a PACS export: each is read, or left out and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort, check_cohort
from sslbench_datasets.table import Table
from sslbench_synthetic.hospitals.files import save_dicom

RAMP = np.linspace(0, 255, 256).reshape(16, 16).astype(np.uint8)


def read(root: Path) -> Cohort:
    cohort = Table().read(root)
    check_cohort(cohort)
    return cohort


def film(path: Path, *, inverted: bool = False, **header: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    number = path.stem.strip("IM.")
    whole = {"PatientID": "A", "StudyInstanceUID": f"1.2.{number}", "SOPInstanceUID": f"1.2.{number}.1", **header}
    save_dicom(RAMP, path, whole, inverted=inverted)
    return path


def without_pixels(path: Path, modality: str) -> None:
    """What lies among images: a report (SR), a presentation state (PR)."""
    dataset = pydicom.dcmread(film(path, Modality=modality))
    del dataset.Rows, dataset.Columns, dataset.PixelData
    dataset.save_as(path)


def index_of(path: Path) -> None:
    """A DICOMDIR, which has the mark of DICOM and no modality."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.FileSetID = "DISC"
    dataset.DirectoryRecordSequence = []
    dataset.save_as(path, enforce_file_format=True)


def test_what_is_no_film_is_left_out_and_counted(tmp_path: Path) -> None:
    film(tmp_path / "a/IM1")
    index_of(tmp_path / "DICOMDIR")
    without_pixels(tmp_path / "a/IM2", "SR")
    without_pixels(tmp_path / "a/IM3", "PR")
    without_pixels(tmp_path / "a/IM4", "DX")
    film(tmp_path / "b/IM5", NumberOfFrames="3")
    film(tmp_path / "b/IM6", PresentationIntentType="FOR PROCESSING")
    film(tmp_path / "b/IM7", Modality="OT")
    film(tmp_path / "b/IM8", SOPInstanceUID="1.2.1.1")
    (tmp_path / "README").write_text("how to open this disc\n" * 20)
    cohort = read(tmp_path)
    assert cohort.frame["image_path"].tolist() == ["a/IM1"]
    assert cohort.counts == {
        "DICOM files without an image (index, report, presentation state) left out": 4,
        "DICOM files of several frames left out": 1, "raw DICOM images (for processing) left out": 1,
        "DICOM files that are no radiographs left out": 1, "copies of a DICOM image left out": 1,
        "missing age": 1, "missing sex": 1, "missing view": 1,
    }  # fmt: skip


def test_an_export_without_a_film_says_what_it_holds(tmp_path: Path) -> None:
    index_of(tmp_path / "DICOMDIR")
    film(tmp_path / "IM1", Modality="CT")
    with pytest.raises(
        DataError, match=r"none of the 2 DICOM files .* is a radiograph .*; 1 DICOM files without an im"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("header", "years"),
    [
        ({"PatientAge": "045Y"}, 45), ({"PatientAge": "18M"}, 1.5), ({"PatientAge": "003D"}, 3 / 365.25),
        ({"PatientAge": "000Y", "PatientBirthDate": "19500601", "StudyDate": "20200601"}, 70),
        ({"PatientBirthDate": "19500601", "StudyDate": "20200601"}, 70),
        ({"PatientBirthDate": "1950.06.01", "AcquisitionDate": "20200601"}, 70),
        ({"PatientBirthDate": "19500601"}, None), ({"PatientBirthDate": "20200601", "StudyDate": "19500601"}, None),
        ({"PatientAge": "400Y"}, None), ({}, None),
    ],
)  # fmt: skip
def test_ages(header: dict[str, str], years: float | None, tmp_path: Path) -> None:
    film(tmp_path / "IM1.dcm", **header)
    cohort = read(tmp_path)
    (age,) = cohort.frame["age"]
    assert age == (pytest.approx(years, abs=0.01) if years else pytest.approx(np.nan, nan_ok=True))
    told = ("missing age" if not header else "implausible or unreadable age",) if years is None else ()
    assert {what for what in cohort.counts if "age" in what.split()} == set(told)


def test_films_of_a_study_are_of_one_patient_also_where_a_header_lacks_the_id(tmp_path: Path) -> None:
    for number, (patient, study) in enumerate(
        [("A", "1.7"), ("", "1.7"), ("", "1.8"), ("", "1.8"), ("", ""), ("", "")]
    ):
        film(tmp_path / f"IM{number}", PatientID=patient, StudyInstanceUID=study, PatientSex="O")
    cohort = read(tmp_path)
    assert sorted(cohort.frame.groupby("patient_id").size()) == [1, 1, 2, 2]
    assert cohort.frame["study_id"].nunique() == 4
    assert cohort.counts["images without a patient id, each study its own"] == 4
    assert cohort.counts["unknown sex"] == 6
    assert cohort.frame["sex"].isna().all()


def test_views_body_parts_and_two_series_of_a_study(tmp_path: Path) -> None:
    for number, view in enumerate(["pa", "RL", "LL", "LLO"]):
        film(tmp_path / f"series{number}/IM1{number}.DCM", StudyInstanceUID="1.2", ViewPosition=view,
             SeriesInstanceUID=f"1.2.{number}", BodyPartExamined="HAND" if number else "Chest")  # fmt: skip
    cohort = read(tmp_path)
    assert cohort.frame["view"].fillna("").tolist() == ["PA", "LATERAL", "LL", ""]
    assert (cohort.frame["study_id"].nunique(), cohort.frame["image_id"].nunique()) == (1, 4)
    assert cohort.counts["images whose header names another body part than the chest"] == 3
    assert cohort.counts["unknown view"] == 1


def test_files_without_the_mark_of_dicom_and_inverted_ones_are_read(tmp_path: Path) -> None:
    plain, inverted = film(tmp_path / "IM1"), film(tmp_path / "IM2", inverted=True)
    bare = film(tmp_path / "IM3")
    bare.write_bytes(bare.read_bytes()[132:])
    assert read(tmp_path).frame["image_path"].tolist() == ["IM1", "IM2", "IM3"]
    pixels = [decode(path, DecodeOptions(size=16)) for path in (plain, inverted, bare)]
    np.testing.assert_array_equal(pixels[0], pixels[1])
    np.testing.assert_array_equal(pixels[0], pixels[2])
