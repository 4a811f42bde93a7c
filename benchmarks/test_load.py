"""A table of a million rows, planned and evaluated, and parts of it: processor time, peak memory, growth.

Planning reads the table, checks every row and looks for every image file (empty here, for no image is decoded before
the plan stands). Evaluating reads predictions of 14 findings, checks them, and computes all intervals from 1,000
resamples of patients, as ``sslbench score`` does. Each is done by a process of its own, so that its peak memory,
interpreter and imports included, is its own too. Times are processor time, which is what one core needs when it has
nothing else to do: what two cores are promised is compared with what one takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.plugin.labels import CHEXPERT14

SIZES = (250_000, 500_000, 1_000_000)
IMAGES_A_PATIENT = 3
PLANNED, EVALUATED = 30.0, 180.0
"""Seconds that a million rows may take."""
PLAN_MEMORY, EVALUATE_MEMORY = 2 * 2**30, 4 * 2**30
FILES = {"planned": "table.csv", "evaluated": "predictions.parquet"}

CLOCK = """
import json, re, sys, time
from pathlib import Path
def peak():  # its own: that of getrusage is never below what the process that started it had taken
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

def done(begin, before, result):
    seconds = time.process_time() - begin
    print(json.dumps({"seconds": seconds, "before": before, "memory": peak(), "result": result}))

folder = Path(sys.argv[1])
"""

PLAN = (
    CLOCK
    + """
from ssl_bench.config.config import load
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import discover
data = {"name": "table", "root": str(folder.parent), "options": {"columns": str(folder / "columns.yaml")}}
config = load({"data": data, "method": {"name": "msn-ehr"}, "ehr": {"features": ["age", "sex"]}}, name="demo")
registry, before, begin = discover(), peak(), time.process_time()
done(begin, before, len(make_plan(config, registry, folder / "cache").cohort))
"""
)

EVALUATE = (
    CLOCK
    + """
from ssl_bench.stats.predictions import read_predictions
from ssl_bench.results.rows import table_rows
before, begin = peak(), time.process_time()
rows = list(table_rows(read_predictions(folder / "predictions.parquet"), 1000, 0))
done(begin, before, sum(row.ci_low is not None for row in rows))
"""
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A table, a column map and predictions for each size; all tables name the files of one folder."""
    root = tmp_path_factory.mktemp("load")
    paths = image_files(root, max(SIZES))
    found = {}
    for size in SIZES:
        found[size] = root / f"rows{size}"
        found[size].mkdir()
        write(found[size], paths[:size])
    return found


def image_files(root: Path, number: int) -> list[str]:
    """Empty files, 1,000 in a folder; their paths."""
    for folder in range(number // 1000):
        (root / f"images/{folder:04d}").mkdir(parents=True)
    paths = [f"images/{image // 1000:04d}/{image:08d}.jpg" for image in range(number)]
    for path in paths:
        os.close(os.open(root / path, os.O_CREAT))
    return paths


def write(folder: Path, paths: list[str]) -> None:
    """The table with its column map, and predictions without ties."""
    rng, size = np.random.default_rng(0), len(paths)
    number = np.sort(rng.integers(0, size // IMAGES_A_PATIENT, size))
    patient = np.char.add("p", number.astype(str))
    split = np.array(["train", "validate", "test"])[np.searchsorted([0.7, 0.8], rng.random(number.max() + 1))]
    table = pd.DataFrame({
        "path": paths, "id": np.char.add("i", np.arange(size).astype(str)), "patient": patient,
        "age": rng.integers(18, 95, size), "sex": rng.choice(["M", "F", ""], size), "split": split[number],
    })  # fmt: skip
    for finding in CHEXPERT14:
        table[finding] = rng.choice(["", "1.0", "0.0", "-1.0"], size, p=[0.5, 0.2, 0.25, 0.05])
    table.to_csv(folder / "table.csv", index=False)
    keys = {"image_path": "path", "image_id": "id", "patient_id": "patient", "split": "split"}
    described = {"table": f"{folder.name}/table.csv", **keys, "features": {"age": "age", "sex": "sex"}}
    (folder / "columns.yaml").write_text(json.dumps({**described, "labels": list(CHEXPERT14)}))  # JSON is YAML
    truth = (rng.random((size, 14)) < np.geomspace(0.02, 0.4, 14)).astype(float)
    frame = table[["id", "patient"]].set_axis(["image_id", "patient_id"], axis=1)
    scores = 1 / (1 + np.exp(-rng.normal(size=truth.shape) - truth))
    for column, finding in enumerate(CHEXPERT14):
        frame[f"y_{finding}"], frame[f"p_{finding}"] = truth[:, column], scores[:, column]
    frame.to_parquet(folder / "predictions.parquet", index=False)


def measured(program: str, folders: dict[int, Path], rounds: int) -> dict[int, list[dict]]:
    """What a process of its own says for each size, round by round."""
    found: dict[int, list[dict]] = {size: [] for size in folders}
    for _ in range(rounds):
        for size, folder in folders.items():
            command = [sys.executable, "-c", program, str(folder)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            found[size].append(json.loads(answer.stdout))
    return found


@pytest.mark.parametrize(
    ("case", "program", "rounds", "seconds", "memory"),
    [("planned", PLAN, 3, PLANNED, PLAN_MEMORY), ("evaluated", EVALUATE, 1, EVALUATED, EVALUATE_MEMORY)],
)
def test_a_million_rows(
    report, folders: dict[int, Path], case: str, program: str, rounds: int, seconds: float, memory: int
) -> None:
    found = measured(program, folders, rounds)
    times = {size: [one["seconds"] for one in each] for size, each in found.items()}
    report.growth(f"rows {case}, by rows", times)
    sides = {"sslbench": times[max(SIZES)], "limit": [seconds] * rounds}
    report.ratio(f"1,000,000 rows {case}", sides, "sslbench", "limit", at_least=1)
    peak = {size: max(one["memory"] for one in each) for size, each in found.items()}
    for size, used in peak.items():
        begun, data = found[size][0]["before"], folders[size] / FILES[case]
        limit = memory / 2**20 if size == max(SIZES) else None
        report.memory(f"{size:,} rows {case}", data.stat().st_size / 2**20, begun / 2**20, used / 2**20, limit)
    assert peak[max(SIZES)] < memory
    whole = found[max(SIZES)][0]["result"]
    assert whole == (max(SIZES) if case == "planned" else 2 * (14 + 1))
