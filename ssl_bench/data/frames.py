"""Tables as people have them: one reader of CSV, TSV, Excel, Parquet, Feather and NPZ, and what cells may hold."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.arrow import read_arrow
from ssl_bench.data.unpacking import STREAMS, check_cells, check_parquet, check_zip, in_parts, read_arrays, unpacked
from ssl_bench.errors import DataError, Problems, because, shortened

READ = "CSV (comma, semicolon or tab), Parquet, Feather, NPZ or Excel (.xlsx)"
"""What can be given, for messages."""

MISSING = ("", "nan", "none", "null", "<na>", "nat")
"""Texts that stand for a missing value, in lower case; in a column of numbers ``na`` and ``n/a`` as well."""
UNFILLED = (*MISSING, "na", "n/a")

WORDS = ("true", "false", "yes", "no", "positive", "negative", "present", "absent", "t", "f", "y", "n")
"""Texts that people write for 1 and 0."""

IDS = ("image_id", "patient_id", "study_id", "split")
"""Columns that are text whatever the file says."""

SEPARATORS = ",;\t|"


def read_frame(path: Path, what: str = "predictions") -> pd.DataFrame:
    """A table by the ending of its name; identifiers are text, and names of columns have no spaces around them.

    Args:
        path: of the file.
        what: it holds, for messages.

    Raises:
        DataError: it is missing, of an ending that is not read, cannot be read, or has a column twice.
    """
    if path.is_dir():
        raise DataError(f"{what} {path} is a folder; give a file: {READ}")
    reader = _reader(path, what)
    try:
        frame = reader(path)
    except FileNotFoundError:
        raise DataError(f"{what} {path} do not exist; give a file: {READ}") from None
    except DataError:
        raise
    except pd.errors.EmptyDataError:
        raise DataError(f"{what} {path} cannot be read: the file is empty") from None
    except UnicodeDecodeError:
        raise DataError(f"{what} {path} cannot be read as text in UTF-8; save it as CSV in UTF-8") from None
    except Exception as error:  # readers of binary files raise what their libraries raise
        raise DataError(f"{what} {path} cannot be read: {because(error)}") from None
    names = [str(name).strip() for name in frame.columns]
    double = sorted({name for name in names if names.count(name) > 1 and name})
    if double:
        raise DataError(f"{what} {path} has the columns {shortened(double)} twice; keep one of each")
    frame.columns = pd.Index(names)
    return frame.assign(**{name: texts(frame[name]) for name in IDS if name in names})


def _reader(path: Path, what: str) -> Callable[[Path], pd.DataFrame]:
    ending = path.suffix.lower()
    if ending in (".zip", ".zst", *STREAMS) and Path(path.stem).suffix.lower() in TEXTS:
        return _read_text
    readers: Mapping[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": _read_parquet, ".pq": _read_parquet, ".feather": read_arrow, ".arrow": read_arrow,
        ".npz": _read_arrays, ".xlsx": _read_sheet, **dict.fromkeys(TEXTS, _read_text),
    }  # fmt: skip
    if ending == ".xlsx" and not find_spec("openpyxl"):
        raise DataError(
            f"{what} {path} is an Excel file, which needs openpyxl: pip install openpyxl, or save it as CSV"
        )
    if ending not in readers:
        raise DataError(f"{what} {path} has the ending '{ending}', which is not read; save it as {READ}")
    return readers[ending]


TEXTS = (".csv", ".tsv", ".tab", ".txt", "")


def _opened(path: Path) -> AbstractContextManager[Any]:
    """What pandas reads text from: the file by its name, or an unpacked stream that has an end."""
    ending = path.suffix.lower()
    if ending == ".zip":
        check_zip(path)
    return unpacked(path, ending) if ending in (".zst", *STREAMS) else nullcontext(path)


def _read_text(path: Path) -> pd.DataFrame:
    """Text with the separator that its first line has most of; where commas separate no values they may be decimal."""
    with _opened(path) as file:
        first = str(pd.read_csv(file, sep="\x01", header=None, nrows=1, dtype=str, encoding="utf-8-sig").iloc[0, 0])
    separator = max(SEPARATORS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=separator))]
    # By place: pandas would rename a column that occurs twice, and take the first for an index where rows are longer.
    with _opened(path) as file:
        frame = in_parts(path, len(header) + 1, file, sep=separator, header=None, skiprows=1, dtype=str,
                         index_col=False, keep_default_na=False, encoding="utf-8-sig")  # fmt: skip
    longer = np.flatnonzero(frame[len(header)].fillna("") != "")
    if len(longer):
        raise ValueError(f"{len(longer)} rows have more values than the {len(header)} columns, first on line "
                         f"{longer[0] + 2}; quote values that hold the separator")  # fmt: skip
    values = [frame[place].fillna("") for place in range(len(header))]
    if separator != ",":
        values = [_with_points(column) if name[:2] in ("p_", "e_") and name not in IDS else column
                  for name, column in zip(header, values, strict=True)]  # fmt: skip
    return pd.concat(values, axis=1, keys=header)


def _with_points(column: pd.Series) -> pd.Series:
    """Texts with a decimal point where they have a comma."""
    return column.str.replace(r"^(\s*[-+]?\d*),(\d+)", r"\1.\2", regex=True)


def _read_parquet(path: Path) -> pd.DataFrame:
    check_parquet(path)
    return pd.read_parquet(path)


def _read_sheet(path: Path) -> pd.DataFrame:
    check_zip(path)
    _check_sheet(path)
    return pd.read_excel(path, dtype=dict.fromkeys(IDS, object))


def _check_sheet(path: Path) -> None:
    """Refuse a sheet of few cells that lie far apart: pandas fills all that is between them."""
    from openpyxl import load_workbook

    with closing(load_workbook(path, read_only=True)) as book:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # a file may say anything of them
        widest = 0
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            widest = max(widest, len(row))
            check_cells(path, number, widest)


ARRAYS: Mapping[str, str] = {
    "image_ids": "image_id",
    "patient_ids": "patient_id",
    "study_ids": "study_id",
    "splits": "split",
}
"""Arrays ``(N,)`` of an ``.npz`` file that are called otherwise than the columns of a table."""
MATRICES = {"labels": "y_", "scores": "p_"}
"""Its arrays ``(N, L)``, a column for each of ``label_names``."""


def _read_arrays(path: Path) -> pd.DataFrame:
    """Arrays ``(N,)`` by the names of columns, or ``labels`` and ``scores (N, L)`` with ``label_names (L,)``."""
    arrays = read_arrays(path)
    names = arrays.pop("label_names", np.array([])).astype(str)
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, array in arrays.items():
        if name in MATRICES and array.ndim == 2 and array.shape[1] == len(names):
            columns |= {f"{MATRICES[name]}{label}": array[:, k] for k, label in enumerate(names)}
        else:
            columns[ARRAYS.get(name, name)] = array
    if len({array.shape for array in columns.values()}) > 1 or any(array.ndim != 1 for array in columns.values()):
        raise ValueError(
            "expected image_ids and patient_ids (N,), labels and scores (N, L), label_names (L,), found "
            f"{shortened([f'{name} {array.shape}' for name, array in columns.items()], 5)}"
        )
    return pd.DataFrame(columns)


def texts(column: pd.Series) -> pd.Series:
    """Identifiers as text: whole numbers without a decimal point, bytes decoded, missing ones blank."""
    return column.astype(object).map(_text).astype(object)


def _text(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # NaN differs from itself
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def unnamed(ids: pd.Series) -> npt.NDArray[np.bool_]:
    """Which of (N,) identifiers are missing, blank, or a word for missing; an image may be called NA, a person not."""
    words = MISSING if ids.name == "image_id" else UNFILLED
    return np.asarray(ids.isna() | ids.astype(str).str.strip().str.lower().isin(words), dtype=bool)


def check_named(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Rows without an id would all be of one patient, or of one study.

    Raises:
        DataError: naming the column and the rows.
    """
    for column in columns:
        rows = np.flatnonzero(unnamed(frame[column]))
        if len(rows):
            found = shortened((rows + 1).tolist(), 5)
            raise DataError(f"every row of {path} needs {column}; {len(rows)} have none: rows {found}")


def check_one_spelling(frame: pd.DataFrame, column: str, path: Path) -> None:
    """Refuse ids of which some differ as text and not as numbers: ``12`` and ``12.0`` are one patient, not two.

    Raises:
        DataError: naming some.
    """
    known = pd.Series(frame[column].astype(str).unique())
    bare = known.str.strip().str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)
    double = known[bare.duplicated(keep=False)].tolist()
    if double:
        raise DataError(f"{column} must be spelt in one way in {path}; found {shortened(sorted(double), 4)}")


def numbers(frame: pd.DataFrame, columns: list[str], problems: Problems) -> npt.NDArray[np.float64]:
    """Columns (N, K) as numbers, blanks as NaN; ``problems`` gets the images whose values are neither."""
    raw = frame[columns]
    found = raw.apply(pd.to_numeric, errors="coerce")
    for column in columns:
        told = raw[column].astype(str).str.strip().str.lower()
        bad = found[column].isna() & raw[column].notna() & ~told.isin(UNFILLED)
        if bad.any():
            problems.add(_no_numbers(column, told[bad], frame.loc[bad, "image_id"].astype(str).tolist()))
    values: npt.NDArray[np.float64] = found.to_numpy(dtype=np.float64, na_value=np.nan)  # of nullable columns too
    return values


def _no_numbers(column: str, told: pd.Series, images: list[str]) -> DataError:
    """What a column holds instead of numbers, and what to write."""
    ways: dict[str, tuple[Any, str]] = {
        f"words ({shortened(told.unique().tolist(), 3)})": (
            told.isin(WORDS).all(), "write 1 and 0, and leave unknown ones blank"),
        "percent signs": (told.str.fullmatch(r"[-+]?[\d.]+\s*%").all(), "write 0.87 for 87 %"),
        "decimal commas": (told.str.fullmatch(r"[-+]?\d*,\d+").all(), "write a decimal point"),
    }  # fmt: skip
    for what, (is_it, way) in ways.items():
        if is_it:
            return DataError(f"column {column} must hold numbers; it holds {what}: {way}")
    return DataError(f"column {column} must hold numbers; it does not for {shortened(images, 5)}")
