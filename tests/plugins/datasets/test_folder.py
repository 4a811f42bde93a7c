"""A folder of images without a table: pictures and a PACS export become a cohort to pretrain on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssl_bench.config.config import load
from ssl_bench.data.check import Sample, check_download
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.joined import settle
from ssl_bench.errors import DataError, HandledError, UsageError
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.cohort import Cohort, check_cohort
from ssl_bench.plugin.registry import Registry
from sslbench_datasets.nih14 import Nih14
from sslbench_datasets.options import TableOptions
from sslbench_datasets.table import Table
from sslbench_synthetic.hospitals.files import save_dicom

RAMP = np.linspace(0, 255, 256).reshape(16, 16).astype(np.uint8)
MARY, JOHN = "MRN-4711", "MRN-0815"


def read(root: Path, **options: Any) -> Cohort:
    dataset = Table(TableOptions(**options))
    return dataset.read(dataset.locate(root, root))


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RAMP).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for patient in range(20):
        for film in range(2):
            picture(tmp_path / "films" / f"ward{patient % 2}" / f"person{patient}_virus_{film}.png")
    (tmp_path / "films/readme.txt").write_text("no image")
    picture(tmp_path / "films/.hidden/a.png")
    return tmp_path / "films"


@pytest.fixture
def pacs(tmp_path: Path) -> Path:
    films = [(MARY, "1.2.1", "1.2.1.1", "DX", "PA", "F", "061Y"), (MARY, "1.2.1", "1.2.1.2", "CR", "LATERAL", "F", ""),
             (MARY, "1.2.2", "1.2.2.1", "DX", "AP", "F", "062Y"), (JOHN, "1.2.3", "1.2.3.1", "DX", "", "M", "005M"),
             (JOHN, "1.2.3", "1.2.3.1", "DX", "", "M", "005M"), (JOHN, "1.2.3", "1.2.3.9", "CT", "", "M", "005M"),
             ("", "1.2.4", "1.2.4.1", "DX", "LLD", "O", "")]  # fmt: skip
    for number, (patient, study, image, modality, view, sex, age) in enumerate(films):
        path = tmp_path / "pacs" / f"DOE^{number % 2}" / study / f"IM{number:04d}{'.dcm' * (number % 2)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = {"PatientID": patient, "PatientName": "DOE^JANE", "StudyInstanceUID": study, "SOPInstanceUID": image,
                  "Modality": modality, "ViewPosition": view, "PatientSex": sex, "PatientAge": age,
                  "PatientBirthDate": "19500601", "StudyDate": "20200601"}  # fmt: skip
        save_dicom(RAMP, path, header)
    (tmp_path / "pacs/DICOMDIR").write_bytes(b"index")
    (tmp_path / "pacs/broken.dcm").write_bytes(b"nothing")
    return tmp_path / "pacs"


def test_a_bare_folder_is_training_images_of_patients_of_their_own(pictures: Path) -> None:
    cohort = read(pictures)
    check_cohort(cohort)
    assert len(cohort) == cohort.frame["patient_id"].nunique() == 40
    assert (set(cohort.frame["split"]), cohort.labels, cohort.features) == ({"train"}, (), ())
    assert "no patients are known of the 40 images" in cohort.notes[0]
    found = check_download(lambda: read(pictures), {}, Sample(2, 0, DecodeOptions(size=16)))
    assert not [one for one in found if one.status == "problem"]


@pytest.mark.parametrize(("pattern", "patients"), [(r"(person\d+)_", 20), ("folder", 2), (r"ward(\d)/", 2)])
def test_patients_by_a_pattern_or_the_folder(pictures: Path, pattern: str, patients: int) -> None:
    cohort = read(pictures, patients=pattern)
    assert cohort.frame["patient_id"].nunique() == patients
    assert not cohort.notes


def test_patterns_that_miss_images_or_have_no_group_are_refused(pictures: Path) -> None:
    with pytest.raises(DataError, match=r"finds no patient in 38 paths"):
        read(pictures, patients=r"(person1)_")
    for pattern in ("person", "(person"):
        with pytest.raises(UsageError, match="patients expects a regular expression"):
            read(pictures, patients=pattern)


def test_a_folder_without_images_is_refused(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected images below"):
        read(tmp_path / "empty")
    save_dicom(RAMP, pictures / "a.dcm", {})
    with pytest.raises(DataError, match="40 pictures and 1 DICOM files"):
        read(pictures)


def test_two_files_of_one_name_stay_two(pictures: Path) -> None:
    picture(pictures / "ward0/person0_virus_0.jpg")
    assert read(pictures).frame["image_id"].is_unique


def test_a_pacs_export_is_a_cohort_by_its_headers_without_its_ids(pacs: Path) -> None:
    cohort = read(pacs)
    check_cohort(cohort)
    frame = cohort.frame
    assert len(frame) == 5
    assert sorted(frame.groupby("patient_id").size()) == [1, 1, 3]
    assert sorted(frame.groupby("patient_id")["study_id"].nunique()) == [1, 1, 2]
    assert sorted(frame["view"].dropna()) == ["AP", "LATERAL", "PA"]
    assert frame["age"].round(1).tolist().count(70.0) == 2  # from the dates where the header says no age
    told = " ".join(map(str, frame.drop(columns="image_path").to_numpy().ravel()))
    assert not any(secret in told for secret in (MARY, JOHN, "DOE", "1.2.", "2020", "1950"))
    assert cohort.counts["copies of a DICOM image left out"] == 1
    assert cohort.counts["DICOM files that are no radiographs left out"] == 1
    assert cohort.counts["files without a readable DICOM header left out"] == 1
    assert cohort.counts["images without a patient id, each study its own"] == 1
    assert cohort.counts["unknown sex"] == 1


def test_labelled_and_unlabelled_images_are_pretrained_on_together(
    tiny_nih: Callable[..., Path], pictures: Path
) -> None:
    nih, bare = Nih14().read(tiny_nih()), read(pictures)
    both = settle({"nih14": nih, "table": bare}, "auto", "zeros", "zeros")
    assert both["table"].labels == both["nih14"].labels == nih.labels
    assert both["table"].frame[list(nih.labels)].isna().all().all()


@pytest.fixture
def plan(registry: Registry, pictures: Path, tmp_path: Path) -> Callable[..., Plan]:
    def make(method: str, *test_on: str, **more: Any) -> Plan:
        values = {"method": method, "data": {"name": "table", "root": str(pictures), **more},
                  "evaluate": {"test_on": list(test_on)}, "pretrain": {"batch_size": 8}}  # fmt: skip
        return make_plan(load(values, name="smoke"), registry, tmp_path)

    return make


def test_protocols_then_need_another_dataset(plan: Callable[..., Plan], tiny_nih: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="has no labels, so protocols need another dataset"):
        plan("simclr")
    made = plan("simclr", f"nih14={tiny_nih()}")
    assert (made.external[0].mode, made.cohort.labels, made.steps) == ("refit", (), 2 * 5)
    with pytest.raises(UsageError, match="method 'supervised' reads labels"):
        plan("supervised", f"nih14={tiny_nih()}")
    with pytest.raises(HandledError, match="head transfer needs a finding that both have"):
        plan("simclr", f"nih14:head={tiny_nih()}")


def test_a_column_map_may_leave_labels_out(pictures: Path, tmp_path: Path) -> None:
    rows = "\n".join(f"ward{number % 2}/person{number}_virus_0.png,{number}" for number in range(20))
    (pictures / "mine.csv").write_text(f"file,person\n{rows}\n")
    (tmp_path / "map.yaml").write_text("table: mine.csv\nimage_path: file\npatient_id: person\n")
    cohort = read(pictures, columns=str(tmp_path / "map.yaml"))
    assert (len(cohort), cohort.labels) == (20, ())
