"""Tiny files in the layouts of CheXpert and of somebody's own table, for the tests and the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_bench.plugin.labels import CHEXPERT14

CHEXPERT_HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT14)

COLUMN_MAP = """
table: mine.csv
image_path: file
patient_id: person
split: set
features:
  age: years
  sex: {column: gender, values: {male: M, female: F}}
  mortality: {column: survival, values: {"Y": 0, "N": 1}}
labels: [Edema, Fracture]
"""


def write_grey(path: Path, value: int = 99, size: int = 8) -> None:
    """A square of a ramp from a grey value on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.linspace(value, value + 100, size * size).reshape(size, size).astype(np.uint8)).save(path)


def chexpert_row(path: str, *, sex: str = "Male", age: str = "57", side: str = "Frontal", view: str = "AP",
                 **labels: str) -> list[str]:  # fmt: skip
    """A row of CheXpert's tables; labels by name with underscores for spaces, blank where not given."""
    return [path, sex, age, side, view, *(labels.get(finding.replace(" ", "_"), "") for finding in CHEXPERT14)]


def write_rows(path: Path, rows: list[list[str]], header: tuple[str, ...] = CHEXPERT_HEADER) -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in [list(header), *rows]) + "\n")
    return path


def write_chexpert(root: Path, *, prefix: str = "CheXpert-v1.0-small", patients: int = 40, test: bool = True) -> Path:
    """CheXpert in little: a frontal film a patient, a lateral one of every third, valid.csv and test.csv."""
    home = root / (prefix or "CheXpert-v1.0")
    for split, first, count in (("train", 1, patients), ("valid", 900, 6), ("test", 950, 6)):
        if split == "test" and not test:
            continue
        rows = []
        for patient in range(first, first + count):
            folder = f"{split}/patient{patient:05d}/study1"
            marks = {"Edema": ("1.0", "0.0", "-1.0", "")[patient % 4], "Fracture": ("1.0", "0.0")[patient % 2]}
            films = [("view1_frontal", "Frontal", "PA"), ("view2_lateral", "Lateral", "")]
            for name, side, view in films[: 2 if patient % 3 == 0 else 1]:
                write_grey(home / folder / f"{name}.jpg", patient % 200)
                path = f"{prefix}/{folder}/{name}.jpg".lstrip("/")
                sex = ("Male", "Female")[patient % 2]
                rows.append(chexpert_row(path, age=str(20 + patient % 60), sex=sex, side=side, view=view, **marks))
        write_rows(home / f"{split}.csv", rows)
    return root


def write_table(root: Path, patients: int = 30) -> Path:
    """Somebody's own table of two images a patient, with its column map beside it."""
    rows = []
    for patient in range(patients):
        for image in range(2):
            write_grey(root / f"films/{patient}-{image}.png", 3 * patient)
            kind = ("train", "train", "train", "val", "test")[patient % 5]
            rows.append([f"films/{patient}-{image}.png", f"{patient:03d}", kind, str(30 + patient),
                         ("male", "female")[patient % 2], "YYN"[patient % 3], "10"[patient % 2],
                         ("0", "1", "-1")[(patient + image) % 3]])  # fmt: skip
    write_rows(root / "mine.csv", rows, ("file", "person", "set", "years", "gender", "survival", "Edema", "Fracture"))
    (root / "columns.yaml").write_text(COLUMN_MAP)
    return root


@pytest.fixture(scope="session")
def tiny_chexpert(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``tiny_chexpert(prefix=..., test=True)``: a folder in CheXpert's native layout, a new one every time."""
    return lambda **options: write_chexpert(tmp_path_factory.mktemp("chexpert"), **options)


@pytest.fixture(scope="session")
def tiny_table(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``tiny_table()``: a folder with ``mine.csv``, ``films/`` and ``columns.yaml``, a new one every time."""
    return lambda **options: write_table(tmp_path_factory.mktemp("table"), **options)
