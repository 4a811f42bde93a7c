"""Small inputs that data tools get wrong without a word, through ``sslbench data check``: read right, or named.

Each stands for a kind; the kinds' other members are beside the mechanism (tests/data/test_content.py, test_ids.py,
test_images.py, test_own_split.py); those that are about pixels alone in tests/data/test_case_pixels.py.
"""

from __future__ import annotations

import io
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

Cli = Callable[..., Any]


def table(root: Path, **columns: list[str]) -> pd.DataFrame:
    frame = pd.read_csv(root / "mine.csv", dtype=str, keep_default_na=False)
    return frame.assign(**{name: (values * 60)[:60] for name, values in columns.items()})


def remap(root: Path, **changes: object) -> None:
    values = yaml.safe_load((root / "columns.yaml").read_text()) | changes
    (root / "columns.yaml").write_text(yaml.safe_dump(values))


def write(root: Path, frame: pd.DataFrame, encoding: str = "utf-8") -> None:
    frame.to_csv(root / "mine.csv", index=False, encoding=encoding)


def long_ids(root: Path) -> None:
    numbers = [2**53 + int(name) for name in table(root)["person"]]
    table(root).assign(person=numbers).to_parquet(root / "mine.parquet")
    remap(root, table="mine.parquet")


def cp1252(root: Path) -> None:
    write(root, table(root).replace({"gender": {"male": "m\u00e4nnlich"}}), "cp1252")
    remap(root, features={"sex": {"column": "gender", "values": {"m\u00e4nnlich": "M", "female": "F"}}})


def cp1252_said(root: Path) -> None:
    cp1252(root)
    remap(root, encoding="cp1252")


def backslashes(root: Path) -> None:
    write(root, table(root).assign(file=table(root)["file"].str.replace("/", "\\")))


def two_spellings(root: Path) -> None:
    frame = table(root)
    write(root, frame.assign(person=[name if n % 2 else f"{int(name)}.0" for n, name in enumerate(frame["person"])]))


def decomposed(root: Path) -> None:
    name = unicodedata.normalize("NFD", "R\u00f6ntgen")
    (root / "films").rename(root / name)
    write(root, table(root).assign(file=table(root)["file"].str.replace("films", "R\u00f6ntgen")))


def workbook(root: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    (root / "mine.csv").write_bytes(file.getvalue())


def no_ending(root: Path) -> None:
    write(root, table(root).assign(file=table(root)["file"].str.removesuffix(".png")))


def words(root: Path) -> None:
    write(root, table(root, gender=["Male", "female"]))
    remap(root, features={"sex": "gender"})


def words_mapped(root: Path) -> None:
    words(root)
    remap(root, features={"sex": {"column": "gender", "values": {"Male": "M", "female": "F"}}})


def several_findings(root: Path) -> None:
    write(root, table(root, Edema=["Edema, Effusion", "No Finding"]))
    remap(root, labels={"column": "Edema"})


def linked(root: Path) -> None:
    shutil.move(root / "films", root.parent / f"{root.name}-nas")
    (root / "films").symlink_to(root.parent / f"{root.name}-nas")


def half(root: Path) -> None:
    for film in (root / "films").glob("*-1.png"):
        film.unlink()


CASES: dict[str, tuple[Callable[[Path], None], list[str], int, str]] = {
    "02 links": (linked, [], 3, r"60 are links out of it .* add --follow-links"),
    "02 links allowed": (linked, ["--follow-links", "any"], 0, "all 60 are there"),
    "03 a part": (half, [], 3, "30 do not exist: complete the download, .*--on-missing skip"),
    "03 a part taken": (
        half,
        ["--on-missing", "skip"],
        0,
        "missing images, left out: 30 .*all 30 are there",
    ),
    "10b long ids": (long_ids, [], 0, "60 images, 60 studies, 30 patients"),
    "13 cp1252": (cp1252, [], 3, "is not in UTF-8: line 2 reads 'm\u00e4nnlich' in cp1252.*set encoding: cp1252"),
    "13 cp1252 said": (cp1252_said, [], 0, r"feature sex 100\.0%"),
    "14 backslashes": (backslashes, [], 0, "images read with slashes for backslashes: 60"),
    "16 spellings": (two_spellings, [], 3, "patient_id has 30 ids in two spellings"),
    "16 spellings merged": (two_spellings, ["--set", "data.similar_ids=merge"], 0, "60 studies, 30 patients"),
    "20b Unicode": (decomposed, [], 0, "images read under another Unicode form of the name: 60"),
    "84 workbook": (workbook, [], 3, r"is a spreadsheet \(\.xlsx\); open it and save it as CSV"),
    "94 no ending": (no_ending, [], 0, "images read under an ending that the table lacks: 60"),
    "98 words": (words, [], 3, r"sex expects M or F; column gender of .* has '(Male|female)' \(30\)"),
    "98 words mapped": (words_mapped, [], 0, r"feature sex 100\.0%"),
    "99d several": (several_findings, [], 0, "positive images 'Edema, Effusion' 30"),
}


def told(out: str) -> str:
    """What a table says, without its frame and its folds."""
    return " ".join(re.sub(r"[^\w\s.,;:'%()/<>=*\\-]", " ", out).split())


@pytest.mark.parametrize("case", CASES)
def test_tables(sslbench: Cli, tiny_table: Callable[..., Path], case: str) -> None:
    spoil, arguments, code, expected = CASES[case]
    root = tiny_table()
    spoil(root)
    answer = sslbench("data", "check", "table", "--columns", root / "columns.yaml", "--root", root, "--sample", 4,
                      *arguments)  # fmt: skip
    assert answer.code == code, answer.out
    assert re.search(expected, told(answer.out)), told(answer.out)


def test_34_nih_under_another_ending(sslbench: Cli, tiny_nih: Callable[..., Path]) -> None:
    root = tiny_nih(fresh=True)
    for film in root.rglob("*.png"):
        film.rename(film.with_suffix(".jpg"))
    answer = sslbench("data", "check", "nih14", "--root", root, "--sample", 4)
    assert answer.code == 0, answer.out
    assert "images read under another ending (.jpg for .png): 120" in told(answer.out)


def test_30_the_genuine_test_labels_of_mimic(sslbench: Cli, tmp_path: Path) -> None:
    answer = sslbench("data", "synth", tmp_path / "m", "--layout", "mimic-cxr", "--patients", 20, "--size", 32)
    assert answer.code == 0, answer.err
    header = (tmp_path / "m/mimic-cxr-2.1.0-test-set-labeled.csv").read_text().splitlines()[0].split(",")
    assert "Airspace Opacity" in header
    answer = sslbench("run", "--dry-run", "--data", "mimic-cxr", "--root", tmp_path / "m", "--preset", "smoke",
                      "--method", "msn", "--set", "data.options.test_labels=true")  # fmt: skip
    assert answer.code == 0, answer.err


def test_a_feature_without_any_value_titles_no_run(sslbench: Cli, tiny_nih: Callable[..., Path]) -> None:
    root = tiny_nih(fresh=True)
    file = next(root.glob("Data_Entry*.csv"))
    file.write_text(re.sub(r",[MF],", ",U,", file.read_text()))
    answer = sslbench("run", "--dry-run", "--data", "nih14", "--root", root, "--preset", "smoke", "--features", "sex")
    assert (answer.code, "sex asked for, and none of the" in answer.sentence) == (3, True)
    assert "unknown sex: 120" in answer.sentence
