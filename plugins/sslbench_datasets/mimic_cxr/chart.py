"""Laboratory values and vital signs as features of films: their tables, the window, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.tables import find, gzipped_or_plain
from sslbench_datasets.mimic_cxr.clock import study_times
from sslbench_datasets.mimic_cxr.events import Films, Found, kept, key_of, last_values
from sslbench_datasets.mimic_cxr.films import Noticed
from sslbench_datasets.mimic_cxr.items import BY_NAME, Item

FOLDERS = {"labevents": "hosp", "chartevents": "icu"}


def read_events(frame: pd.DataFrame, release: Path, names: Sequence[str], hours: float, cache: Path | None) -> Noticed:
    """The last value of each item in the hours before a film, a column each in the order of the names.

    Args:
        frame: ``patient_id`` and the study's ``date, time`` as text.
        release: folder of MIMIC-IV.
        names: of items.
        hours: of the window.
        cache: where what was found is kept; None: nowhere.

    Raises:
        DataError: a table is missing, cut off, or no such table.
    """
    films = Films(frame["patient_id"].to_numpy(dtype=str), study_times(frame["date"], frame["time"], "second").at)
    asked = [BY_NAME[name] for name in dict.fromkeys(names)]
    columns, counts = dict[str, np.ndarray](), dict[str, int]()
    for table in dict.fromkeys(item.table for item in asked):
        items = [item for item in asked if item.table == table]
        path = find(release / FOLDERS[table], gzipped_or_plain([table]), "download it, or leave these items out")
        found = _found(path, items, films, hours, cache)
        columns |= {item.name: found.values[:, place] for place, item in enumerate(items)}
        counts |= found.counts
    values = pd.DataFrame({item.name: columns[item.name] for item in asked})
    lacking = values.isna().sum()
    missing = {f"images without {name} in the {hours:g} hours before": int(lacking[name]) for name in columns}
    return Noticed(values, {**counts, **missing})


def _found(path: Path, items: Sequence[Item], films: Films, hours: float, cache: Path | None) -> Found:
    tell = partial(print, file=sys.stderr)
    find_now = partial(last_values, path, items, films, hours, tell)
    return find_now() if cache is None else kept(cache, key_of(path, items, films, hours, tell), find_now)
