"""CSV files of MIMIC, gzipped or plain: found by name, read as text, columns by name and never by position."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from ssl_bench.errors import DataError, nearest, shortened

ENDINGS = (".csv.gz", ".csv")
BROKEN = (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile)
"""What a file raises that is cut off, or is no text."""


def find(folder: Path, stems: Iterable[str]) -> Path:
    """The first file that is there, of several names without ending.

    Raises:
        DataError: none is; naming what was expected and what the folder holds.
    """
    names = [f"{stem}{ending}" for stem in stems for ending in ENDINGS]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    present = sorted(path.name for path in folder.glob("*.csv*")) if folder.is_dir() else []
    raise DataError(
        f"expected {' or '.join(names)} in {folder}; found {shortened(present) or 'no CSV file'}; "
        "complete the download, or check the folder"
    )


def read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a file as text without surrounding spaces, blank where a row ends early.

    Raises:
        DataError: the file is empty, cut off or not CSV, or columns are missing, or occur twice.
    """
    header = _header(path)
    _check_columns(path, header, columns)
    places = [header.index(column) for column in columns]
    try:
        # By place in this file's own header: pandas would rename a column that occurs twice, and take the first for
        # an index where rows end in a comma that the header lacks. One more column takes up what a row has too much.
        table = pd.read_csv(
            path, header=None, skiprows=1, names=range(len(header) + 1), index_col=False, dtype=str,
            keep_default_na=False, encoding="utf-8-sig",
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, *BROKEN) as error:
        raise _unreadable(path, error) from error
    if table.empty:
        raise DataError(f"{path} has a header and no rows; download it again")
    longer = (table[len(header)].fillna("") != "").to_numpy()
    if longer.any():
        raise DataError(
            f"{path} must have {len(header)} values in a row; {int(longer.sum())} rows have more, first on line "
            f"{int(longer.argmax()) + 2}; quote values that hold a comma, or download it again"
        )
    named = table[places].set_axis(list(columns), axis=1).fillna("")
    return pd.DataFrame({name: named[name].str.strip() for name in columns})


def header_of(path: Path) -> list[str]:
    """The names of a file's columns.

    Raises:
        DataError: the file is cut off or not CSV.
    """
    return _header(path)


def _header(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except BROKEN as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is not a whole CSV file: {' '.join(str(error).split())}; download it again")


def _check_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        hints = " ".join(filter(None, (nearest(name, filter(None, header)) for name in missing)))
        raise DataError(
            f"{path} lacks {shortened(missing)}{f' ({hints})' if hints else ''}; expected the columns "
            f"{shortened(columns)}; found {shortened(header) or 'an empty file'}"
        )
    double = [name for name in columns if header.count(name) > 1]
    if double:
        raise DataError(f"{path} has the columns {shortened(double)} twice; keep one of each")


def check_ids(table: pd.DataFrame, path: Path, columns: Sequence[str]) -> None:
    """Refuse rows without an identifier.

    Raises:
        DataError: naming the column, the number of rows and the line of the first.
    """
    for column in columns:
        blank = (table[column] == "").to_numpy()
        if blank.any():
            raise DataError(
                f"{column} must not be blank; {path} has {int(blank.sum())} rows without it, first on line "
                f"{int(blank.argmax()) + 2}; correct the file, or download it again if it is cut off"
            )


def unique_rows(table: pd.DataFrame, path: Path, keys: Sequence[str]) -> pd.DataFrame:
    """The table with rows that say the same merged.

    Raises:
        DataError: rows with the same keys differ.
    """
    table = table.drop_duplicates()
    double = table.loc[table.duplicated(list(keys)), keys[-1]].unique().tolist()
    if double:
        raise DataError(
            f"{path} must have one row for each {keys[-1]}; {len(double)} have several that differ: "
            f"{shortened(double)}; keep one of each"
        )
    return table
