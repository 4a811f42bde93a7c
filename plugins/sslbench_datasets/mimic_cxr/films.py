"""Images of MIMIC-CXR-JPG: identifiers, view and position, split, labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ssl_bench.data.tables import first_present, header_of, read_csv, unique_rows
from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.features import CATEGORIES
from ssl_bench.plugin.labels import CHEXPERT14
from sslbench_datasets.values import count_values, parse_marks

IDS = {"image_id": "dicom_id", "study_id": "study_id", "patient_id": "subject_id"}
"""Our identifiers and MIMIC's, the finest first."""

OPACITY = ("Airspace Opacity", "Lung Opacity")
"""Names of one finding: of the genuine test labels, and of the labellers."""

SCAN = {"view": "ViewPosition", "position": "PatientOrientationCodeSequence_CodeMeaning"}
WHEN = {"date": "StudyDate", "time": "StudyTime"}


class Noticed(NamedTuple):
    """A table and what was noticed while it was read."""

    frame: pd.DataFrame
    counts: dict[str, int]


class Films(NamedTuple):
    """Images of the views asked for, what was noticed, and how many the file holds of all views."""

    frame: pd.DataFrame
    counts: dict[str, int]
    sources: dict[str, int]


def read_films(path: Path, views: tuple[str, ...]) -> Films:
    """One row per image of the metadata whose view is asked for.

    Args:
        path: the metadata file.
        views: values of ``ViewPosition``; ``all`` keeps every row.

    Returns:
        ``image_id, study_id, patient_id, image_path, view, position`` and ``date, time`` of the study as text.

    Raises:
        DataError: identifiers are blank, or no image has such a view.
    """
    text = read_csv(path, {**IDS, **SCAN, **WHEN})
    text.check_filled(*IDS)
    table = text.frame
    whole = {"images": len(table), "studies": table["study_id"].nunique(), "patients": table["patient_id"].nunique()}
    counts: dict[str, int] = {}
    if "all" not in views:
        kept, blank = table["view"].isin(views), table["view"] == ""
        counts = {"images without a view left out": int(blank.sum()),
                  "images of other views left out": int((~kept & ~blank).sum())}  # fmt: skip
        if not kept.any():
            found = sorted(set(table["view"]) - {""})
            raise DataError(f"no image of {path} has the view {' or '.join(views)}; found {shortened(found)}")
        table = table[kept].reset_index(drop=True)
    for feature in SCAN:
        given = table[feature]
        table[feature] = given.where(given.isin(CATEGORIES[feature]))
        counts |= count_values(given, table[feature], feature)
    table["image_path"] = image_paths(table)
    return Films(table, counts, whole)


def image_paths(table: pd.DataFrame) -> pd.Series:
    """``files/p10/p10000032/s50414267/<dicom_id>.jpg``."""
    patient = table["patient_id"]
    folder = "files/p" + patient.str[:2] + "/p" + patient + "/s" + table["study_id"]
    return folder + "/" + table["image_id"] + ".jpg"


def read_split(path: Path, films: pd.DataFrame, *, official: bool = True) -> pd.Series:
    """The split of every image: by ``dicom_id``, in a file of the user's by the finest identifier that it has.

    Raises:
        DataError: the file has no identifier, says two things of one, or lacks images.
    """
    ours = "image_id" if official else first_present(path, IDS)
    key = IDS[ours]
    table = unique_rows(read_csv(path, {key: key, "split": "split"}).frame, path, [key])
    split = films[ours].map(table.set_index(key)["split"])
    lacking = films.loc[split.isna(), "image_id"].tolist()
    if lacking:
        raise DataError(
            f"every image must have a split; {path} has no {key} for {len(lacking)} of {len(films)} images: "
            f"{shortened(lacking)}; complete it"
        )
    return split


def read_labels(path: Path, films: pd.DataFrame) -> Noticed:
    """Labels of every image, from its own study's row: 1, 0, -1 or NaN, in the order of ``films``.

    Raises:
        DataError: a value is no number, or a study has two rows that differ.
    """
    keys = ["patient_id", "study_id"]
    table = _findings(path, ["subject_id", "study_id"]).rename(columns={"subject_id": "patient_id"})
    labels = films[keys].merge(table, how="left", on=keys, validate="many_to_one")[list(CHEXPERT14)]
    blank = labels.isna().all(axis=1).to_numpy()
    counts = {"studies without a label": int(films.loc[blank, "study_id"].nunique())}
    return Noticed(labels, counts)


def read_test_labels(path: Path, films: pd.DataFrame, labels: pd.DataFrame) -> Noticed:
    """``labels`` with a radiologist's for the test split; a test study that none was read for has no label.

    Args:
        path: the file of MIMIC-CXR-JPG 2.1.0, one row a study.
        films: with their split.
        labels: of the labeller, in the order of ``films``.
    """
    table = _findings(path, ["study_id"], {"Lung Opacity": _opacity(path)})
    truth = films[["study_id"]].merge(table, how="left", on="study_id", validate="many_to_one")[list(CHEXPERT14)]
    test = films["split"] == "test"
    without = test & truth.isna().all(axis=1)
    counts = {"test studies without a radiologist's label": int(films.loc[without, "study_id"].nunique())}
    return Noticed(labels.mask(test, truth), counts)


def _opacity(path: Path) -> str:
    """What the radiologist's file calls Lung Opacity.

    Raises:
        DataError: it has both names, and nobody knows which one is meant.
    """
    header = header_of(path)
    held = [name for name in OPACITY if name in header]
    if len(held) > 1:
        raise DataError(f"{path} has the columns {' and '.join(held)}, which are one finding; remove one")
    return (held or ["Lung Opacity"])[0]


def _findings(path: Path, keys: list[str], called: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Keys as text and the findings as numbers, one row for each study; some findings have another name in the file."""
    text = read_csv(path, {name: (called or {}).get(name, name) for name in (*keys, *CHEXPERT14)})
    text.check_filled(*keys)
    marks = parse_marks(text.frame[list(CHEXPERT14)], "study " + text.frame["study_id"], path)
    return unique_rows(text.frame[keys].join(marks), path, keys)
