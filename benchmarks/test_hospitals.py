"""Cohorts of PadChest and VinDr-CXR at full size, on one core.

The tables are synthetic, of the published sizes; no image file is there. Each cohort is built by a process of its own,
so its peak memory, interpreter and imports included, is its own too. Times are processor time.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sslbench_datasets.hospitals.padchest import terms_table
from sslbench_datasets.hospitals.vindr import FINDINGS

ROUNDS = 3
PADCHEST, PATIENTS = 160_868, 67_625
TRAIN, TEST, READERS = 15_000, 3_000, 3
ROWS = {"padchest": PADCHEST, "vindr-cxr": READERS * TRAIN + TEST}
MEMORY = 3 * 2**30
"""Bytes that a cohort may take."""

BUILD = """
import json, re, sys, time
from pathlib import Path
from ssl_bench.plugin.cohort import check_cohort
from ssl_bench.data.ids import check_ids
from ssl_bench.data.splits import check_leakage
from ssl_bench.plugin.registry import discover
component = discover().get("dataset", sys.argv[1])
reader = component.load()(component.options_model()())

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before, start, clock = peak(), time.process_time(), time.perf_counter()
cohort = reader.read(Path(sys.argv[2]))
check_cohort(cohort)
check_ids(cohort)
check_leakage(cohort)
cohort = cohort.with_labels("native", "zeros", "zeros")
seconds, wall = time.process_time() - start, time.perf_counter() - clock
print(json.dumps({"seconds": seconds, "wall": wall, "before": before, "memory": peak(), "images": len(cohort),
                  "counts": dict(cohort.counts)}))
"""


def write_padchest(root: Path) -> Path:
    """The label file of PadChest: 160,868 rows, lists of one to four terms, of which some ten thousand differ."""
    rng, rows = np.random.default_rng(0), PADCHEST
    terms = terms_table()["term"].to_numpy()
    several = [repr([str(term) for term in rng.choice(terms, rng.integers(1, 5))]) for _ in range(12_000)]
    patient = np.sort(rng.integers(0, PATIENTS, rows))
    year = rng.integers(2009, 2018, rows)
    table = pd.DataFrame({
        "ImageID": [f"{number:039d}_{number % 97:06d}.png" for number in range(rows)],
        "ImageDir": rng.integers(0, 55, rows),
        "StudyDate_DICOM": year * 10_000 + 101, "StudyID": patient * 3 + rng.integers(0, 2, rows),
        "PatientID": patient, "PatientBirth": (year - rng.integers(1, 95, rows)).astype(float),
        "PatientSex_DICOM": rng.choice(["M", "F"], rows), "Manufacturer_DICOM": "PhilipsMedicalSystems",
        "Projection": rng.choice(["PA", "AP", "AP_horizontal", "L", "COSTAL"], rows, p=[0.57, 0.03, 0.09, 0.3, 0.01]),
        "Report": "sin hallazgos patologicos de interes , silueta cardiomediastinica normal .",
        "MethodLabel": rng.choice(["Physician", "RNN_model"], rows, p=[0.27, 0.73]),
        "Labels": rng.choice(several, rows),
    })  # fmt: skip
    root.mkdir()
    name = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
    table.to_csv(root / name, compression={"method": "gzip", "compresslevel": 1})
    return root


def _digits(split: str, number: int) -> str:
    """32 hexadecimal digits, as VinDr-CXR names its images."""
    return hashlib.sha256(f"{split} {number}".encode()).hexdigest()[:32]


def write_vindr(root: Path) -> Path:
    """The label files of VinDr-CXR: 45,000 rows of readers, and 3,000 of the consensus."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, images, readers in (("train", TRAIN, READERS), ("test", TEST, 1)):
        names = [_digits(split, number) for number in range(images) for _ in range(readers)]
        marks = pd.DataFrame(rng.random((len(names), len(FINDINGS))) < 0.05, columns=list(FINDINGS)).astype(int)
        marks = marks.rename(columns={"No Finding": "No finding"})
        reader = {"rad_id": [f"R{1 + number % readers}" for number in range(len(names))]} if readers > 1 else {}
        table = pd.concat([pd.DataFrame({"image_id": names, **reader}), marks], axis=1)
        table.to_csv(root / f"annotations/image_labels_{split}.csv", index=False)
    return root


def build(name: str, root: Path) -> dict:
    """Build a cohort on one core, in a process of its own; what it says of itself."""
    core = sorted(os.sched_getaffinity(0))[:1]
    answer = subprocess.run(
        [sys.executable, "-c", BUILD, name, str(root)], check=True, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )  # fmt: skip
    return json.loads(answer.stdout)


@pytest.mark.parametrize("name", ["padchest", "vindr-cxr"])
def test_cohort_of_full_size(report, tmp_path: Path, name: str) -> None:
    root = {"padchest": write_padchest, "vindr-cxr": write_vindr}[name](tmp_path / name)
    built = [build(name, root) for _ in range(ROUNDS)]
    seconds, memory = [one["seconds"] for one in built], max(one["memory"] for one in built)
    times = {"cohort": seconds, "limit": [30.0] * ROUNDS}
    report.ratio(f"cohort of {name}, {ROWS[name]:,} rows", times, "cohort", "limit", at_least=1)
    data = sum(path.stat().st_size for path in root.rglob("*.csv*")) / 2**20
    before = max(one["before"] for one in built)
    report.memory(f"cohort of {name}", data, before / 2**20, memory / 2**20, MEMORY / 2**20)
    print(f"{built[0]['images']:,} images kept: {min(seconds):.1f} to {max(seconds):.1f} s of processor time, wall "
          f"{min(one['wall'] for one in built):.1f} s, peak memory {memory / 2**20:.0f} MiB")  # fmt: skip
    assert built[0]["images"] == (TRAIN + TEST if name == "vindr-cxr" else built[0]["images"])
    assert built[0]["images"] > 10_000
    assert memory < MEMORY
