"""CheXpert in the batch folders that it is downloaded in, from either folder, and linked together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ssl_bench.data.images import check_images, find_images
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort, check_cohort
from sslbench_datasets.chexpert import Chexpert

TABLES = "CheXpert-v1.0 batch 1 (validate & csv)"


@pytest.fixture
def root(tiny_chexpert: Callable[..., Path]) -> Path:
    """The same images as the small release's, every second training patient in another batch."""
    whole = tiny_chexpert(prefix="CheXpert-v1.0", test=False)
    home = whole / "CheXpert-v1.0"
    for number, patient in enumerate(sorted((home / "train").iterdir())):
        batch = whole / f"CheXpert-v1.0 batch {2 + number % 2} (train {1 + number % 2})"
        batch.mkdir(exist_ok=True)
        patient.rename(batch / patient.name)
    (home / "train").rmdir()
    home.rename(whole / TABLES)
    return whole


def read(root: Path) -> Cohort:
    cohort = Chexpert().read(root)
    check_cohort(cohort)
    return cohort


def test_batches_are_the_same_data(root: Path, tiny_chexpert: Callable[..., Path]) -> None:
    cohort, whole = read(root), read(tiny_chexpert(test=False))
    check_images(cohort)
    for column in ("image_id", "patient_id", "study_id", "split", "age", "Edema"):
        assert cohort.frame[column].equals(whole.frame[column])
    assert cohort.frame["image_path"].iloc[0].startswith("CheXpert-v1.0 batch ")


def test_the_folder_of_the_tables_is_a_root_too(root: Path) -> None:
    cohort = read(root / TABLES)
    check_images(cohort)
    assert cohort.root == root
    assert cohort.frame.equals(read(root).frame)


def test_tables_beside_the_batches(root: Path) -> None:
    for name in ("train.csv", "valid.csv"):
        (root / TABLES / name).rename(root / name)
    check_images(read(root))


def test_a_batch_that_is_not_there_yet(root: Path) -> None:
    shutil.rmtree(root / "CheXpert-v1.0 batch 3 (train 2)")
    with pytest.raises(DataError, match=r"20 of 46 images are not below .*batch 1 .*/train/patient00002/"):
        find_images(read(root))
    assert len(find_images(read(root), skip=True)) == 26


def test_patients_that_are_links_into_the_batches(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "train").mkdir(parents=True)
    for name in ("train.csv", "valid.csv", "valid"):
        (home / name).symlink_to(root / TABLES / name)
    for patient in root.glob("*(train *)/patient*"):
        (home / "train" / patient.name).symlink_to(patient)
    with pytest.raises(DataError, match=rf"46 are links out of it \(into {root}\)"):
        find_images(read(home))
    find_images(read(home), [str(root)])


def test_a_root_two_levels_too_high_or_one_too_low(root: Path) -> None:
    outer = root.parent / f"{root.name}-outer"
    (outer / "in").mkdir(parents=True)
    root.rename(outer / "in/root")
    with pytest.raises(DataError, match=r"it is in .*/in/root/CheXpert-v1\.0 batch 1 .*, give --root"):
        read(outer)
    with pytest.raises(DataError, match=r"it is in .*batch 1 .*, give --root"):
        read(outer / "in/root" / TABLES / "valid")
