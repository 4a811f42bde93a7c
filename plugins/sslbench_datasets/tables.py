"""The one reader of native tables: CSV files as text, gzipped or plain, with columns found by name."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ssl_bench.errors import DataError, UsageError, guesses, shortened

ENDINGS = (".csv.gz", ".csv")
BROKEN = (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile)
"""What a file raises that is cut off, or is no text."""


@dataclass(frozen=True)
class TextTable:
    """Columns of a file under our names, all text.

    Args:
        path: of the file.
        frame: the columns that were asked for and found, without surrounding spaces, blank where a row ends early.
        source: the file's name of each column, for messages.
    """

    path: Path
    frame: pd.DataFrame
    source: Mapping[str, str]

    def check_filled(self, *columns: str) -> None:
        """Refuse blanks in columns that every row needs.

        Raises:
            DataError: naming the column, the number of rows and the line of the first.
        """
        for column in columns:
            blank = (self.frame[column] == "").to_numpy()
            if blank.any():
                raise DataError(
                    f"{self.source[column]} must not be blank; {self.path} has {int(blank.sum())} rows without it, "
                    f"first on line {int(blank.argmax()) + 2}; correct the file, or download it again if it is cut off"
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


def find(folder: Path, names: Sequence[str], advice: str = "complete the download, or check the folder") -> Path:
    """The first file that is there, of several names.

    Raises:
        DataError: none is; naming what was expected and what the folder holds, with the advice.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    present = sorted(path.name for path in folder.glob("*.csv*")) if folder.is_dir() else []
    raise DataError(f"expected {' or '.join(names)} in {folder}; found {shortened(present) or 'no CSV file'}; {advice}")


def gzipped_or_plain(stems: Iterable[str]) -> list[str]:
    """Names of files with each ending that a table may have."""
    return [f"{stem}{ending}" for stem in stems for ending in ENDINGS]


def as_written(name: str) -> str:
    """A column's name as it must be spelt."""
    return name


def read_csv(
    path: Path,
    columns: Mapping[str, str],
    *,
    optional: Iterable[str] = (),
    spelling: Callable[[str], str] = as_written,
) -> TextTable:
    """A CSV file as text, with the wanted columns under our names; a name that ends in ``.gz`` is gzipped.

    Args:
        path: of the file.
        columns: the file's name of each column by ours.
        optional: our names of those that the file may lack.
        spelling: what two spellings of a name have in common.

    Raises:
        DataError: the file is empty, cut off or not CSV, rows have too many values, or columns are missing, or occur
            twice.
    """
    header = _header(path)
    spelt, optional = [spelling(name) for name in header], set(optional)
    wanted = {ours: name for ours, name in columns.items() if ours not in optional or spelling(name) in spelt}
    check_columns(path, header, list(wanted.values()), spelling)
    places = {ours: spelt.index(spelling(name)) for ours, name in wanted.items()}
    rows = _rows(path, len(header))
    # Column by column: the whole file as text may be large.
    frame = pd.DataFrame({ours: rows[place].fillna("").str.strip() for ours, place in places.items()})
    return TextTable(path, frame, {ours: header[place] for ours, place in places.items()})


def first_present(path: Path, columns: Mapping[str, str]) -> str:
    """Our name of the first column that the file has; where it has none the first, which a reader then misses.

    Raises:
        DataError: the file is cut off or not CSV.
    """
    header = _header(path)
    return next((ours for ours, name in columns.items() if name in header), next(iter(columns)))


def _header(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except BROKEN as error:
        raise _unreadable(path, error) from error


def _rows(path: Path, fields: int) -> pd.DataFrame:
    """The rows as text with numbered columns; one more than the header has takes up what a row has too much.

    By place in the file's own header: pandas would rename a column that occurs twice, take the first for an index
    where rows end in a comma that the header lacks, and split nothing where the header has an unquoted comma.
    """
    try:
        rows = pd.read_csv(
            path, header=None, skiprows=1, names=range(fields + 1), index_col=False, dtype=str, keep_default_na=False,
            encoding="utf-8-sig",
        )  # fmt: skip
    except pd.errors.EmptyDataError:
        rows = pd.DataFrame()
    except (pd.errors.ParserError, *BROKEN) as error:
        raise _unreadable(path, error) from error
    if rows.empty:
        raise DataError(f"{path} has a header and no rows; download it again")
    longer = (rows[fields].fillna("") != "").to_numpy()
    if longer.any():
        raise DataError(
            f"{path} must have {fields} values in a row; {int(longer.sum())} rows have more, first on line "
            f"{int(longer.argmax()) + 2}; quote values that hold a comma, or download it again"
        )
    return rows


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is not a whole CSV file: {' '.join(str(error).split())}; download it again")


def check_columns(
    path: Path, header: Sequence[str], wanted: Sequence[str], spelling: Callable[[str], str] = as_written
) -> None:
    """Refuse a header that lacks columns or has one of them twice.

    Raises:
        DataError: expected against found, with the nearest match.
    """
    times = Counter(spelling(name) for name in header)
    missing = [name for name in wanted if not times[spelling(name)]]
    if missing:
        hints = guesses(missing, filter(None, header))
        raise DataError(
            f"{path} lacks {shortened(missing)}{f' ({hints})' if hints else ''}; expected the columns "
            f"{shortened(wanted)}; found {shortened(header) or 'an empty file'}"
        )
    double = [name for name in wanted if times[spelling(name)] > 1]
    if double:
        raise DataError(f"{path} has the columns {shortened(double)} twice; keep one of each")


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
