"""NIH as written is read by the loader of the genuine files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from ssl_bench.data.splits import check_leakage
from ssl_bench.plugin.cohort import Cohort, check_cohort, missing_images
from ssl_bench.plugin.labels import NIH14
from ssl_bench.testing import check_dataset
from sslbench_datasets.nih14 import Nih14
from sslbench_synthetic.cohort.population import FINDINGS, OUTPATIENT
from sslbench_synthetic.cohort.writer import HEADER
from sslbench_synthetic.hospitals.population import draw_studies
from sslbench_synthetic.hospitals.profiles import RESEARCH


@pytest.fixture(scope="module")
def root(hospital: Callable[..., Path]) -> Path:
    return hospital("nih14")


@pytest.fixture(scope="module")
def cohort(root: Path) -> Cohort:
    return Nih14().read(root)


def test_the_cohort_is_sound(cohort: Cohort) -> None:
    check_cohort(cohort)
    check_leakage(cohort)
    assert not missing_images(cohort)
    assert cohort.labels == NIH14
    assert cohort.official_split
    assert set(cohort.frame["split"]) == {"train", "validate", "test"}
    assert cohort.counts == {"implausible or unreadable age": 3}


def test_the_suite_for_datasets_passes(root: Path) -> None:
    check_dataset("nih14", root)


def test_what_is_read_is_what_was_planted(cohort: Cohort) -> None:
    planted = draw_studies(RESEARCH, 60, 0)
    frame = cohort.frame
    assert list(frame["patient_id"]) == list(planted["patient"].astype(str))
    assert (frame["view"].eq("PA") == planted["setting"].eq(OUTPATIENT)).all()
    assert (frame["sex"].eq("M") == planted["male"].eq(1)).all()
    known = frame["age"].notna()
    assert (frame.loc[known, "age"] == planted.loc[known, "age"]).all()
    for finding in FINDINGS:
        assert (frame[finding] == (planted[finding] > 0)).all()


def test_quirks(root: Path) -> None:
    table = (root / "Data_Entry_2017_v2020.csv").read_text()
    assert table.splitlines()[0] == HEADER
    assert "No Finding" in table
    assert "|" in table
    assert not (root / "test_list.txt").read_text().endswith("\n")
    assert {Image.open(path).mode for path in root.rglob("*.png")} == {"L", "RGBA"}
    assert len(list(root.glob("images_*/images"))) == 12


def test_older_layout_and_flat_folder(hospital: Callable[..., Path], cohort: Cohort) -> None:
    old = hospital("nih14", release="2017", folders="flat")
    assert not (old / "Data_Entry_2017_v2020.csv").exists()
    assert pd.read_csv(old / "Data_Entry_2017.csv", usecols=[4]).iloc[:, 0].str.fullmatch(r"\d{3}Y").all()
    read = Nih14().read(old)
    assert read.frame.drop(columns="image_path").equals(cohort.frame.drop(columns="image_path"))
    assert read.frame["image_path"].str.fullmatch(r"images/\d{8}_\d{3}\.png").all()
    assert not missing_images(read)


def test_the_mark_makes_a_cohort_synthetic(root: Path, cohort: Cohort, tmp_path: Path) -> None:
    assert not cohort.synthetic  # the core leaves the mark beside what a writer wrote
    marked = shutil.copytree(root, tmp_path / "marked")
    (marked / "synthetic.json").write_text("{}")
    assert Nih14().read(marked).synthetic
