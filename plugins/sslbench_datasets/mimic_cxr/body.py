"""Body mass index and height of patients from MIMIC-IV's ``hosp/omr``, the online medical record (from v2.0 on).

Its columns and names of results: https://mimic.mit.edu/docs/iv/modules/hosp/omr/
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.tables import find, gzipped_or_plain
from ssl_bench.plugin.feature_specs import SHARED
from sslbench_datasets.mimic_cxr.clock import study_times
from sslbench_datasets.mimic_cxr.events import chunks
from sslbench_datasets.mimic_cxr.films import Noticed
from sslbench_datasets.mimic_cxr.stays import Times

COLUMNS = ("subject_id", "chartdate", "seq_num", "result_name", "result_value")
RESULTS = {"BMI (kg/m2)": ("bmi", 1.0), "BMI": ("bmi", 1.0), "Height (Inches)": ("height", 2.54)}
"""Feature and factor to its unit, by the name of a result; a height without a unit is not read."""

NAMES = tuple(dict.fromkeys(name for name, _ in RESULTS.values()))
CHUNK = 1_000_000


def read_body(frame: pd.DataFrame, release: Path, chunk: int = CHUNK) -> Noticed:
    """The last body mass index and height up to the day of each film, in kg/m2 and cm.

    Args:
        frame: ``patient_id`` and the study's ``date, time`` as text.
        release: folder of MIMIC-IV.
        chunk: rows that are read at a time.

    Raises:
        DataError: the table is missing, cut off, or no such table.
    """
    path = find(release / "hosp", gzipped_or_plain(["omr"]), "download it, or leave data.options.omr out")
    days = study_times(frame["date"], frame["time"], "day").at
    rows = _rows(path, set(frame["patient_id"]), chunk)
    values, counts = dict[str, np.ndarray](), dict[str, int]()
    for name in NAMES:
        told = rows[rows["name"] == name]
        usable = told["value"].between(*SHARED[name].plausible) & told["day"].notna()
        values[name] = last_before(frame["patient_id"], days, told[usable])
        counts[f"values of {name} that are implausible, no numbers or without a date"] = int((~usable).sum())
        counts[f"images without {name} up to their day"] = int(np.isnan(values[name]).sum())
    return Noticed(pd.DataFrame(values, index=frame.index), counts)


def _rows(path: Path, patients: set[str], chunk: int) -> pd.DataFrame:
    """Values of the patients in the order of their days: ``patient, name, day`` since 1970, ``value``."""
    parts = [part[part["subject_id"].isin(patients) & part["result_name"].isin(RESULTS)]
             for part in chunks(path, COLUMNS, chunk)]  # fmt: skip
    text = pd.concat(parts, ignore_index=True)
    factor = text["result_name"].map({name: factor for name, (_, factor) in RESULTS.items()}).astype(float)
    days = (pd.to_datetime(text["chartdate"], format="%Y-%m-%d", errors="coerce") - pd.Timestamp(0)).dt.days
    rows = pd.DataFrame({
        "patient": text["subject_id"], "name": text["result_name"].map({name: of for name, (of, _) in RESULTS.items()}),
        "day": days, "value": pd.to_numeric(text["result_value"], errors="coerce") * factor,
        "number": pd.to_numeric(text["seq_num"], errors="coerce"),
    })  # fmt: skip
    return rows.sort_values(["day", "number"], kind="stable", ignore_index=True)


def last_before(patients: pd.Series, days: Times, rows: pd.DataFrame) -> np.ndarray:
    """The last value up to a day for each image ``(N,)``, NaN where there is none.

    Args:
        patients: ``(N,)`` of the images.
        days: ``(N,)`` since 1970; NaN: unknown.
        rows: ``patient, day, value`` in the order of the days; of one day the last row counts.
    """
    found = np.full(len(patients), np.nan)
    films = pd.DataFrame({"patient": patients.to_numpy(), "day": days, "film": np.arange(len(patients))})
    dated = films[films["day"].notna()].sort_values("day", kind="stable")
    events = rows.assign(day=rows["day"].astype(float))[["patient", "day", "value"]]
    if len(dated) and len(events):
        joined = pd.merge_asof(dated, events, on="day", by="patient")
        found[joined["film"].to_numpy()] = joined["value"].to_numpy()
    return found
