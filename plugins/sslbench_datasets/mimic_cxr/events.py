"""The last laboratory value or vital sign before each film, from event tables of 10 GB and more.

A table is read once, some rows at a time; what is kept is one value and its time for each film and item, so memory
does not grow with the table. What was found is kept in the cache under the content of everything it depends on.
"""

from __future__ import annotations

import gzip
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.tables import check_columns, header_of
from ssl_bench.errors import DataError
from ssl_bench.files import replacing
from sslbench_datasets.mimic_cxr.clock import STAMP
from sslbench_datasets.mimic_cxr.items import Item
from sslbench_datasets.mimic_cxr.stays import Times

Floats = npt.NDArray[np.float64]

COLUMNS = ("subject_id", "itemid", "charttime", "valuenum")
CHUNK = 1_000_000
"""Rows read at a time."""

VERSION = 1
"""Of how values are found; kept ones of another version are not taken."""

SECOND_OF_HOUR = 3600.0


@dataclass(frozen=True)
class Films:
    """What the values are looked up for.

    Args:
        patients: ``(N,)`` MIMIC's id of each film's patient, as text.
        times: ``(N,)`` seconds since 1970; NaN: unknown, and so are all values.
    """

    patients: npt.NDArray[Any]
    times: Times


@dataclass
class Found:
    """The last value of each item before each film, and what was noticed.

    Args:
        values: ``(N, K)`` NaN where none is in the window.
        times: ``(N, K)`` when it was taken, in seconds since 1970.
        counts: what was left out.
    """

    values: Floats
    times: Floats
    counts: dict[str, int]

    @classmethod
    def nothing(cls, films: int, items: int) -> Found:
        """Before anything is read."""
        return cls(np.full((films, items), np.nan), np.full((films, items), -np.inf), {})


def last_values(
    path: Path, items: Sequence[Item], films: Films, hours: float, tell: Callable[[str], None], chunk: int = CHUNK
) -> Found:
    """The last value of each item in the hours up to a film, the moment of the film included.

    Args:
        path: ``labevents`` or ``chartevents``, gzipped or not.
        items: of this table.
        films: to look up for.
        hours: of the window.
        tell: told how far reading is, now and then.
        chunk: rows at a time.

    Raises:
        DataError: the file is cut off or no such table.
    """
    found = Found.nothing(len(films.patients), len(items))
    times = np.asarray(films.times, np.float64)
    order = np.lexsort((times, films.patients))
    order = order[np.isfinite(times[order])]
    where = pd.DataFrame({"patient": films.patients[order], "at": times[order], "film": order}).sort_values("at")
    for rows in _chunks(path, {number for item in items for number in item.ids}, set(where["patient"]), tell, chunk):
        _count(found.counts, f"values of {path.name} without a readable time", rows["at"].isna())
        _count(found.counts, f"values of {path.name} that are no numbers", rows["value"].isna())
        rows = rows[rows["at"].notna() & rows["value"].notna()]
        for place, item in enumerate(items):
            _take(found, place, item, rows[rows["itemid"].isin(item.ids)], where, hours)
    return found


def _take(found: Found, place: int, item: Item, rows: pd.DataFrame, where: pd.DataFrame, hours: float) -> None:
    """The values of one item in some rows, where they are later than what was found before."""
    values = rows["value"].copy()
    for number, (slope, intercept) in item.scaled:
        values = values.mask(rows["itemid"] == number, values * slope + intercept)
    plausible = values.between(item.low, item.high)
    _count(found.counts, f"implausible values of {item.name}", ~plausible)
    every = pd.DataFrame({"patient": rows["patient"], "at": rows["at"], "value": values, "taken": rows["at"]})
    events = every[plausible]
    if events.empty:
        return
    # Of several values of one moment the last in the file counts, whatever the chunks are.
    # The stubs know integers alone; moments are floats.
    joined = pd.merge_asof(where, events.sort_values("at", kind="stable"), on="at", by="patient",
                           tolerance=cast("int", hours * SECOND_OF_HOUR))  # fmt: skip
    later = joined["taken"].notna() & (joined["taken"].to_numpy() >= found.times[joined["film"], place])
    films = joined.loc[later, "film"].to_numpy()
    found.values[films, place] = joined.loc[later, "value"]
    found.times[films, place] = joined.loc[later, "taken"]


def _count(counts: dict[str, int], what: str, rows: pd.Series) -> None:
    counts[what] = counts.get(what, 0) + int(rows.sum())


def _chunks(
    path: Path, numbers: set[int], patients: set[str], tell: Callable[[str], None], chunk: int
) -> Iterator[pd.DataFrame]:
    """Rows of some items and patients: ``patient, itemid, at`` in seconds since 1970 and ``value``."""
    few = partial(_few, numbers={str(number) for number in numbers}, patients=patients)
    return map(few, chunks(path, COLUMNS, chunk, tell))


def _few(part: pd.DataFrame, numbers: set[str], patients: set[str]) -> pd.DataFrame:
    """Those rows of a chunk; the chunk itself is let go of before the next is read."""
    rows = part[part["itemid"].isin(numbers) & part["subject_id"].isin(patients)]
    moments = pd.to_datetime(rows["charttime"], format=STAMP, errors="coerce")
    return pd.DataFrame({
        "patient": rows["subject_id"], "itemid": rows["itemid"].astype(int),
        "at": (moments - pd.Timestamp(0)).dt.total_seconds(),
        "value": pd.to_numeric(rows["valuenum"], errors="coerce").astype(float),
    })  # fmt: skip


def chunks(
    path: Path, columns: Sequence[str], chunk: int, tell: Callable[[str], None] = lambda told: None
) -> Iterator[pd.DataFrame]:
    """Columns of a large CSV file as text, gzipped or not, some rows at a time.

    Raises:
        DataError: a column is missing, or the file is cut off or damaged.
    """
    check_columns(path, header_of(path), list(columns), str, lambda names: "download it again")
    size, told = path.stat().st_size, time.monotonic()
    try:
        with path.open("rb") as raw, _unzipped(raw) as text:
            for part in pd.read_csv(text, usecols=list(columns), dtype=str, chunksize=chunk, keep_default_na=False):
                yield part
                del part  # or two of them are held while the next is read
                if time.monotonic() - told > 10:
                    told = time.monotonic()
                    tell(f"reading {path.name}: {raw.tell() / size:.0%}")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, pd.errors.ParserError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}; download it again") from None


def _unzipped(raw: BinaryIO) -> AbstractContextManager[Any]:
    zipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.open(raw, "rt", encoding="utf-8") if zipped else nullcontext(raw)


def kept(folder: Path, key: str, find: Callable[[], Found]) -> Found:
    """What was found before under a key, else found now and kept; a kept file that is damaged is found anew."""
    file = folder / f"{key}.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            counts = zip(arrays["what"].tolist(), arrays["counts"].tolist(), strict=True)
            return Found(arrays["values"], arrays["times"], dict(counts))
    except (OSError, ValueError, KeyError, EOFError, zlib.error):
        found = find()
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary, temporary.open("wb") as out:
        np.savez_compressed(out, values=found.values, times=found.times, what=np.array(list(found.counts), dtype=str),
                            counts=np.array(list(found.counts.values()), dtype=np.int64))  # fmt: skip
    return found


def key_of(path: Path, items: Sequence[Item], films: Films, hours: float, tell: Callable[[str], None]) -> str:
    """A name for what :func:`last_values` gives: the content of the table, the items, the films and the window."""
    digest, told = hashlib.sha256(repr((VERSION, tuple(items), float(hours))).encode()), time.monotonic()
    digest.update("\n".join(films.patients.tolist()).encode())
    digest.update(np.ascontiguousarray(films.times).tobytes())
    size = path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                tell(f"looking at {path.name}: {file.tell() / max(size, 1):.0%}")
    return digest.hexdigest()[:32]
