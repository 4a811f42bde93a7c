"""Parquet files as the text that a CSV file would have: digit by digit, never through a float."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ssl_bench.data.tables import TextTable, check_columns
from ssl_bench.data.unpacking import check_parquet
from ssl_bench.errors import DataError, shortened

EXACT = 2**53
"""Whole numbers from here on share floating-point numbers with their neighbours (of 64 bits; of 32 from 2**24)."""

NAMES = ("patient_id", "study_id", "image_id")
"""Columns whose numbers are names: a lost digit is another patient."""


def read_parquet(path: Path, columns: Mapping[str, str], joined: str = "|") -> TextTable:
    """The columns of a Parquet file as text, under our names.

    Args:
        path: of the file.
        columns: the file's name of each column by ours.
        joined: what stands between the items of a list.

    Raises:
        DataError: it is no Parquet file, columns are missing or occur twice, or ids lost digits before they came here.
    """
    try:
        check_parquet(path)
        table = pq.ParquetFile(path).read()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} is not a Parquet file: {' '.join(str(error).split())}") from None
    header = [str(name) for name in table.column_names]
    check_columns(path, header, list(columns.values()))
    if not table.num_rows:
        raise DataError(f"{path} has columns and no rows")
    found = {ours: table.column(header.index(name)) for ours, name in columns.items()}
    for ours in NAMES:
        if ours in found:
            _check_exact(path, columns[ours], found[ours])
    text = {ours: as_text(values, joined) for ours, values in found.items()}
    return TextTable(path, pd.DataFrame(text), columns, header=header)


def as_text(values: pa.ChunkedArray, joined: str = "|") -> pd.Series:
    """A column of any type as a CSV file would have it: whole numbers without a point, nothing for no value."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return as_text(values.cast(kind.value_type), joined)
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    plain = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(values.type)
    items = values.cast(pa.string()).to_pylist() if plain else map(_shown(kind, joined), values.to_pylist())
    return pd.Series(["" if item is None else item for item in items], dtype=str).str.strip()


def _shown(kind: pa.DataType, joined: str) -> Callable[[Any], str]:
    """How a value of a type is written."""
    if pa.types.is_floating(kind):
        digits = {16: 4, 32: 7, 64: 15}[kind.bit_width]
        return lambda value: _number(value, digits)
    if pa.types.is_decimal(kind):
        return lambda value: "" if value is None else _without_zeros(f"{value:f}")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return lambda value: "" if value is None else joined.join(str(item) for item in value)
    return lambda value: "" if value is None else _bytes(value) if isinstance(value, bytes) else str(value)


def _number(value: float | None, digits: int) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if value.is_integer() else f"{value:.{digits}g}"


def _without_zeros(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _bytes(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()


def _check_exact(path: Path, name: str, values: pa.ChunkedArray) -> None:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not pa.types.is_floating(values.type):
        return
    least = {16: 2**11, 32: 2**24, 64: EXACT}[values.type.bit_width]
    large = sorted({value for value in values.to_pylist() if value is not None and abs(value) >= least})
    if large:
        shown = shortened([f"{value:.0f}" for value in large], 3)
        raise DataError(
            f"{name} of {path} is stored as floating-point numbers, which hold {len(str(least)) - 1} digits exactly "
            f"and no more; found {shown}; write the column as text or as whole numbers"
        )
