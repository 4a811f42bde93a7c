"""Dates and times of studies and stays as whole seconds, or days, since 1970."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from ssl_bench.errors import DataError, shortened
from sslbench_datasets.mimic_cxr.stays import Times

Join = Literal["second", "day"]

DAY = 86_400
STAMP = "%Y-%m-%d %H:%M:%S"


class StudyTimes(NamedTuple):
    """Year and time of every image's study, NaN where it cannot be read."""

    years: Times
    at: Times


def study_times(dates: pd.Series, times: pd.Series, join: Join) -> StudyTimes:
    """Times of studies in the unit of the join.

    Args:
        dates: ``YYYYMMDD`` as text.
        times: ``HHMMSS`` as text, its leading zeros lost or not, with a fraction that is dropped or without one: the
            times of stays are whole seconds. Not read where days are joined.
        join: ``second`` or ``day``.
    """
    whole = pd.to_datetime(dates.where(dates.str.fullmatch(r"\d{8}")), format="%Y%m%d", errors="coerce")
    years = np.asarray(whole.dt.year, np.float64)
    midnight = _seconds(whole)
    return StudyTimes(years, in_unit(midnight + (_second_of_day(times) if join == "second" else 0.0), join))


def _second_of_day(times: pd.Series) -> Times:
    digits = times.str.extract(r"^(\d{1,6})(?:\.\d*)?$", expand=False)
    number = pd.to_numeric(digits, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    hours, minutes, seconds = number // 10_000, number // 100 % 100, number % 100  # 93000 is 09:30:00
    valid = (hours < 24) & (minutes < 60) & (seconds < 60)
    return np.where(valid, 3600 * hours + 60 * minutes + seconds, np.nan)


def stay_times(text: pd.Series, path: Path) -> Times:
    """Seconds since 1970 of a column such as ``2180-05-06 22:23:00``, NaN where blank.

    Raises:
        DataError: a time is written in another way.
    """
    moments = pd.to_datetime(text.where(text != ""), format=STAMP, errors="coerce")
    strange = text[moments.isna() & (text != "")].unique().tolist()
    if strange:
        raise DataError(
            f"{text.name} must be like 2180-05-06 22:23:00 or blank; {path} has {shortened(strange)}; download it again"
        )
    return _seconds(moments)


def _seconds(moments: pd.Series) -> Times:
    values = moments.to_numpy("datetime64[s]")
    return np.where(np.isnat(values), np.nan, values.astype(np.int64).astype(np.float64))


def in_unit(seconds: Times, join: Join) -> Times:
    """Seconds as they are, or the days that they lie in."""
    return seconds if join == "second" else np.asarray(np.floor(seconds / DAY))
