"""Laboratory values from a table of any length: memory that does not grow, and the speed of reading.

The table is one block of a million rows, gzipped and repeated, as long as asked for; each length is read by a process
of its own, for the peak of a process never falls. The tables of MIMIC-IV have 158 million rows and more.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BLOCK, PATIENTS, FILMS = 1_000_000, 65_000, 100_000
LENGTHS = (1, 8)
"""Blocks of a table."""

GROWTH = 64.0
"""MiB by which the peak may grow from the shortest to the longest table: what a chunk's buffers vary by."""

READ = """
import json, re, sys, time
from pathlib import Path
import numpy as np
from sslbench_datasets.mimic_cxr.events import Films, key_of, kept, last_values
from sslbench_datasets.mimic_cxr.items import BY_NAME

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

path, cache = Path(sys.argv[1]), Path(sys.argv[2])
rng = np.random.default_rng(1)
patients, number = int(sys.argv[3]), int(sys.argv[4])
films = Films(rng.integers(0, patients, number).astype(str), rng.uniform(4e9, 4.6e9, number))
items, told, reads = [BY_NAME[name] for name in ("creatinine", "lactate", "sodium")], [], []
before, clock = peak(), time.process_time()

def find():
    reads.append(1)
    return last_values(path, items, films, 24 * 365, told.append)

def once():
    return kept(cache, key_of(path, items, films, 24 * 365, told.append), find)

found = once()
seconds = time.process_time() - clock
clock = time.process_time()
again = once()
np.testing.assert_array_equal(found.values, again.values)
print(json.dumps({"before": before, "peak": peak(), "seconds": seconds, "again": time.process_time() - clock,
                  "reads": len(reads), "told": len(told), "found": int(np.isfinite(found.values).sum())}))
"""


def block() -> bytes:
    """A million rows of ``labevents`` with its columns, gzipped; a fifth of them are of the items that are read."""
    rng, rows = np.random.default_rng(0), BLOCK
    when = pd.to_datetime(rng.uniform(4e9, 4.6e9, rows).astype(int), unit="s").strftime("%Y-%m-%d %H:%M:%S")
    value = rng.uniform(0.3, 150, rows).round(1)
    table = pd.DataFrame({
        "labevent_id": np.arange(rows), "subject_id": rng.integers(0, PATIENTS, rows), "hadm_id": "",
        "specimen_id": rng.integers(0, 10**8, rows),
        "itemid": rng.choice([50912, 50813, 50983, *range(51200, 51212)], rows),
        "charttime": when, "storetime": when, "value": value, "valuenum": value, "valueuom": "mg/dL",
        "ref_range_lower": 0.4, "ref_range_upper": 1.1, "flag": "", "priority": "ROUTINE", "comments": "",
    })  # fmt: skip
    return gzip.compress(table.to_csv(index=False).encode(), compresslevel=1)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Tables of several lengths; the header stands in the first block alone."""
    folder = tmp_path_factory.mktemp("events")
    first = block()
    rest = gzip.compress(gzip.decompress(first).split(b"\n", 1)[1], compresslevel=1)
    made = {}
    for blocks in LENGTHS:
        made[blocks] = folder / f"labevents-{blocks}.csv.gz"
        made[blocks].write_bytes(first + rest * (blocks - 1))
    return made


def test_memory_does_not_grow_with_the_table(report, tables: dict[int, Path], tmp_path: Path) -> None:
    peaks, seconds = [], {}
    for blocks, path in tables.items():
        call = [sys.executable, "-c", READ, str(path), str(tmp_path / "cache"), str(PATIENTS), str(FILMS)]
        said = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        report.memory(f"{blocks} million laboratory values, {FILMS:,} films", path.stat().st_size / 2**20,
                      said["before"], said["peak"])  # fmt: skip
        seconds[blocks * BLOCK] = [said["seconds"]]
        report.note(f"{blocks} million laboratory values: {said['again']:.1f} s of processor time when read before.")
        assert said["reads"] == 1  # and the second time it is taken from the cache
        assert said["found"] > 0
        peaks.append(said["peak"])
    report.growth("laboratory values, by rows", seconds)
    assert peaks[-1] < peaks[0] + GROWTH
