"""The cohort of MIMIC-CXR joined with MIMIC-IV, at full size and at parts of it, on one core.

The tables are synthetic, gzipped, of the published sizes and with all columns of MIMIC-CXR-JPG 2.1.0 and MIMIC-IV 2.2.
No image file is there, for no image is looked at before the cohort stands. Each cohort is built by a process of its
own, so that its peak memory, interpreter and imports included, is its own too. Times are processor time, which is what
one core needs when it has nothing else to do; the wall time of a busy machine stands beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from ssl_bench.plugin.labels import CHEXPERT14

IMAGES, STUDIES, IMAGED, PATIENTS, ADMISSIONS, ICU = 377_110, 227_835, 65_379, 299_712, 431_231, 73_181
"""Images, studies and patients of MIMIC-CXR-JPG; patients, admissions and ICU stays of MIMIC-IV 2.2."""

PARTS = {4: IMAGES // 4, 2: IMAGES // 2, 1: IMAGES}
ROUNDS = 3
MEMORY = 3 * 2**30
"""Bytes that a cohort of full size may take."""

BUILD = """
import json, re, sys, time
from pathlib import Path
from ssl_bench.plugin.cohort import check_cohort
from ssl_bench.data.ids import check_ids
from ssl_bench.data.splits import check_leakage
from sslbench_datasets.mimic_cxr.dataset import MimicCxr

def peak():  # its own: that of getrusage is never below what the process that started it had taken
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before, start, clock = peak(), time.process_time(), time.perf_counter()
cohort = MimicCxr().read(Path(sys.argv[1]))
check_cohort(cohort)
check_ids(cohort)
check_leakage(cohort)
cohort = cohort.with_labels("native", "zeros", "zeros")
seconds, wall = time.process_time() - start, time.perf_counter() - clock
print(json.dumps({
    "seconds": seconds, "wall": wall,
    "before": before, "memory": peak(), "images": len(cohort),
    "counts": dict(cohort.counts), "known": cohort.frame.notna().mean().to_dict(),
}))
"""


def stamps(seconds: np.ndarray) -> np.ndarray:
    """``2150-01-01 00:00:00`` and so on, from seconds since 2150."""
    moments = np.datetime64("2150-01-01T00:00:00") + seconds.astype("timedelta64[s]")
    return np.char.replace(np.datetime_as_string(moments), "T", " ")


def write(path: Path, columns: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.CompressedOutputStream(str(path), "gzip") as file:
        csv.write_csv(pa.table(columns), file, csv.WriteOptions(quoting_style="needed"))


def write_mimic_cxr(root: Path, part: int) -> None:
    rng = np.random.default_rng(0)
    images, studies, patients = IMAGES // part, STUDIES // part, IMAGED // part
    # Nearly all patients with images are in MIMIC-IV; the others have numbers that it lacks.
    of_study = np.where(np.arange(studies) % patients < 0.97 * patients, 10_000_000, 15_000_000)
    of_study = of_study + np.arange(studies) % patients
    study = np.sort(rng.integers(0, studies, images))
    size = len(study)
    hexadecimal = np.array(list("0123456789abcdef"))[rng.integers(0, 16, (size, 40))]
    dicom = hexadecimal.view("U40").ravel()
    second = rng.integers(0, 86_400, studies)
    time = second // 3600 * 10_000 + second // 60 % 60 * 100 + second % 60
    day = (np.datetime64("2150-01-01") + rng.integers(0, 730, studies)).astype(str)
    text = np.full(size, "CHEST (PORTABLE AP)")
    view = rng.choice(["AP", "PA", "LATERAL", "LL", ""], size, p=[0.39, 0.26, 0.22, 0.09, 0.04])
    write(root / "mimic-cxr-2.0.0-metadata.csv.gz", {
        "dicom_id": dicom, "subject_id": of_study[study], "study_id": 50_000_000 + study,
        "PerformedProcedureStepDescription": text, "ViewPosition": view,
        "Rows": np.full(size, 3056), "Columns": np.full(size, 2544),
        "StudyDate": np.char.replace(day, "-", "")[study],
        "StudyTime": np.char.add(np.char.zfill(time.astype(str), 6), ".375")[study],
        "ProcedureCodeSequence_CodeMeaning": text, "ViewCodeSequence_CodeMeaning": np.full(size, "antero-posterior"),
        "PatientOrientationCodeSequence_CodeMeaning": rng.choice(["Erect", "Recumbent", ""], size),
    })  # fmt: skip
    split = np.array(["train", "validate", "test"])[np.searchsorted([0.97, 0.98], rng.random(patients))]
    write(root / "mimic-cxr-2.0.0-split.csv.gz", {
        "dicom_id": dicom, "study_id": 50_000_000 + study, "subject_id": of_study[study],
        "split": split[study % patients],
    })  # fmt: skip
    labels = rng.choice(["", "1.0", "0.0", "-1.0"], (14, studies), p=[0.7, 0.15, 0.1, 0.05])
    ids = {"subject_id": of_study, "study_id": 50_000_000 + np.arange(studies)}
    write(root / "mimic-cxr-2.0.0-chexpert.csv.gz", ids | dict(zip(CHEXPERT14, labels, strict=True)))


def write_mimic_iv(folder: Path, part: int) -> None:
    rng = np.random.default_rng(1)
    patients, admissions, stays = PATIENTS // part, ADMISSIONS // part, ICU // part
    subject = 10_000_000 + np.arange(patients)
    write(folder / "hosp/patients.csv.gz", {
        "subject_id": subject, "gender": rng.choice(["M", "F"], patients), "anchor_age": rng.integers(18, 92, patients),
        "anchor_year": np.full(patients, 2150), "anchor_year_group": np.full(patients, "2011 - 2013"),
        "dod": np.full(patients, ""),
    })  # fmt: skip
    of = rng.integers(0, patients, admissions)
    begin = rng.integers(0, 730 * 86_400, admissions)
    end = begin + rng.integers(3600, 20 * 86_400, admissions)
    emergency = rng.random(admissions) < 0.66
    words = {name: np.full(admissions, "EW EMER. WHITE OTHER") for name in (
        "deathtime", "admission_type", "admit_provider_id", "admission_location", "discharge_location", "insurance",
        "language", "marital_status", "race", "edouttime",
    )}  # fmt: skip
    write(folder / "hosp/admissions.csv.gz", {
        "subject_id": subject[of], "hadm_id": 20_000_000 + np.arange(admissions), "admittime": stamps(begin),
        "dischtime": stamps(end), **words, "edregtime": np.where(emergency, stamps(begin - 15_000), ""),
        "hospital_expire_flag": (rng.random(admissions) < 0.02).astype(int),
    })  # fmt: skip
    chosen = rng.integers(0, admissions, stays)
    write(folder / "icu/icustays.csv.gz", {
        "subject_id": subject[of[chosen]], "hadm_id": 20_000_000 + chosen, "stay_id": 30_000_000 + np.arange(stays),
        "first_careunit": np.full(stays, "Medical Intensive Care Unit (MICU)"),
        "last_careunit": np.full(stays, "Medical Intensive Care Unit (MICU)"), "intime": stamps(begin[chosen] + 3600),
        "outtime": stamps((begin[chosen] + end[chosen]) // 2 + 3600), "los": rng.random(stays),
    })  # fmt: skip


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A folder for each number of images."""
    found = {}
    for part, images in PARTS.items():
        found[images] = tmp_path_factory.mktemp(f"part{part}")
        write_mimic_cxr(found[images], part)
        write_mimic_iv(found[images] / "mimiciv", part)
    return found


def tables(root: Path) -> float:
    """MiB of the files of a folder."""
    return sum(path.stat().st_size for path in root.rglob("*.gz")) / 2**20


def build(root: Path) -> dict:
    """Build a cohort on one core, in a process of its own; what it says of itself."""
    core = sorted(os.sched_getaffinity(0))[:1]
    command = [sys.executable, "-c", BUILD, str(root)]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, core)
    )
    return json.loads(answer.stdout)


def test_cohort_of_full_size_and_its_growth(report, roots: dict[int, Path]) -> None:
    built: dict[int, list[dict]] = {images: [] for images in roots}
    for _ in range(ROUNDS):
        for images, root in roots.items():
            built[images].append(build(root))
    seconds = {images: [one["seconds"] for one in each] for images, each in built.items()}
    memory = {images: max(one["memory"] for one in each) for images, each in built.items()}
    report.growth("cohort of MIMIC-CXR with MIMIC-IV, by images", seconds)
    times = {"cohort": seconds[IMAGES], "limit": [30.0] * ROUNDS}
    report.ratio(f"cohort of MIMIC-CXR with MIMIC-IV, {IMAGES:,} images", times, "cohort", "limit", at_least=1)
    for images, size in memory.items():
        before = max(one["before"] for one in built[images]) / 2**20
        report.memory(
            f"cohort of MIMIC-CXR, {images:,} images", tables(roots[images]), before, size / 2**20, MEMORY / 2**20
        )
    whole = min(built[IMAGES], key=lambda one: one["seconds"])
    print(f"wall time on this machine: {whole['wall']:.1f} s; noticed: {whole['counts']}")
    left_out = sum(whole["counts"][f"images {what} left out"] for what in ("without a view", "of other views"))
    assert whole["images"] + left_out == IMAGES
    assert all(0.01 < whole["known"][name] < 1 for name in ("age", "sex", "mortality", "icu", "position"))
    assert memory[IMAGES] < MEMORY
