"""Small files that would unpack to far more than any table, in each form that a table or features may come in."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from ssl_bench.data import unpacking
from ssl_bench.data.arrow import read_arrow
from ssl_bench.data.content import content_of
from ssl_bench.data.frames import read_frame
from ssl_bench.data.parquet import read_parquet
from ssl_bench.errors import DataError
from ssl_bench.evaluate.features import read_features

MANY = 1 << 25
"""Bytes that the files below unpack to; 32 times the limit that the tests set."""


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "LARGE", 1 << 20)


def zipped(name: str) -> bytes:
    """An archive with one member, an array of zeros."""
    array, archive = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array(array, np.zeros(MANY, dtype=np.int8))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(name, array.getvalue())
    return archive.getvalue()


def of_nothing() -> bytes:
    """An array of a thousand million items of no bytes."""
    array, archive = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_2_0(array, {"descr": "|V0", "fortran_order": False, "shape": (10**9,)})
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("image_ids.npy", array.getvalue())
    return archive.getvalue()


def one_value() -> bytes:
    """A Parquet table of one value, as often as one likes."""
    out = io.BytesIO()
    pq.write_table(pa.table({"image_id": pa.array(np.zeros(MANY // 8, dtype=np.int64))}), out)
    return out.getvalue()


def feather(compression: str) -> bytes:
    """A Feather table of one value, in one packed buffer."""
    out = io.BytesIO()
    table = pa.table({"image_id": pa.array(np.zeros(MANY // 8, dtype=np.int64))})
    pa.feather.write_feather(table, out, compression=compression, chunksize=MANY)
    return out.getvalue()


def of_categories() -> bytes:
    """A table of one row whose categories are packed."""
    out = io.BytesIO()
    values = pa.DictionaryArray.from_arrays([0], pa.array(np.zeros(MANY // 8, dtype=np.int64)))
    pa.feather.write_feather(pa.table({"image_id": values}), out, compression="zstd")
    return out.getvalue()


def of_nulls() -> bytes:
    """A stream of a column without a byte."""
    out = io.BytesIO()
    table = pa.table({"image_id": pa.nulls(MANY)})
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


TEXT = b"image_id,patient_id\n1," + b"0" * MANY
BOMBS: dict[str, Callable[[], bytes]] = {
    "a.npz": lambda: zipped("image_ids.npy"),
    "b.npz": of_nothing,
    "a.parquet": one_value,
    "lz4.feather": lambda: feather("lz4"),
    "zstd.arrow": lambda: feather("zstd"),
    "categories.feather": of_categories,
    "stream.arrow": of_nulls,
    "wide.csv": lambda: b"," * 1_000 + b"\n" + b"1\n" * 40_000,
    "a.csv.zip": lambda: zipped("a.csv"),
    "a.csv.gz": lambda: gzip.compress(TEXT),
    "b.csv.gz": lambda: gzip.compress(TEXT) + gzip.compress(b"1,1\n"),  # whose last bytes speak of the second alone
    "a.csv.bz2": lambda: bz2.compress(TEXT),
    "a.tsv.xz": lambda: lzma.compress(TEXT),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_unpacks_to_much_is_refused_before_it_does(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())
    assert path.stat().st_size < MANY // 200
    tracemalloc.start()
    for read in (read_frame, read_features) if name.endswith(".npz") else (read_frame,):
        with pytest.raises(DataError, match=rf"{name} has [\d,]+ bytes and would unpack to [\d,]+ or more"):
            read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MANY // 2


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_arrow_files_are_read_as_pyarrow_reads_them(tmp_path: Path, compression: str) -> None:
    whole = pd.DataFrame({"image_id": ["a", "b", None] * 9, "x": np.arange(27) / 3})
    whole["kind"] = pd.Categorical(["u", "v", "u"] * 9)
    whole.to_feather(tmp_path / "a.feather", compression=compression)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(read_arrow(tmp_path / "a.feather"), whole)


def test_damaged_arrow_files_are_refused_or_read_and_end_no_process(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.feather", np.random.default_rng(0)
    pd.DataFrame({"image_id": ["a", "b"] * 9, "x": np.arange(18)}).to_feather(path)
    whole = path.read_bytes()
    for number in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        one = tmp_path / f"{number}.feather"
        one.write_bytes(damaged)
        with suppress(DataError):
            assert len(read_frame(one)) <= 18


def test_a_sheet_of_two_cells_far_apart_is_refused(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active["A1"], book.active["ZZ900"] = "image_id", "1"
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="would unpack to"):
        read_frame(tmp_path / "a.xlsx")


def test_an_excel_file_is_looked_at_before_it_is_read(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "a.xlsx").write_bytes(zipped("xl/worksheets/sheet1.xml"))
    with pytest.raises(DataError, match="would unpack to"):
        read_frame(tmp_path / "a.xlsx")


def test_a_table_of_a_cohort_is_held_to_the_same_limit(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(one_value())
    with pytest.raises(DataError, match="would unpack to"):
        read_parquet(tmp_path / "a.parquet", {"image_id": "image_id"})
    (tmp_path / "a.csv.gz").write_bytes(BOMBS["a.csv.gz"]())
    with pytest.raises(DataError, match="would unpack to"):
        content_of(tmp_path / "a.csv.gz")


def test_what_is_packed_as_tables_are_is_read(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 10**9, 50_000).astype(str)
    frame = pd.DataFrame({"image_id": ids, "patient_id": ids, "y_Edema": 0})
    for name in ("a.parquet", "a.csv.gz", "a.csv.zip", "a.csv.xz"):
        getattr(frame, "to_parquet" if name.endswith("parquet") else "to_csv")(tmp_path / name, index=False)
        assert read_frame(tmp_path / name)["image_id"].tolist() == ids.tolist()
    np.savez_compressed(tmp_path / "a.npz", image_ids=ids, patient_ids=ids, y_Edema=np.zeros(len(ids)))
    assert read_frame(tmp_path / "a.npz")["image_id"].tolist() == ids.tolist()
