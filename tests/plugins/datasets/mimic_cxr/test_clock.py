"""Dates and times as MIMIC writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError
from sslbench_datasets.mimic_cxr.clock import in_unit, stay_times, study_times


def since_1970(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "hour", "minute", "second"),
    [
        ("213014.53100000001", 21, 30, 14),
        ("080556.875", 8, 5, 56),
        ("80556.875", 8, 5, 56),  # the zero lost
        ("000000", 0, 0, 0),
        ("0.5", 0, 0, 0),
        ("59", 0, 0, 59),
        ("235959.999", 23, 59, 59),  # the fraction is dropped, never rounded up
    ],
)
def test_study_times_with_and_without_leading_zeros(text: str, hour: int, minute: int, second: int) -> None:
    years, at = study_times(pd.Series(["21800506"]), pd.Series([text]), "second")
    assert years.tolist() == [2180]
    assert at.tolist() == [since_1970(2180, 5, 6, hour, minute, second)]


@pytest.mark.parametrize("text", ["", "240000", "126000", "120060", "noon", "-1", "1e5", "1234567", "12:30:00", "nan"])
def test_times_that_are_none(text: str) -> None:
    years, at = study_times(pd.Series(["21800506"]), pd.Series([text]), "second")
    assert years.tolist() == [2180]
    assert np.isnan(at).all()
    days = study_times(pd.Series(["21800506"]), pd.Series([text]), "day").at
    assert days.tolist() == [since_1970(2180, 5, 6) / 86_400]


@pytest.mark.parametrize("text", ["", "2180-05-06", "21801306", "218005", "21800506.0"])
def test_dates_that_are_none(text: str) -> None:
    years, at = study_times(pd.Series([text]), pd.Series(["120000"]), "second")
    assert np.isnan(years).all()
    assert np.isnan(at).all()


def test_times_of_stays() -> None:
    column = pd.Series(["2180-05-06 22:23:00", ""], name="admittime")
    seconds = stay_times(column, Path("admissions.csv"))
    assert seconds[0] == since_1970(2180, 5, 6, 22, 23)
    assert np.isnan(seconds[1])
    assert in_unit(seconds, "day")[0] == since_1970(2180, 5, 6) / 86_400
    assert in_unit(seconds, "second")[0] == seconds[0]


@pytest.mark.parametrize("text", ["5/6/2180 22:23", "2180-05-06", "soon"])
def test_times_of_stays_in_another_form_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=f"admittime must be like 2180-05-06 22:23:00.*admissions.csv has {text}"):
        stay_times(pd.Series([text], name="admittime"), Path("admissions.csv"))
