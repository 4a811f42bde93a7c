"""What settles labels of several readers, grades and sides, and what policies other than the chosen one would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ssl_bench.plugin.labels import NO_FINDING, NOT_IMPLIED
from sslbench_datasets.hospitals.options import Grades, Readers

GRADE = {"uncertain": -1.0, "ones": 1.0, "zeros": 0.0}


def agreed(marks: pd.DataFrame, images: pd.Series, policy: Readers) -> pd.DataFrame:
    """Labels by image from one row for each reader of it; readers who left a label blank do not count for it.

    Args:
        marks: 1, 0 or NaN, a column a finding, a row for each reader of an image.
        images: of the rows.
        policy: how many readers make a label 1. A tie of a majority is 0.
    """
    shares = marks.groupby(images.to_numpy(), sort=False).mean()
    return by_share(shares, policy)


def by_share(shares: pd.DataFrame, policy: Readers) -> pd.DataFrame:
    """Labels from the share of readers that see a finding; NaN stays."""
    found = {"majority": shares > 0.5, "any": shares > 0, "all": shares == 1}[policy]
    return found.astype(float).where(shares.notna())


def from_grades(grades: pd.DataFrame, questionable: Sequence[float], policy: Grades) -> pd.DataFrame:
    """Labels from grades: 0 is absent, ``questionable`` ones follow the policy, higher ones are present, NaN stays."""
    marks = (grades > 0).astype(float).mask(grades.isin(list(questionable)), GRADE[policy])
    return marks.where(grades.notna())


def larger(one: pd.Series, other: pd.Series) -> pd.Series:
    """The higher grade of two sides; where one is blank that of the other, unless it is 0: nobody judged the whole."""
    both = pd.concat([one, other], axis=1)
    higher = both.max(axis=1)
    return higher.mask(both.isna().any(axis=1) & (higher == 0))


def without_contradictions(marks: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Labels whose ``No Finding`` is 0 where a finding is there, and which rows said both.

    Args:
        marks: a column a finding; a support device may be there without one.
    """
    found = (marks.drop(columns=list(NOT_IMPLIED), errors="ignore") == 1).any(axis=1)
    both = found & (marks[NO_FINDING] == 1)
    return marks.assign(**{NO_FINDING: marks[NO_FINDING].mask(both, 0.0)}), both


def sensitivity(policies: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, int]]:
    """Positive images by finding, under each policy."""
    return {name: {str(label): int((marks[label] == 1).sum()) for label in marks} for name, marks in policies.items()}


def count_terms(terms: pd.Series, images: pd.Series) -> dict[str, int]:
    """Images that name each term, by term.

    Args:
        terms: a term each, under the number of its row; a row may name one twice.
        images: by number of a row, how many images it stands for.
    """
    named = pd.DataFrame({"term": terms.to_numpy(), "row": terms.index}).drop_duplicates()
    counts = images[named["row"]].groupby(named["term"].to_numpy()).sum()
    return {str(term): int(count) for term, count in counts.items()}
