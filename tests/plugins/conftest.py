"""What the tests of the plugins share: a tiny MIMIC-CXR-JPG with MIMIC-IV in its native layout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ssl_bench.plugin.labels import CHEXPERT14

ADMITTED, HOURS = pd.Timestamp("2150-03-01 08:00:00"), pd.Timedelta(hours=1)
STAMP = "%Y-%m-%d %H:%M:%S"


def write_mimic(root: Path, *, patients: int = 40, layout: str = "hosp", ending: str = ".csv.gz") -> Path:
    """Write MIMIC-CXR-JPG and MIMIC-IV in little.

    Each patient has a study in hospital (AP, Recumbent) and one a year later (PA and LATERAL, Erect). Each patient
    arrives in the emergency department at 04:00, is admitted at 08:00, in the ICU from 10:00 to 20:00 if the number is
    even, and discharged a day later; each third dies. MIMIC-IV lacks each eighth.

    Args:
        root: an empty folder.
        patients: their number; each fifth is in the test split, the next in validation.
        layout: folder of the patients, ``hosp``, or ``core`` as in v1.0.
        ending: of all tables.
    """
    rng = np.random.default_rng(0)
    films, labels = [], []
    for number in range(patients):
        subject, split = str(10_000_000 + number), {0: "test", 1: "validate"}.get(number % 5, "train")
        shots = (("AP", "Recumbent", "21500301", "110000.25"), ("PA", "Erect", "21510301", "073000"),
                 ("LATERAL", "Erect", "21510301", "073000"))  # fmt: skip
        for shot, (view, position, date, time) in enumerate(shots):
            study = str(50_000_000 + 10 * number + min(shot, 1))
            dicom = f"{subject}-{shot}"
            films.append((dicom, subject, study, view, date, time, position, split))
            path = root / f"files/p{subject[:2]}/p{subject}/s{study}/{dicom}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(path)
        for visit in range(2):
            values = rng.choice(["1.0", "0.0", "-1.0", ""], len(CHEXPERT14), p=[0.3, 0.4, 0.1, 0.2])
            labels.append((subject, str(50_000_000 + 10 * number + visit), *values))
    names = ["dicom_id", "subject_id", "study_id", "ViewPosition", "StudyDate", "StudyTime",
             "PatientOrientationCodeSequence_CodeMeaning", "split"]  # fmt: skip
    table = pd.DataFrame(films, columns=names)
    table.drop(columns="split").to_csv(root / f"mimic-cxr-2.0.0-metadata{ending}", index=False)
    table[["dicom_id", "study_id", "subject_id", "split"]].to_csv(root / f"mimic-cxr-2.0.0-split{ending}", index=False)
    for source in ("chexpert", "negbio"):
        found = pd.DataFrame(labels, columns=["subject_id", "study_id", *sorted(CHEXPERT14)])
        found.to_csv(root / f"mimic-cxr-2.0.0-{source}{ending}", index=False)
    write_mimic_iv(root / "mimiciv", [number for number in range(patients) if number % 8 != 7], layout, ending)
    return root


def write_mimic_iv(folder: Path, numbers: list[int], layout: str, ending: str) -> None:
    people, admissions, icu = [], [], []
    for number in numbers:
        subject = 10_000_000 + number
        people.append((subject, "MF"[number % 2], 40 + number % 50, 2148, "2011 - 2013", ""))
        times = [ADMITTED, ADMITTED + 24 * HOURS, ADMITTED - 4 * HOURS]
        admissions.append(
            (subject, 20_000_000 + number, *(time.strftime(STAMP) for time in times), int(number % 3 == 0))
        )
        if number % 2 == 0:
            stay = (ADMITTED + 2 * HOURS).strftime(STAMP), (ADMITTED + 12 * HOURS).strftime(STAMP)
            icu.append((subject, 20_000_000 + number, 30_000_000 + number, *stay, 0.4))
    tables = {
        f"{layout}/patients": (people, "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"),
        f"{layout}/admissions": (admissions, "subject_id,hadm_id,admittime,dischtime,edregtime,hospital_expire_flag"),
        "icu/icustays": (icu, "subject_id,hadm_id,stay_id,intime,outtime,los"),
    }
    for name, (rows, columns) in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=columns.split(",")).to_csv(folder / f"{name}{ending}", index=False)


@pytest.fixture(scope="session")
def tiny_mimic(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``tiny_mimic(patients=40, layout="hosp", ending=".csv.gz")``: MIMIC-CXR-JPG with MIMIC-IV in its native layout.

    The same arguments give the same folder, so leave it as it is; ``fresh=True`` writes one to spoil.
    """
    made: dict[Any, Path] = {}

    def make(*, fresh: bool = False, **options: Any) -> Path:
        key = tuple(sorted(options.items()))
        if fresh:
            return write_mimic(tmp_path_factory.mktemp("mimic"), **options)
        if key not in made:
            made[key] = write_mimic(tmp_path_factory.mktemp("mimic"), **options)
        return made[key]

    return make


@pytest.fixture(scope="session")
def in_two_processes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Any]]:
    """``in_two_processes(file)``: what each of two processes that run a file with RANK and FOLDER saves as RANK.pt."""

    def launch(file: str) -> list[Any]:
        folder = tmp_path_factory.mktemp("ranks")
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        running = [subprocess.Popen([sys.executable, file, str(rank), str(folder)], env=environment)
                   for rank in range(2)]  # fmt: skip
        try:
            assert [process.wait(120) for process in running] == [0, 0]
        finally:
            for process in running:
                process.kill()
        return [torch.load(folder / f"{rank}.pt") for rank in range(2)]

    return launch
