"""Label spaces and what is done with uncertain and blank labels."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from ssl_bench.errors import DataError, UsageError, shortened, unknown
from ssl_bench.numbers import counted
from ssl_bench.plugin.label_spaces import CHEXPERT14 as CHEXPERT14
from ssl_bench.plugin.label_spaces import COMMON7 as COMMON7
from ssl_bench.plugin.label_spaces import NIH14 as NIH14
from ssl_bench.plugin.label_spaces import NO_FINDING as NO_FINDING
from ssl_bench.plugin.label_spaces import SPACES as SPACES
from ssl_bench.plugin.names import MACRO
from ssl_bench.plugin.vocabulary import expressed

NOT_IMPLIED = (NO_FINDING, "Support Devices")
"""What an image with ``No Finding`` may have; the labellers of CheXpert and MIMIC-CXR look at all others for it."""

Policy = Literal["ignore", "zeros", "ones"]


def space_of(findings: tuple[str, ...], *, single: bool = True) -> str:
    """The label space of some findings; ``native`` where it is none, or ``shared`` where several datasets have them."""
    return next((name for name, held in SPACES.items() if held == findings), "native" if single else "shared")


def in_space(raw: pd.DataFrame, space: str | Sequence[str]) -> pd.DataFrame:
    """The columns of a label space, by name and never by position; other names and unions by the vocabulary.

    Args:
        raw: labels of one dataset, one column a finding.
        space: a name of :data:`SPACES`, ``native`` for the dataset's own columns, or findings that it has.

    Raises:
        UsageError: the space is unknown.
        DataError: the dataset lacks findings of the space.
    """
    if space == "native":
        return raw
    if not isinstance(space, str):
        return expressed(raw, space)
    if space not in SPACES:
        raise UsageError(unknown("label space", space, [*SPACES, "native", "auto"]))
    wanted = SPACES[space]
    if set(wanted) <= set(raw.columns):
        return raw[list(wanted)]
    named = expressed(raw, wanted)
    missing = [finding for finding in wanted if finding not in named.columns]
    if missing:
        raise DataError(
            f"label space '{space}' needs {shortened(missing)}; the dataset has {shortened([*raw.columns])}"
        )
    return named


def check_values(raw: pd.DataFrame, image_ids: pd.Series) -> None:
    """Refuse label values other than 1, 0, -1 (uncertain) and blank.

    Raises:
        DataError: naming the first rows and their values.
    """
    rows, columns = np.nonzero((raw.notna() & ~raw.isin((1.0, 0.0, -1.0))).to_numpy())
    if len(rows):
        found = [
            f"{image_ids.iloc[row]} {raw.columns[int(column)]}={_shown(raw.iat[int(row), int(column)])}"
            for row, column in zip(rows, columns, strict=True)
        ]
        raise DataError(f"labels must be 1, 0, -1 or blank; found {shortened(found)}; correct those rows")


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def apply_policy(raw: pd.DataFrame, uncertain: Policy, blank: Policy) -> pd.DataFrame:
    """Labels as 1, 0 or NaN (unknown) from raw ones.

    Args:
        raw: 1, 0, -1 for uncertain, NaN for blank.
        uncertain: what -1 becomes: unknown (``ignore``), 0 or 1.
        blank: what NaN becomes: unknown (``ignore``) or 0.
    """
    value = {"ignore": np.nan, "zeros": 0.0, "ones": 1.0}
    blanks = raw.isna()
    return raw.astype(float).mask(raw == -1, value[uncertain]).mask(blanks, value[blank])


def alike(names: Iterable[object]) -> list[list[str]]:
    """Groups of names of findings that differ only in case, white space or underscores, the order kept."""
    groups: dict[str, list[str]] = {}
    for name in map(str, names):
        spelt = unicodedata.normalize("NFKC", name).casefold().replace("_", " ")
        groups.setdefault(" ".join(spelt.split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def check_names(labels: Sequence[str], where: object) -> None:
    """Findings have names, each its own, and none that of the mean over findings.

    Raises:
        DataError: one is empty, ``macro``, or there twice, in one spelling or in two.
    """
    names = [str(label).strip() for label in labels]
    if "" in names:
        raise DataError(f"every finding needs a name; {where} has one without (y_ and p_ with nothing behind)")
    if MACRO in [name.lower() for name in names]:
        raise DataError(f"'{MACRO}' is the mean over findings and cannot be a finding's name; rename it in {where}")
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise DataError(f"{where} has the findings {shortened(double)} twice; keep one of each")
    several = [" and ".join(f"'{name}'" for name in group) for group in alike(labels)]
    if several:
        raise DataError(
            f"{where} has {counted(len(several), 'finding')} in two spellings: {shortened(several, 5)}; "
            "keep one of each"
        )
