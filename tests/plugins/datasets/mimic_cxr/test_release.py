"""Where MIMIC-IV is looked for, and which layout it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl_bench.errors import DataError, UsageError
from sslbench_datasets.mimic_cxr.release import find_folder, find_tables


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_the_first_folder_that_exists(tmp_path: Path) -> None:
    assert find_folder(tmp_path) is None
    (tmp_path / "core").mkdir()
    assert find_folder(tmp_path) == tmp_path
    (tmp_path / "mimic-iv").mkdir()
    assert find_folder(tmp_path) == tmp_path / "mimic-iv"
    (tmp_path / "mimiciv").mkdir()
    assert find_folder(tmp_path) == tmp_path / "mimiciv"
    assert find_folder(tmp_path, str(tmp_path)) == tmp_path
    with pytest.raises(UsageError, match="--ehr-root expects the folder of MIMIC-IV, found no folder at nowhere"):
        find_folder(tmp_path, "nowhere")


@pytest.mark.parametrize(("layout", "ending"), [("hosp", ".csv.gz"), ("core", ".csv"), ("core", ".csv.gz")])
def test_layouts(tmp_path: Path, layout: str, ending: str) -> None:
    names = [f"{layout}/patients{ending}", f"{layout}/admissions{ending}", f"icu/icustays{ending}"]
    touch(tmp_path, *names, "hosp/labevents.csv.gz")  # v1.0 has a hosp/ too
    assert find_tables(tmp_path) == tuple(tmp_path / name for name in names)


def test_missing_tables_are_all_told(tmp_path: Path) -> None:
    touch(tmp_path, "core/patients.csv", "core/admission.csv")
    with pytest.raises(DataError, match="2 problems") as error:
        find_tables(tmp_path)
    assert "expected admissions.csv.gz or admissions.csv in " in str(error.value)
    assert "found admission.csv, patients.csv" in str(error.value)
    assert "expected icustays.csv.gz or icustays.csv in " in str(error.value)
    with pytest.raises(DataError, match="3 problems"):
        find_tables(tmp_path / "absent")


def test_two_releases_in_one_folder_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "core/patients.csv", "hosp/patients.csv.gz")
    with pytest.raises(DataError, match="expected one release of MIMIC-IV"):
        find_tables(tmp_path)
