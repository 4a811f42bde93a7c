"""Patient ids that may be one person's, and may as well be two's: told of, and never refused or merged."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pandas as pd

from ssl_bench.data.ids import ZEROS, canonicals
from ssl_bench.plugin.cohort import Cohort

NOTICED = "patient ids that look like another one's, kept as other patients"
"""The count of :func:`noticed`."""

CYRILLIC = str.maketrans("\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445", "abekmhopctyx")
"""Letters that look like Latin ones."""

DIGITS = str.maketrans("oil", "011")

AMONG_DIGITS = re.compile(r"[oil]+(?=[0-9])|(?<=[0-9])[oil]+")
"""O, I and l where they may well be digits."""

BESIDE_LETTERS = re.compile(r"(?<![0-9])[^0-9a-z]+|[^0-9a-z]+(?![0-9])")
"""What is neither letter nor digit; between two digits it counts, for 1-11 and 11-1 are two."""

BETWEEN = re.compile(r"[^0-9a-z]+")

COUNTED = re.compile(r"[a-z]+([0-9]+)")


def alike(cohort: Cohort) -> list[list[str]]:
    """Ids that differ only in accents, in letters that look the same, in what stands between letters, or in a prefix.

    ``P7`` and ``P-7``, ``PO1`` and ``P01``, ``M\u00fcller`` and ``Muller``, ``1-5`` and ``1/5``, ``P7`` and ``7``.
    """
    ids = pd.Series(cohort.frame["patient_id"].dropna().astype(str).unique(), dtype=str)
    bare = ids.str.replace(r"[0-9]+", "", regex=True)
    if (
        bare.nunique() <= 1
        and not bare.str.contains(r"[^A-Za-z]").any()
        and not ids.str.contains("[0-9][A-Za-z]").any()
    ):
        return []  # one prefix and a number, or a number alone, as in most datasets
    keys = canonicals(ids).drop_duplicates()  # more spellings of one are told of by check_ids
    keys = _without_prefix(keys.map(_looks))
    several = keys[keys.duplicated(keep=False)]
    return [sorted(texts) for _, texts in ids[several.index].groupby(several)]


def noticed(cohort: Cohort) -> Cohort:
    """The cohort with the number of such ids among its counts, for the plan and the record."""
    found = sum(len(texts) - 1 for texts in alike(cohort))
    return replace(cohort, counts={**cohort.counts, NOTICED: found}) if found else cohort


def _looks(text: str) -> str:
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    if text.count(".") > 2:  # a DICOM UID, whose points alone part its numbers
        return text
    # A dash or the like between digits is one mark, whichever it is; beside a letter it is none.
    text = BETWEEN.sub("-", BESIDE_LETTERS.sub("", text.translate(CYRILLIC)))
    return ZEROS.sub("", AMONG_DIGITS.sub(lambda found: found[0].translate(DIGITS), text))


def _without_prefix(keys: pd.Series) -> pd.Series:
    """Numbers in the place of the same numbers behind a word, where all such words are one."""
    behind = keys.str.fullmatch(COUNTED.pattern)
    words = keys[behind].str.replace(r"[0-9]+$", "", regex=True)
    if words.nunique() != 1 or not keys.str.fullmatch("[0-9]+").any():
        return keys
    return keys.where(~behind, keys.str.replace(r"^[a-z]+0*(?=[0-9])", "", regex=True))
