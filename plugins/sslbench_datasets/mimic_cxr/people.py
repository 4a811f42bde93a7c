"""What the admissions of a patient say of race and insurance, and when the patient was seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sslbench_datasets.attributes import INSURANCES, RACES, by_beginning
from sslbench_datasets.mimic_cxr.films import Noticed
from sslbench_datasets.mimic_cxr.stays import Times

MEANINGS: Mapping[str, Mapping[str, str]] = {"race": RACES, "insurance": INSURANCES}
COLUMNS = {"race": ("race", "ethnicity"), "insurance": ("insurance",)}
"""Columns of ``admissions`` that hold an attribute; MIMIC-IV v1.0 calls the race ethnicity."""


def attributes(admissions: pd.DataFrame, patients: int, rows: np.ndarray) -> Noticed:
    """Race and insurance of every image, as far as the table has them.

    Admissions of a patient may differ: the value that most of them tell counts. Where two are told as often, it is
    missing, and counted.

    Args:
        admissions: of the images' patients, with the number of each in ``patient``, and the attributes as text.
        patients: how many there are.
        rows: ``(N,)`` number of each image's patient.
    """
    found, counts = dict[str, pd.Series](), dict[str, int]()
    for name in (name for name in MEANINGS if name in admissions):
        told = by_beginning(admissions[name], MEANINGS[name])
        settled = most_told(admissions["patient"], told)
        disputed = int(settled.isna().sum())
        of_patient = settled.reindex(range(patients)).astype(object)
        found[name] = pd.Series(of_patient.to_numpy()[rows], dtype=object)
        counts |= {f"patients whose admissions state two values of {name} as often": disputed,
                   f"missing {name}": int(found[name].isna().sum())}  # fmt: skip
    return Noticed(pd.DataFrame(found, index=range(len(rows))), counts)


def most_told(patients: pd.Series, values: pd.Series) -> pd.Series:
    """The most frequent known value by patient, NaN where two are as frequent; patients without any are left out."""
    known = pd.DataFrame({"patient": patients.to_numpy(), "value": values.to_numpy()}).dropna()
    counts = known.groupby(["patient", "value"]).size().reset_index(name="times")
    best = counts[counts["times"] == counts.groupby("patient")["times"].transform("max")]
    single = best.drop_duplicates("patient").set_index("patient")["value"].astype(object)
    return single.mask(best.groupby("patient").size() > 1)


def years(people: pd.DataFrame, when: Times) -> pd.Series:
    """The true years that an image was taken in, as far as MIMIC-IV tells: three, such as ``2011-2013``.

    Args:
        people: by image, with ``anchor_year`` and ``anchor_year_group`` as text.
        when: ``(N,)`` shifted years of the images.
    """
    ends = people["anchor_year_group"].str.extract(r"^(\d{4})\s*-\s*(\d{4})$").apply(pd.to_numeric, errors="coerce")
    later = pd.Series(when, index=people.index) - pd.to_numeric(people["anchor_year"], errors="coerce").astype(float)
    first, last = ((ends[column] + later).astype("Int64").astype("string") for column in ends)
    text: pd.Series = (first + "-" + last).astype(object)
    return text.where(text.notna(), None)
