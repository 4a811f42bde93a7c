"""The one reader of native tables: CSV files as text, gzipped or plain, with columns found by name."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import pandas as pd

from ssl_bench.data.content import BROKEN, Content, content_of, unreadable
from ssl_bench.data.unpacking import TOGETHER
from ssl_bench.errors import DataError, UsageError, guesses, shortened

ENDINGS = (".csv.gz", ".csv")

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""What values may be separated by, and its name in messages."""

CHUNK = 50_000
"""Rows that are in memory with all of their columns."""

LOOKED = 20
"""Lines at the top of a file in which a header is looked for."""


@dataclass(frozen=True)
class Written:
    """How a file is written, as far as its user says.

    Args:
        encoding: empty: UTF-8, or what a byte order mark says.
        separator: between values.
        told: where the user can say so, for messages (``in the column map``); empty: nowhere.
    """

    encoding: str = ""
    separator: str = ","
    told: str = ""


PLAIN = Written()


@dataclass(frozen=True)
class TextTable:
    """Columns of a file under our names, all text.

    Args:
        path: of the file.
        frame: the columns that were asked for and found, without surrounding spaces, blank where a row ends early.
        source: the file's name of each column, for messages.
        first: line of the first row.
        header: all columns of the file, by its names.
    """

    path: Path
    frame: pd.DataFrame
    source: Mapping[str, str]
    first: int = 2
    header: Sequence[str] = ()

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
                    f"first on line {int(blank.argmax()) + self.first}; correct the file, or download it again if it "
                    "is cut off"
                )


def locate(name: str, root: Path | None) -> Path:
    """The folder given by ``--root``.

    Raises:
        UsageError: it is not given.
        DataError: it is not a folder.
    """
    if root is None:
        raise UsageError(f"dataset '{name}' needs the folder of its download; give it by --root")
    if root.is_file():
        raise DataError(f"dataset '{name}' expects a folder, found a file at {root}; give --root {root.parent}")
    if not root.is_dir():
        raise DataError(f"dataset '{name}' expects a folder at {root}, which does not exist; check --root")
    return root


def find(folder: Path, names: Sequence[str], advice: str = "complete the download, or check the folder") -> Path:
    """The first file that is there, of several names; CSV files may be gzipped.

    Raises:
        DataError: none is; naming what was expected, what the folder holds and a folder near it that has the file, else
            the advice.
    """
    packed = (f"{name}.gz" for name in names if name.endswith(".csv"))
    for name in (*names, *packed):
        if (folder / name).is_file():
            return folder / name
    present = sorted(path.name for path in folder.glob("*.csv*")) if folder.is_dir() else []
    place = nearby(folder, names)
    hint = f"it is in {place}, give --root {place}" if place else advice
    raise DataError(f"expected {' or '.join(names)} in {folder}; found {shortened(present) or 'no CSV file'}; {hint}")


ABOVE, BELOW, VISITED = 3, 4, 300
"""Levels above and below a folder, and folders at most, in which a file is looked for that is not in it."""


def nearby(folder: Path, names: Sequence[str]) -> Path | None:
    """The nearest folder around one that has a file or folder of these names: a root one level too high or too low."""
    whole = folder.resolve()
    for place in (*islice(_below(whole), VISITED), *islice(whole.parents, ABOVE)):
        if any((place / name).exists() for name in names):
            return place
    return None


def _below(folder: Path) -> Iterator[Path]:
    """Folders in a folder, those of a level before the next."""
    level = [folder]
    for _ in range(BELOW):
        level = [inner for place in level[:VISITED] for inner in _folders(place)]
        yield from level


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in islice(folder.iterdir(), VISITED) if path.is_dir())
    except OSError:
        return []


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
    written: Written = PLAIN,
) -> TextTable:
    """A CSV file as text, with the wanted columns under our names; gzipped or not, whatever its name says.

    Args:
        path: of the file.
        columns: the file's name of each column by ours.
        optional: our names of those that the file may lack.
        spelling: what two spellings of a name have in common.
        written: its encoding and separator.

    Raises:
        UsageError: the encoding has a name that Python does not know.
        DataError: the file is empty, cut off or not CSV, rows have too many values, or columns are missing, or occur
            twice.
    """
    top = _top(path, written)
    header, optional = top.header, set(optional)
    spelt = [spelling(name) for name in header]
    wanted = {ours: name for ours, name in columns.items() if ours not in optional or spelling(name) in spelt}
    check_columns(path, header, list(wanted.values()), spelling, lambda names: _cause(top, names, spelling, written))
    places = {ours: spelt.index(spelling(name)) for ours, name in wanted.items()}
    rows = _rows(path, top, written, places.values())
    frame = pd.DataFrame({ours: rows[place].fillna("").str.strip() for ours, place in places.items()})
    return TextTable(path, frame, {ours: header[place] for ours, place in places.items()}, top.skipped + 1, header)


def first_present(path: Path, columns: Mapping[str, str]) -> str:
    """Our name of the first column that the file has; where it has none the first, which a reader then misses.

    Raises:
        DataError: the file is cut off or not CSV.
    """
    header = header_of(path)
    return next((ours for ours, name in columns.items() if name in header), next(iter(columns)))


def header_of(path: Path) -> list[str]:
    """The names of a file's columns.

    Raises:
        DataError: the file is cut off or not CSV.
    """
    return _top(path, PLAIN).header


class _Top(NamedTuple):
    """The head of a file: its header, the records up to and with it, and the first lines, for messages."""

    header: list[str]
    skipped: int
    lines: list[str]
    separator: str
    content: Content


def _top(path: Path, written: Written) -> _Top:
    """The header: the first line with anything in it, but for the one in which Excel names the separator."""
    content = content_of(path, written.encoding, written.told)
    try:
        with _opened(path, content) as file:
            lines = list(islice(file, LOOKED))
        said = re.fullmatch(r'"?sep=(.)"?\s*', lines[0]) if lines else None
        separator = said[1] if said else written.separator
        skipped = 1 if said else 0
        with _opened(path, content) as file:
            for record in islice(csv.reader(file, delimiter=separator), skipped, None):
                skipped += 1
                if any(name.strip() for name in record):
                    return _Top([name.strip() for name in record], skipped, lines, separator, content)
    except (csv.Error, *BROKEN) as error:
        raise unreadable(path, error, written.told, content.compression is not None) from error
    return _Top([], skipped, lines, separator, content)


@contextmanager
def _opened(path: Path, content: Content) -> Iterator[IO[str]]:
    with (
        content.opened(path) as raw,
        io.TextIOWrapper(raw, encoding=content.encoding, newline="") as file,
    ):
        yield file


def _rows(path: Path, top: _Top, written: Written, wanted: Iterable[int]) -> pd.DataFrame:
    """The wanted columns as text, by number; one more than the header has takes up what a row has too much.

    The others are not kept: reports are most of some tables, and a gigabyte as text.

    By place in the file's own header: pandas would rename a column that occurs twice, take the first for an index
    where rows end in a comma that the header lacks, and split nothing where the header has an unquoted comma.
    """
    fields = len(top.header)
    kept = sorted({*wanted, fields})
    try:
        # Not by usecols, with which pandas passes over rows that are too long.
        with top.content.opened(path) as file, pd.read_csv(
            file, header=None, skiprows=top.skipped, names=range(fields + 1), index_col=False, dtype=str,
            keep_default_na=False, encoding=top.content.encoding, sep=top.separator, chunksize=_together(fields),
        ) as parts:  # fmt: skip
            rows = pd.concat([part[kept] for part in parts], ignore_index=True)
    except pd.errors.EmptyDataError:
        rows = pd.DataFrame()
    except (pd.errors.ParserError, csv.Error, *BROKEN) as error:
        raise unreadable(path, error, written.told, top.content.compression is not None) from error
    if rows.empty:
        raise DataError(f"{path} has a header and no rows; download it again")
    longer = (rows[fields].fillna("") != "").to_numpy()
    if longer.any():
        raise DataError(
            f"{path} must have {fields} values in a row; {int(longer.sum())} rows have more, first on line "
            f"{int(longer.argmax()) + top.skipped + 1}; quote values that hold a comma, or download it again"
        )
    return rows


def _together(fields: int) -> int:
    """Rows that are read at a time: a row of few bytes takes as many cells as the header has."""
    return max(1, min(CHUNK, 32 * TOGETHER // (fields + 1)))


def _cause(top: _Top, wanted: Sequence[str], spelling: Callable[[str], str], written: Written) -> str:
    """Why columns may be missing: another separator, or lines above the header; empty where neither is seen."""
    for number, line in enumerate(top.lines, start=1):
        for separator, name in SEPARATORS.items():
            names = {spelling(cell.strip()) for cell in next(csv.reader([line.strip("\r\n")], delimiter=separator), [])}
            lacking = {spelling(name) for name in wanted} - names
            # Of some names a file may have another, so most of them tell a separator.
            if lacking and (separator == top.separator or len(wanted) < 3 * len(lacking)):
                continue
            above = f"its header is on line {number}; remove the lines above it"
            if separator == top.separator:
                return above
            said = (
                f'; set separator: "{separator}" {written.told}, or save it with commas'
                if written.told
                else ("; save it with commas")
            )
            return f"its values are separated by {name}{said}" + (f", and {above}" if number > top.skipped else "")
    return ""


def check_columns(
    path: Path,
    header: Sequence[str],
    wanted: Sequence[str],
    spelling: Callable[[str], str] = as_written,
    cause: Callable[[Sequence[str]], str] = lambda _: "",
) -> None:
    """Refuse a header that lacks columns or has one of them twice.

    Args:
        path: of the file, for messages.
        header: its columns.
        wanted: those that it must have.
        spelling: what two spellings of a name have in common.
        cause: why it may lack the wanted ones; empty: their nearest matches are told.

    Raises:
        DataError: expected against found, with the nearest match.
    """
    times = Counter(spelling(name) for name in header)
    missing = [name for name in wanted if not times[spelling(name)]]
    if missing:
        why = cause(wanted)
        hints = why or guesses(missing, filter(None, header))
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
