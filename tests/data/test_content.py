"""Files that are not what their name says: read by what they are, or refused by that name."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.content import content_of, read_text
from ssl_bench.data.tables import Written, read_csv
from ssl_bench.errors import DataError, UsageError

TEXT = "name,sex\nMüller,männlich\nGroß,weiblich\n"
ROWS = {"name": ["Müller", "Groß"], "sex": ["männlich", "weiblich"]}
TOLD = "in the column map"


def read(path: Path, **written: str) -> dict[str, list[str]]:
    table = read_csv(path, {"name": "name", "sex": "sex"}, written=Written(**written, told=TOLD))
    return {str(name): values.tolist() for name, values in table.frame.items()}


def put(folder: Path, content: bytes, name: str = "t.csv") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TEXT.encode(), "t.csv"),
        (TEXT.encode("utf-8-sig"), "t.csv"),
        (TEXT.encode("utf-16"), "t.csv"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "t.csv"),
        (TEXT.encode("utf-32"), "t.csv"),
        (gzip.compress(TEXT.encode(), mtime=0), "t.csv"),
        (gzip.compress(TEXT.encode("utf-16"), mtime=0), "t.csv.gz"),
        (TEXT.encode(), "t.csv.gz"),
        (TEXT.replace("\n", "\r\n").encode(), "t.csv"),
        (TEXT.replace("\n", "\r").encode(), "t.csv"),
        (f"\n{TEXT}".encode(), "t.csv"),
        (f"\r\n , \r\n{TEXT}".encode(), "t.csv"),
        (f"sep=;\n{TEXT}".replace(",", ";").encode(), "t.csv"),
        (f'"sep=\t"\n{TEXT}'.replace(",", "\t").encode("utf-16"), "t.csv"),
    ],
)
def test_what_is_unambiguous_is_read(tmp_path: Path, content: bytes, name: str) -> None:
    assert read(put(tmp_path, content, name)) == ROWS


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "utf-16-be", "utf-8"])
def test_an_encoding_that_the_user_says_is_read(tmp_path: Path, encoding: str) -> None:
    assert read(put(tmp_path, TEXT.encode(encoding)), encoding=encoding) == ROWS
    assert read(put(tmp_path, gzip.compress(TEXT.encode(encoding))), encoding=encoding) == ROWS


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TEXT.encode("cp1252"), "is not in UTF-8: line 2 reads 'Müller' in cp1252.*set encoding: cp1252 in the column"),
        (
            TEXT.encode("utf-16-le"),
            "is text in utf-16-le without a byte order mark; set encoding: utf-16-le",
        ),
        (TEXT.encode("utf-16-be"), "is text in utf-16-be without a byte order mark"),
        (TEXT.replace(",", ";").encode(), 'values are separated by semicolons; set separator: ";" in the column map'),
        (TEXT.replace(",", "\t").encode(), "values are separated by tabs"),
        (f"# 2024\n{TEXT}".encode(), "its header is on line 2; remove the lines above it"),
        (f"Export\n\n{TEXT}".replace(",", ";").encode(), "separated by semicolons.*and its header is on line 3"),
        (TEXT.replace("name,sex", "Name,Sex").encode(), r"did you mean 'Name'\? did you mean 'Sex'\?"),
        (TEXT.replace("name,sex", "name,sex,sex").encode(), "has the columns sex twice|has more"),
        (json.dumps([{"name": 1}]).encode(), "is JSON; save it as CSV"),
        (b'{"name": {}}', "is JSON"),
        (b"\n <!DOCTYPE html><html><body>Log in</body></html>", r"is a web page \(HTML\), such as a login page"),
        (b"<?xml version='1.0'?><table/>", "web page|XML"),
        (bz2.compress(TEXT.encode()), "is a bzip2 archive; unpack it"),
        (lzma.compress(TEXT.encode()), "is an xz archive"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
            r"is an Excel workbook \(\.xls\); open it and save it as CSV",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a Git LFS pointer"),
        (b"", "is empty"),
    ],
)
def test_what_is_not_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    with pytest.raises(DataError, match=rf"t\.csv .*({expected})"):
        read(put(tmp_path, content))


def zipped(**names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, name in names.items():
            archive.writestr(name, number)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("meta.csv"))
    return file.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (a)")
    return connection.serialize()


def parquet() -> bytes:
    file = io.BytesIO()
    pd.DataFrame(ROWS).to_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: zipped(a="xl/workbook.xml", b="[Content_Types].xml"), r"a spreadsheet \(\.xlsx\); open it and save"),
        (lambda: zipped(a="mimetype", b="content.xml"), r"a spreadsheet \(\.ods\)"),
        (lambda: zipped(a="meta.csv"), r"a zip archive of meta\.csv; unpack it first"),
        (tarred, "a tar archive"),
        (database, "an SQLite database"),
        (parquet, r"a Parquet file; name it \.parquet"),
    ],
)
def test_containers_are_named(tmp_path: Path, make: Callable[[], bytes], expected: str) -> None:
    with pytest.raises(DataError, match=rf"t\.csv is {expected}"):
        read(put(tmp_path, make()))


def test_an_encoding_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is UTF-8, in cp1252 its letters would be others"):
        read(put(tmp_path, TEXT.encode()), encoding="cp1252")
    with pytest.raises(DataError, match="is not text in ascii"):
        read(put(tmp_path, TEXT.encode()), encoding="ascii")
    with pytest.raises(UsageError, match="unknown encoding 'cp12520'"):
        read(put(tmp_path, TEXT.encode()), encoding="cp12520")


def test_lines_are_counted_from_the_top_of_the_file(tmp_path: Path) -> None:
    table = read_csv(put(tmp_path, b"\n\nname,sex\nA,M\n,F\n"), {"name": "name"})
    with pytest.raises(DataError, match="first on line 5"):
        table.check_filled("name")


def test_lists_are_text_too(tmp_path: Path) -> None:
    assert read_text(put(tmp_path, "a\nb".encode("utf-16"))).split() == ["a", "b"]
    assert read_text(put(tmp_path, b"")) == ""
    with pytest.raises(DataError, match="is not in UTF-8"):
        read_text(put(tmp_path, "ä".encode("cp1252")))


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + bytes(1000))
    (tmp_path / "t.csv.gz").write_bytes(packed[:-4] + (3 << 30).to_bytes(4, "little"))
    with pytest.raises(DataError, match=r"\d+ bytes and would unpack to 3,221,225,472 or more"):
        content_of(tmp_path / "t.csv.gz")
    (tmp_path / "t.csv.gz").write_bytes(packed)
    assert content_of(tmp_path / "t.csv.gz").compression == "gzip"
