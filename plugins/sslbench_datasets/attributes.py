"""Race, ethnicity and insurance as hospitals write them down, in the values that are declared for all datasets."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

RACES = {
    "white": "White", "black": "Black", "asian": "Asian", "hispanic": "Hispanic", "south american": "Hispanic",
    "american indian": "American Indian", "native american": "American Indian", "native hawaiian": "Pacific Islander",
    "pacific islander": "Pacific Islander", "multiple": "Other", "other": "Other", "portuguese": "Other",
}  # fmt: skip
"""By the beginning of what is written, in lower case; what is not told (unknown, declined) has none."""

ETHNICITIES = {
    "non-hispanic": "Not Hispanic", "non hispanic": "Not Hispanic", "not hispanic": "Not Hispanic",
    "hispanic": "Hispanic", "latino": "Hispanic",
}  # fmt: skip

INSURANCES = {
    "medicare": "Medicare", "medicaid": "Medicaid", "private": "Private", "other": "Other", "no charge": "Other",
    "self pay": "Other", "self-pay": "Other", "government": "Other",
}  # fmt: skip

UNTOLD = ("", "unknown", "unable to obtain", "patient declined to answer", "patient refused", "declined",
          "race and ethnicity unknown", "?")  # fmt: skip
"""What says that nothing is known, in lower case."""


def by_beginning(text: pd.Series, meanings: Mapping[str, str]) -> pd.Series:
    """Our value for each text by how it begins, whatever its case; the longest beginning counts, others are missing."""
    ordered = sorted(meanings, key=len, reverse=True)
    codes, distinct = pd.factorize(text)
    found = [next((meanings[start] for start in ordered if value.strip().lower().startswith(start)), None)
             for value in distinct]  # fmt: skip
    return pd.Series(pd.array(found, dtype=object)[codes], index=text.index, dtype=object)


def count_untold(text: pd.Series, known: pd.Series, name: str) -> dict[str, int]:
    """How many rows do not tell an attribute, and how many tell one that is none of ours."""
    untold = text.str.strip().str.lower().isin(UNTOLD)
    return {f"missing {name}": int(untold.sum()), f"unknown {name}": int((known.isna() & ~untold).sum())}
