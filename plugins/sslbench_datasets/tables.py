"""Tables as text with columns found by name, ages, labels and the folder: what readers of native layouts share."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ssl_bench.errors import DataError, UsageError, nearest, shortened

MAX_AGE = 120
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25, "": 1.0}
"""Years in each unit of an age (DICOM's age string)."""


@dataclass(frozen=True)
class TextTable:
    """Columns of a file under our names, all text.

    Args:
        path: of the file.
        frame: the columns that were asked for and found.
        source: the file's name of each column, for messages.
    """

    path: Path
    frame: pd.DataFrame
    source: Mapping[str, str]

    def check_filled(self, *columns: str) -> None:
        """Refuse blanks in columns that every row needs.

        Raises:
            DataError: naming the first line.
        """
        for column in columns:
            blank = (self.frame[column] == "").to_numpy()
            if blank.any():
                line = int(blank.argmax()) + 2
                raise DataError(
                    f"{self.source[column]} must not be blank; found {int(blank.sum())} rows without it, first on line "
                    f"{line}; correct {self.path.name}, or download it again if it is cut off"
                )


def locate(name: str, root: Path | None) -> Path:
    """The folder given by ``--root``.

    Raises:
        UsageError: it is not given.
        DataError: it is not a folder.
    """
    if root is None:
        raise UsageError(f"dataset '{name}' needs the folder of its download; give it by --root")
    if not root.is_dir():
        raise DataError(f"dataset '{name}' expects a folder at {root}, which does not exist; check --root")
    return root


def as_written(name: str) -> str:
    """A column's name as it must be spelt."""
    return name


def read_csv(
    path: Path,
    columns: Mapping[str, str],
    *,
    optional: Iterable[str] = (),
    spelling: Callable[[str], str] = as_written,
    rows: bool = True,
) -> TextTable:
    """A CSV file as text, with the wanted columns under our names.

    Columns are found by the header alone: pandas takes the first for an index where rows end in a comma that the
    header lacks, and splits nothing where the header has an unquoted comma of its own.

    Args:
        path: of the file.
        columns: the file's name of each column by ours.
        optional: our names of those that the file may lack.
        spelling: what two spellings of a name have in common.
        rows: refuse a file that has none.

    Raises:
        DataError: the file is empty or not CSV, or columns are missing, or occur twice.
    """
    header = _header(path)
    places: dict[str, list[int]] = {}
    for position, name in enumerate(header):
        places.setdefault(spelling(name), []).append(position)
    optional = set(optional)
    wanted = {ours: name for ours, name in columns.items() if ours not in optional or spelling(name) in places}
    check_columns(path, header, list(wanted.values()), {name: len(found) for name, found in places.items()}, spelling)
    found = {ours: places[spelling(name)][0] for ours, name in wanted.items()}
    table = _rows(path, len(header))[list(found.values())].set_axis(list(found), axis=1)
    if rows and table.empty:
        raise DataError(f"{path} has a header and no rows; download it again")
    text = table.apply(lambda column: column.str.strip())
    return TextTable(path, text, {ours: header[position] for ours, position in found.items()})


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}; download it again") from error


def _rows(path: Path, fields: int) -> pd.DataFrame:
    """The rows as text with numbered columns; one more than the header has is room for a final comma."""
    names = list(range(fields + 1))
    try:
        return pd.read_csv(
            path, header=None, skiprows=1, names=names, dtype=str, keep_default_na=False, index_col=False
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=names, dtype=str)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV file: {error}; download it again") from error


def check_columns(
    path: Path,
    header: Sequence[str],
    wanted: Sequence[str],
    times: Mapping[str, int],
    spelling: Callable[[str], str] = as_written,
) -> None:
    """Refuse a header that lacks columns or has one of them twice.

    Raises:
        DataError: expected against found, with the nearest match.
    """
    missing = [name for name in wanted if spelling(name) not in times]
    if missing:
        hints = " ".join(hint for hint in (nearest(name, filter(None, header)) for name in missing) if hint)
        raise DataError(
            f"{path} lacks {shortened(missing)}{f' ({hints})' if hints else ''}; expected the columns "
            f"{shortened(wanted)}; found {shortened(header)}"
        )
    double = [name for name in wanted if times[spelling(name)] > 1]
    if double:
        raise DataError(f"{path} has the columns {shortened(double)} twice; keep one of each")


def parse_age(text: pd.Series) -> pd.Series:
    """Age in years from ``57``, ``040Y``, ``005M`` or ``012D``; NaN where unreadable, 0 or less, or over 120."""
    parts = text.str.extract(r"^\s*(-?\d+(?:\.\d+)?)\s*([YMWDymwd]?)\s*$")
    years = pd.to_numeric(parts[0], errors="coerce") * parts[1].str.upper().map(YEARS)
    return years.where((years > 0) & (years <= MAX_AGE)).astype(float)


def count_ages(text: pd.Series, years: pd.Series) -> dict[str, int]:
    """How many ages are missing, and how many are there but mean nothing."""
    return {
        "implausible or unreadable age": int((years.isna() & (text != "")).sum()),
        "missing age": int((text == "").sum()),
    }


def count_values(text: pd.Series, known: pd.Series, feature: str) -> dict[str, int]:
    """How many values of a feature are missing, and how many are none that it has."""
    return {
        f"missing {feature}": int((text == "").sum()),
        f"unknown {feature}": int((known.isna() & (text != "")).sum()),
    }


def parse_marks(text: pd.DataFrame, image_ids: pd.Series) -> pd.DataFrame:
    """Labels as numbers, a column each: 1, 0, -1 for uncertain, NaN for blank.

    Other numbers stay, for the check that every dataset's labels go through.

    Raises:
        DataError: a value is no number, naming the first rows.
    """
    marks = text.apply(lambda column: pd.to_numeric(column, errors="coerce").astype(float))
    strange = marks.isna() & (text != "")
    if strange.to_numpy().any():
        found = [
            f"{image_ids[row]} {column}={text.at[row, column]!r}"
            for column in text
            for row in strange.index[strange[column]]
        ]
        raise DataError(f"labels must be 1, 0, -1 or blank; found {shortened(found)}; correct those rows")
    return marks
