"""CSV files, whole and broken."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.tables import TextTable, find, first_present, gzipped_or_plain, read_csv, unique_rows
from ssl_bench.errors import DataError


def read_columns(path: Path, names: list[str]) -> pd.DataFrame:
    return read_csv(path, {name: name for name in names}).frame


def write(path: Path, text: str) -> Path:
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_text_by_name_in_the_order_asked_for(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 'note,b,a\n"x, ""y""\nz", 007 ,NA\nn,1e5,\n')
    assert read_columns(path, ["a", "b"]).to_dict("list") == {"a": ["NA", ""], "b": ["007", "1e5"]}


@pytest.mark.parametrize(
    "text", ["a,b\n1,2,\n3,4,\n", "\ufeffa,b\r\n1,2\r\n3,4\r\n", "b,a\n2,1\n4,3", "a, b\n1,2\n3,4\n"]
)
def test_final_commas_byte_order_mark_and_line_ends(tmp_path: Path, text: str) -> None:
    assert read_columns(write(tmp_path / "t.csv", text), ["a", "b"]).to_dict("list") == {
        "a": ["1", "3"],
        "b": ["2", "4"],
    }


def test_rows_that_end_early_are_blank(tmp_path: Path) -> None:
    assert read_columns(write(tmp_path / "t.csv", "a,b\n1\n3,4\n"), ["a", "b"]).to_dict("list") == {
        "a": ["1", "3"],
        "b": ["", "4"],
    }


def test_our_names_spellings_and_columns_that_a_file_may_lack(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.gz", "Patient_ID,Sex\n1,M\n")
    columns = {"patient": "Patient ID", "sex": "sex", "age": "Age"}
    table = read_csv(path, columns, optional=("sex", "age"), spelling=lambda name: name.replace("_", " ").lower())
    assert table.frame.to_dict("list") == {"patient": ["1"], "sex": ["M"]}
    assert table.source == {"patient": "Patient_ID", "sex": "Sex"}
    assert first_present(path, {"age": "Age", "sex": "Sex", "patient": "Patient_ID"}) == "sex"
    assert first_present(path, {"age": "Age", "study": "Study"}) == "age"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("subject,b\n1,2\n", r"lacks subject_id \(did you mean 'subject'\?\); expected the columns subject_id; found"),
        ("subject_id,subject_id\n1,2\n", "has the columns subject_id twice"),
        ("", "is empty; download it again"),
        (" \n\n", "lacks subject_id.*found an empty file"),
        ("subject_id\n", "has a header and no rows"),
        ("a,subject_id\n1,2\nCHEST (PA, LAT),3\n", "must have 2 values in a row; 1 rows have more, first on line 3"),
        ('subject_id\n"1\n2\n', "is not a whole CSV file"),
    ],
)
def test_wrong_columns_and_empty_files(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read_columns(write(tmp_path / "t.csv", text), ["subject_id"])


def test_broken_archives_are_named(tmp_path: Path) -> None:
    whole = gzip.compress(("subject_id\n" + "".join(f"{n * n}\n" for n in range(20_000))).encode())
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2] ^= 0xFF
    for content in (whole[: len(whole) // 2], whole[:5], b"no archive", bytes(spoilt), b""):
        (tmp_path / "t.csv.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"t\.csv\.gz"):
            read_columns(tmp_path / "t.csv.gz", ["subject_id"])
    (tmp_path / "t.csv").write_bytes(b"subject_id\n\xff\xfe\x00\n")
    with pytest.raises(DataError, match=r"t\.csv is not a whole CSV file"):
        read_columns(tmp_path / "t.csv", ["subject_id"])


def test_files_are_found_gzipped_or_plain(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected b\.csv\.gz or b\.csv in .*found no CSV file"):
        find(tmp_path, gzipped_or_plain(["b"]))
    plain = write(tmp_path / "a.csv", "x")
    with pytest.raises(DataError, match=r"expected b\.csv\.gz or b\.csv in .*found a\.csv"):
        find(tmp_path, gzipped_or_plain(["b"]))
    assert find(tmp_path, gzipped_or_plain(["b", "a"])) == plain
    assert find(tmp_path, gzipped_or_plain(["a"])) == plain
    assert find(tmp_path, [write(tmp_path / "a.csv.gz", "x").name, "a.csv"]).suffix == ".gz"


def test_blank_ids_and_rows_that_differ() -> None:
    table = pd.DataFrame({"study": ["1", "1", ""], "value": ["a", "b", "c"]})
    with pytest.raises(DataError, match=r"study must not be blank; t\.csv has 1 rows without it, first on line 4"):
        TextTable(Path("t.csv"), table, {"study": "study"}).check_filled("study")
    with pytest.raises(DataError, match=r"t\.csv must have one row for each study; 1 have several that differ: 1"):
        unique_rows(table, Path("t.csv"), ["study"])
    assert len(unique_rows(table.assign(value="a"), Path("t.csv"), ["study"])) == 2
