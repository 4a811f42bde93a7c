"""Body mass index and height before a film: against a plain loop, units, what is left out, and in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.config.config import load
from ssl_bench.data.synthetic import write_layout
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import Registry
from sslbench_datasets.mimic_cxr.body import read_body

HEADER = "subject_id,chartdate,seq_num,result_name,result_value"


def films(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([(who, day, "120000") for who, day in rows], columns=["patient_id", "date", "time"])


def release(folder: Path, *rows: str) -> Path:
    (folder / "hosp").mkdir(parents=True)
    (folder / "hosp" / "omr.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def test_the_last_value_up_to_the_day_counts_in_our_units(tmp_path: Path) -> None:
    root = release(
        tmp_path / "iv",
        "10,2180-05-01,1,BMI (kg/m2),20.5",
        "10,2180-05-06,2,BMI (kg/m2),22.5",
        "10,2180-05-06,1,BMI (kg/m2),21.5",
        "10,2180-05-07,1,BMI (kg/m2),30",
        "10,2180-05-01,1,Height (Inches),70",
        "10,2180-05-01,1,Weight (Lbs),150",
        "11,2180-05-01,1,BMI,31",
        "11,2180-05-02,1,BMI (kg/m2),0",
        "11,2180-05-03,1,BMI (kg/m2),heavy",
        "12,2180-05-01,1,Height,180",
        "99,2180-05-01,1,BMI,25",
    )
    asked = films(("10", "21800506"), ("11", "21800601"), ("12", "21800601"), ("10", "21800430"), ("10", "?"))
    values, counts = read_body(asked, root, chunk=2)
    np.testing.assert_allclose(values["bmi"], [22.5, 31, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(values["height"], [177.8, np.nan, np.nan, np.nan, np.nan])
    assert counts["values of bmi that are implausible, no numbers or without a date"] == 2
    assert counts["images without bmi up to their day"] == 3


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_plain_loop(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    told = [(str(rng.choice([10, 11, 12])), f"2180-01-{rng.integers(1, 29):02d}", number, float(rng.integers(15, 60)))
            for number in range(60)]  # fmt: skip
    asked = films(*((str(rng.choice([10, 11, 13])), f"218001{rng.integers(1, 29):02d}") for _ in range(20)))
    expected = []
    for who, day in zip(asked["patient_id"], asked["date"], strict=True):
        before = [(when, number, value) for patient, when, number, value in told
                  if patient == who and when.replace("-", "") <= day]  # fmt: skip
        expected.append(max(before)[2] if before else np.nan)
    rows = [f"{who},{day},{number},BMI (kg/m2),{value}" for who, day, number, value in told]
    np.testing.assert_array_equal(read_body(asked, release(tmp_path / "iv", *rows), 7).frame["bmi"], expected)


def test_a_missing_or_cut_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "iv" / "hosp").mkdir(parents=True)
    with pytest.raises(DataError, match=r"omr.*leave data\.options\.omr out"):
        read_body(films(("10", "21800506")), tmp_path / "iv")
    (tmp_path / "iv" / "hosp" / "omr.csv").write_text("subject_id,chartdate\n")
    with pytest.raises(DataError, match="seq_num"):
        read_body(films(("10", "21800506")), tmp_path / "iv")


def test_a_run_names_them(registry: Registry, tmp_path: Path) -> None:
    root = tmp_path / "mimic"
    write_layout(registry, "mimic-cxr", {"patients": 40, "size": 32}, root)
    data = {"name": "mimic-cxr", "root": str(root), "options": {"omr": True}}
    with pytest.raises(UsageError, match="no feature 'bmi'"):
        make_plan(load({"data": {**data, "options": {}}, "method": "msn-ehr", "ehr": {"features": "bmi"}},
                       name="smoke"), registry, tmp_path / "cache")  # fmt: skip
    plan = make_plan(load({"data": data, "method": "msn-ehr", "ehr": {"features": "age,bmi"}}, name="smoke"),
                     registry, tmp_path / "cache")  # fmt: skip
    known = plan.cohort.frame["bmi"].dropna()
    assert 0 < len(known) < len(plan.cohort.frame)
    assert known.between(10, 100).all()
    assert "height" not in plan.cohort.frame  # not asked for
