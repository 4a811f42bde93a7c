"""Identifiers: one patient is one text, whatever software the text came through."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Literal

import pandas as pd

from ssl_bench.errors import DataError, Problems, shortened
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.splits import select

Similar = Literal["refuse", "merge", "keep"]
"""What is done with ids that differ in spelling only."""

OWNERS = ("patient_id", "study_id")
"""Identifiers that several rows share, and that are merged."""

# fmt: off
NOBODY = frozenset((
    "nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nat", "nil", "(null)", "undefined", "unknown", "missing",
    "-", "--", ".", "?", "#ref!", "#value!", "#name?",
))
# fmt: on
"""What software writes for no value."""

ROUNDED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+\d+")
"""A long number as a spreadsheet shows it: most of its digits are lost."""

POINT = re.compile(r"^(-?\d+)(?:\.0*|,00?)$")
GROUPED = re.compile(r"^-?\d{1,3}(?:(?:,\d{3})+|(?:\.\d{3}){2,}|(?:['\u2019]\d{3})+)(?:[.,]00?)?$")
POWER = re.compile(r"^\d{1,9}(?:[.,]\d{1,9})?e\+?\d{1,2}$")
ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")

USUAL = r"[0-9A-Za-z_/:;#@()-]*"
"""Letters that only case, leading zeros and the kind of dash make two spellings of."""

PLAIN = r"[^0-9a-z_-]"
"""Letters that an id has in one spelling only."""

HEXADECIMAL = r"(?i)[0-9a-f]*[a-df][0-9a-f]*"
"""An id whose column counts in sixteens, where an ``e`` between digits is a digit too and no power of ten."""


def canonical(text: str) -> str:
    """What the spellings of one identifier have in common.

    White space, letters without width, case, full-width and other digits, kinds of dashes (``_`` among them), quotes, a
    leading plus, a final ``.0`` or ``,0``, separators of thousands and leading zeros do not count.
    """
    if not text.isascii():
        text = "".join(_plain(letter) for letter in unicodedata.normalize("NFKC", text))
    text = "".join(text.split()).casefold().strip("='\"").replace("_", "-")
    if text[:1] == "+" and text[1:2].isdigit():
        text = text[1:]
    if GROUPED.match(text):
        text = re.sub(r"[.,]00?$", "", text)
        text = re.sub(r"[.,'\u2019]", "", text)
    elif "." in text or "," in text:
        text = POINT.sub(r"\1", text)
    return ZEROS.sub("", text) if "0" in text else text


def canonicals(ids: pd.Series) -> pd.Series:
    """What :func:`canonical` makes of each; of usual letters in one go, for a million takes 10 s one by one."""
    usual = ids.str.fullmatch(USUAL)
    keys = ids[usual].str.lower().str.replace("_", "-").str.replace(r"(^|[^0-9.])0+([0-9])", r"\1\2", regex=True)
    others: pd.Series = ids[~usual].map(canonical).astype(ids.dtype)
    return pd.Series(pd.concat([keys, others]), index=ids.index)


def _plain(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.digit(letter))
    return "-" if letter == "\u2212" else {"Cf": "", "Cc": "", "Pd": "-"}.get(kind, letter)


def without_point(ids: pd.Series) -> pd.Series:
    """Whole numbers that went through floating point in one piece (``12.0`` in every row) as whole numbers."""
    filled = ids[ids != ""]
    pointed = len(filled) and filled.str.fullmatch(r"[+-]?\d{1,15}\.0+").all()
    return ids.str.replace(r"\.0+$", "", regex=True) if pointed else ids


def same(one: Iterable[str], two: Iterable[str]) -> list[str]:
    """Identifiers of ``one`` that ``two`` has in any spelling, sorted."""
    there = {canonical(text) for text in two}
    return sorted({text for text in one if canonical(text) in there})


def check_ids(cohort: Cohort) -> None:
    """Refuse ids that two spellings make two of, or that are no ids; the leakage gate compares texts.

    Raises:
        DataError: all problems at once.
    """
    problems = Problems()
    for column in _columns(cohort):
        ids = pd.Series(cohort.frame[column].dropna().astype(str).unique(), dtype=str)
        for look in (_twice, *((_nobody, _rounded) if column in OWNERS else ())):  # an image's name can be any
            problem = look(column, ids)
            if problem:
                problems.add(DataError(problem))
    problems.raise_if_any()


def _columns(cohort: Cohort) -> list[str]:
    """The identifiers that say something of their own: images and studies may be named by their path."""
    frame = cohort.frame
    alone = [] if frame["study_id"].equals(frame["image_id"]) else ["study_id"]
    named = frame["image_id"].astype(str)
    paths = named.eq(frame["image_path"]).all() or named.str.contains("/", regex=False).any()
    return ["patient_id", *alone, *([] if paths else ["image_id"])]


def _twice(column: str, ids: pd.Series) -> str:
    groups = _groups(ids, image=column not in OWNERS)
    if not groups:
        return ""
    shown = [" and ".join(map(repr, sorted(texts)[:3])) for texts in groups.values()]
    return (
        f"{column} has {len(groups)} ids in two spellings: {shortened(shown, 5)}; write each in one way, or add "
        "--set data.similar_ids=merge if they are the same, keep if they are not"
    )


def _nobody(column: str, ids: pd.Series) -> str:
    short = ids[ids.str.len() < 12]
    found = short[canonicals(short).isin(NOBODY)].tolist()
    if not found:
        return ""
    return (
        f"{column} holds {', '.join(map(repr, found))}, which software writes where there is no id; fill in the ids, "
        "leave these rows out, or add --set data.similar_ids=keep if it is one"
    )


def _rounded(column: str, ids: pd.Series) -> str:
    found = ids[ids.str.fullmatch(ROUNDED.pattern)].tolist()
    if not found:
        return ""
    return (
        f"{column} holds {len(found)} rounded numbers such as {shortened(found, 3)}: a spreadsheet rounded "
        "them; export the column as text, or add --set data.similar_ids=keep if these are the ids"
    )


def _groups(ids: pd.Series, *, image: bool = False) -> dict[str, list[str]]:
    """Texts that are one id, by what they have in common.

    Args:
        ids: each once.
        image: they name images, of which ``IMG_1`` and ``IMG-1`` may well be two.
    """
    powers = _powers(ids)
    dashes = ids.str.contains("_", regex=False).any() and ids.str.contains("-", regex=False).any()
    if ids.str.len().nunique() <= 1 and not (len(powers) or dashes) and not ids.str.contains(PLAIN).any():
        return {}
    keys = canonicals(ids)
    if image:
        keys = keys + "\0" + ids.str.count("_").astype(str)
    numbers = powers[powers.isin(keys)]
    keys.loc[numbers.index] = numbers
    several = keys.duplicated(keep=False)
    found: dict[str, list[str]] = {}
    for key, text in zip(keys[several], ids[several], strict=True):
        found.setdefault(key, []).append(text)
    return found


def _powers(ids: pd.Series) -> pd.Series:
    """Whole numbers in the place of ids such as ``1e3``, by their place; none where ids count in sixteens."""
    lower = ids.str.lower()
    written = lower[lower.str.fullmatch(POWER.pattern)]
    if not len(written) or ids.str.fullmatch(HEXADECIMAL).any():
        return written.iloc[:0]
    numbers = written.map(lambda text: Decimal(text.replace(",", ".")))
    return numbers[numbers % 1 == 0].map(lambda number: f"{number:f}".partition(".")[0]).astype(ids.dtype)


def merge_ids(cohort: Cohort) -> Cohort:
    """The cohort with one spelling for each patient and study, the most frequent; a drawn split is drawn again."""
    frame, counts = cohort.frame.copy(), dict(cohort.counts)
    for column in OWNERS:
        spelt = _spellings(frame[column])
        if not spelt:
            continue
        counts[f"{column} in another spelling, merged"] = len(spelt)
        whole = frame[column].replace(spelt)
        if column == "patient_id":
            frame["split"] = _drawn_again(cohort, whole, spelt)
        frame[column] = whole
    return replace(cohort.with_frame(frame), counts=counts)


def _spellings(ids: pd.Series) -> dict[str, str]:
    """The most frequent spelling, for every other one."""
    times = ids.value_counts()
    return {
        text: best
        for texts in _groups(pd.Series(ids.dropna().unique(), dtype=str)).values()
        for best in [min(texts, key=lambda text: (-times[text], text))]
        for text in texts
        if text != best
    }


def _drawn_again(cohort: Cohort, patients: pd.Series, spelt: Mapping[str, str]) -> pd.Series:
    """The splits of merged patients, where they were drawn by spelling; the authors' own are not touched."""
    frame, split = cohort.frame, cohort.frame["split"]
    if not cohort.official_split:
        of_patient = frame.drop_duplicates("patient_id").set_index("patient_id")["split"]
        return split.where(~frame["patient_id"].isin(list(spelt)), patients.map(of_patient))
    together = split.replace("validate", "train")
    drawn = select(frame["patient_id"], together).equals(split)
    return select(patients, together) if drawn else split
