"""Values of native tables: ages, features that are missing or unknown, labels as numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.feature_specs import SHARED

MAX_AGE = 120
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25, "": 1.0}
"""Years in each unit of an age (DICOM's age string)."""


def parse_age(text: pd.Series) -> pd.Series:
    """Age in years from ``57``, ``040Y``, ``005M`` or ``012D``; NaN where unreadable, 0 or less, or over 120."""
    return by_value(text, _years)


def _years(text: pd.Series) -> pd.Series:
    parts = text.str.extract(r"^\s*(-?\d+(?:\.\d+)?)\s*([YMWDymwd]?)\s*$")
    years = pd.to_numeric(parts[0], errors="coerce") * parts[1].str.upper().map(YEARS)
    return years.where((years > 0) & (years <= MAX_AGE)).astype(float)


def by_value(text: pd.Series, parse: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """What ``parse`` makes of a column of text, asked once for each of its distinct values.

    Args:
        text: any number of rows.
        parse: text to numbers, value by value.
    """
    codes, distinct = pd.factorize(text, use_na_sentinel=False)
    parsed = parse(pd.Series(distinct, dtype=text.dtype)).to_numpy(dtype=float)
    return pd.Series(parsed[codes], index=text.index, name=text.name)


def _numbers(text: pd.Series) -> pd.Series:
    """Text as numbers, NaN where it is none."""
    return pd.to_numeric(text, errors="coerce")


def plausible(text: pd.Series, feature: str) -> pd.Series:
    """Numbers of a shared feature; NaN where unreadable or outside of what is plausible."""
    low, high = SHARED[feature].plausible
    numbers = by_value(text, _numbers)
    return numbers.where(numbers.between(low, high))


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


def parse_marks(text: pd.DataFrame, ids: pd.Series, path: Path) -> pd.DataFrame:
    """Labels as numbers, a column each: 1, 0, -1 for uncertain, NaN for blank.

    Other numbers stay, for the check that every dataset's labels go through.

    Args:
        text: the labels, a column each.
        ids: of the image or study of each row, for messages.
        path: of the file, for messages.

    Raises:
        DataError: a value is no number, naming the first rows.
    """
    marks = text.apply(lambda column: by_value(column, _numbers))
    rows, places = (marks.isna() & (text != "")).to_numpy().nonzero()
    if len(rows):
        found = [
            f"{ids.iloc[row]} {text.columns[int(place)]}={text.iat[int(row), int(place)]!r}"
            for row, place in zip(rows, places, strict=True)
        ]
        raise DataError(f"labels must be 1, 0, -1 or blank; {path} has {shortened(found)}; correct those rows")
    return marks


def marks_of_names(named: pd.Series, findings: Sequence[str], rows: pd.Index) -> pd.DataFrame:
    """Labels of rows that name their findings: 1 where a row names the finding, else 0.

    Args:
        named: a finding each, under the number of its row; names other than the findings are passed over.
        findings: the columns.
        rows: ``0 ... N - 1``.
    """
    places = pd.Index(findings).get_indexer(pd.Index(named))
    marks = np.zeros((len(rows), len(findings)))
    known = places >= 0
    marks[named.index.to_numpy()[known], places[known]] = 1.0
    return pd.DataFrame(marks, columns=list(findings), index=rows)


def slashed(paths: pd.Series) -> pd.Series:
    """Paths in one way, ``a/b.png``, where a table has backslashes or ``./a/b.png``."""
    return paths.str.replace("\\", "/", regex=False).str.replace(r"^(?:\./+)+", "", regex=True)


def without_ending(names: pd.Series) -> pd.Series:
    """Names of images without the ending of their files, which some copies of a table have and others lack."""
    return names.str.replace(r"(?i)\.(?:dicom|dcm|png|jpe?g)$", "", regex=True)


def paths_in(
    root: Path, names: pd.Series, folders: pd.Series | None = None, below: Sequence[str] = (".",)
) -> pd.Series:
    """Paths of files relative to the root, where a release may lie in one folder or in several.

    Args:
        root: of the dataset.
        names: of the files.
        folders: the folder of each as its table says; used where one of them is there. None: tables say none.
        below: folders of the root that may hold the files, or folders of files.

    Returns:
        Each file where it is, by its name without the ending too; an absent one where it would be.
    """
    if folders is not None and any((root / folder).is_dir() for folder in folders.unique() if folder):
        return folders.where(folders == "", folders + "/") + names
    places = [place for place in below if (root / place).is_dir()]
    index: dict[str, str] = {}
    every = [f"{place}/{inner}".rstrip("/") for place in places for inner in _inner(root / place)]
    for place in reversed(every):
        for name in os.listdir(root / place):
            # By stem too: copies of the images may have another ending, which is told where they are looked for.
            index[name.rpartition(".")[0]] = index[name] = place
    default = places[0] if places else below[0]
    found = [index.get(name) or index.get(name.rpartition(".")[0], default) for name in names]
    return (pd.Series(found, index=names.index) + "/").str.removeprefix("./") + names


def _inner(folder: Path) -> list[str]:
    """The folder itself, as a blank, and the folders in it."""
    return ["", *sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())]
