"""A folder of images without a table: pictures as they lie, or DICOM series as an archive exports them.

Nothing is known of a picture but its path, from which a pattern may take the patient. Of a DICOM file the header tells
patient, study, view, sex and age; ids become numbers on the way, and dates and names are not kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.spellings import DICOM, PICTURES
from ssl_bench.data.synthetic import MARKER, is_synthetic
from ssl_bench.errors import DataError, UsageError, shortened
from ssl_bench.plugin.cohort import IDENTIFIERS, Cohort
from ssl_bench.plugin.features import CATEGORIES
from ssl_bench.plugin.notes import Note
from sslbench_datasets.hospitals.draft import SEXES
from sslbench_datasets.hospitals.headers import has_header, read_headers
from sslbench_datasets.values import MAX_AGE, count_ages, count_values, parse_age

FOLDER = "folder"
"""The pattern by which the folder of an image is its patient."""

DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
"""When a film was taken: the first that a header has."""

TAGS = {
    "patient": "PatientID", "study": "StudyInstanceUID", "image": "SOPInstanceUID", "modality": "Modality",
    "view": "ViewPosition", "sex": "PatientSex", "age": "PatientAge", "born": "PatientBirthDate", "body":
    "BodyPartExamined", "intent": "PresentationIntentType", "frames": "NumberOfFrames", "rows": "Rows",
    "columns": "Columns", **{date: date for date in DATES},
}  # fmt: skip
RADIOGRAPHS = ("CR", "DX", "DR", "RG", "")
"""Modalities that are films, and a header that says none."""

VIEWS = {**{view: view for view in CATEGORIES["view"]}, "RL": "LATERAL"}
CHEST = r"CHEST|THORA|LUNG|RIB|^$"
"""In the body part of a film of the chest; a blank says nothing."""

FEATURES = ("age", "sex", "view")
DAYS = 365.25
UNMARKED = ("", ".dic", ".ima")
TABLES = (".csv", ".csv.gz", ".tsv", ".parquet", ".pq", ".xlsx")


def read_folder(name: str, root: Path, patients: str) -> Cohort:
    """A cohort without labels of every image below a folder, all of it training images.

    Args:
        name: of the dataset.
        root: the folder.
        patients: regular expression whose first group is the patient in a picture's path below the root; ``folder``:
            the folder it lies in; empty: each picture is a patient of its own.

    Raises:
        UsageError: the pattern has no group.
        DataError: there is no image, or the pattern misses some.
    """
    found = sorted(_files(root))
    pictures = [path for path in found if os.path.splitext(path)[1].lower() in PICTURES]
    headers = [path for path in found if path not in set(pictures) and _is_dicom(root, path, marked=bool(pictures))]
    if not pictures and not headers:
        raise DataError(f"expected images below {root}; found {shortened(found, 5) or 'no file'}; check --root")
    if pictures and headers:
        raise DataError(
            f"{root} holds {len(pictures)} pictures and {len(headers)} DICOM files; give a folder of one kind, or a "
            "column map"
        )
    rows, features, counts = _pictures(pictures, patients) if pictures else _dicom(root, headers)
    counts["tables that are not read without a column map"] = sum(path.lower().endswith(TABLES) for path in found)
    notes = [] if patients or headers else [
        Note("no-patients", f"no patients are known of the {len(rows):,} images: each counts as a patient of its own")
    ]  # fmt: skip
    return Cohort(
        name, root, rows.assign(split="train")[[*IDENTIFIERS, *features]].reset_index(drop=True), features, (),
        official_split=False, synthetic=is_synthetic(root), sources={"images": len(pictures or headers)},
        counts={what: count for what, count in counts.items() if count}, notes=tuple(notes),
    )  # fmt: skip


def _files(root: Path) -> Iterator[str]:
    """Relative paths of all files, hidden ones left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        place = os.path.relpath(folder, root).replace(os.sep, "/")
        yield from (name if place == "." else f"{place}/{name}" for name in names if name[0] != "." and name != MARKER)


def _is_dicom(root: Path, path: str, *, marked: bool) -> bool:
    """By the ending or the mark; a file without an ending may lack the mark, where no pictures are there."""
    ending = os.path.splitext(path)[1].lower()
    if ending in DICOM:
        return True
    with (root / path).open("rb") as file:
        mark = file.read(132)[128:] == b"DICM"
    return mark or (not marked and ending in UNMARKED and has_header(root / path))


Rows = tuple[pd.DataFrame, tuple[str, ...], dict[str, int]]


def _pictures(paths: list[str], patients: str) -> Rows:
    path = pd.Series(paths, dtype=str)
    name = path.str.replace(r"\.[^./]+$", "", regex=True)
    if not patients:
        patient = name
    elif patients == FOLDER:
        patient = path.str.rpartition("/")[0]
        patient = patient.mask(patient == "", ".")
    else:
        patient = path.str.extract(_pattern(patients))[0]
    missed = path[patient.isna()].tolist()
    if missed:
        raise DataError(
            f"pattern '{patients}' finds no patient in {len(missed)} paths: {shortened(missed, 5)}; correct it"
        )
    rows = pd.DataFrame({"image_id": _unique(name, path), "image_path": path, "patient_id": patient})
    return rows.assign(study_id=rows["image_id"]), (), {}


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise UsageError(f"patients expects a regular expression, found '{text}': {error}") from None
    if not groups:
        raise UsageError(f"patients expects a regular expression with a group for the patient, found '{text}'")
    return text


def _unique(name: pd.Series, path: pd.Series) -> pd.Series:
    """Paths without their ending, but where two files differ in it alone."""
    return name.mask(name.duplicated(keep=False), path)


def _dicom(root: Path, paths: list[str]) -> Rows:
    text = read_headers(root, paths, TAGS).assign(image_path=paths)
    text, counts = _films(text)
    if text.empty:
        found = shortened([f"{count:,} {what.removesuffix(' left out')}" for what, count in counts.items() if count])
        raise DataError(
            f"none of the {len(paths):,} DICOM files below {root} is a radiograph (modality CR, DX); {found}; check "
            "--root"
        )
    text["patient"] = _patients(text)
    rows = _numbered(text)
    counts["images without a patient id, each study its own"] = int((text["patient"] == "").sum())
    counts["images whose header names another body part than the chest"] = int(
        (~text["body"].str.upper().str.contains(CHEST)).sum()
    )
    rows["age"] = _ages(text)
    counts |= count_ages(text["age"].where(text["age"] != "", text["born"]), rows["age"])
    rows["sex"] = text["sex"].str.lower().map(SEXES).astype(object)
    rows["view"] = text["view"].str.upper().map(VIEWS).astype(object)
    for feature in ("sex", "view"):
        counts |= count_values(text[feature], rows[feature], feature)
    return rows, FEATURES, counts


def _films(text: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The radiographs of an export, each once, and how many files are left out for which reason."""
    frames = pd.to_numeric(text["frames"], errors="coerce").fillna(1)
    empty = (text["rows"] == "") | (text["columns"] == "")
    reasons = {
        "files without a readable DICOM header": ~text["readable"],
        "DICOM files without an image (index, report, presentation state)": empty,
        "DICOM files that are no radiographs": ~text["modality"].str.upper().isin(RADIOGRAPHS),
        "DICOM files of several frames": frames > 1,
        "raw DICOM images (for processing)": text["intent"].str.upper() == "FOR PROCESSING",
    }
    counts = dict[str, int]()
    for what, wrong in reasons.items():
        counts[f"{what} left out"] = int(wrong[text.index].sum())
        text = text[~wrong[text.index]]
    copies = text["image"].duplicated() & (text["image"] != "")
    counts["copies of a DICOM image left out"] = int(copies.sum())
    return text[~copies].reset_index(drop=True), counts


def _patients(text: pd.DataFrame) -> pd.Series:
    """The patient of each film, or of another film of its study; blank where no header of the study says one."""
    of_study = text.groupby("study")["patient"].transform("max")
    return text["patient"].mask((text["patient"] == "") & (text["study"] != ""), of_study)


def _numbered(text: pd.DataFrame) -> pd.DataFrame:
    """Ids as numbers in the order of the genuine ones, which are not kept."""
    when = text["study"].where(text["study"] != "", "file:" + text["image_path"])
    who = text["patient"].where(text["patient"] != "", "study:" + when)
    patient = "P" + pd.Series(np.unique(who, return_inverse=True)[1] + 1).astype(str).str.zfill(6)
    study = patient + "/S" + pd.Series(np.unique(when, return_inverse=True)[1] + 1).astype(str).str.zfill(6)
    image = study + "/I" + (study.groupby(study).cumcount() + 1).astype(str).str.zfill(3)
    return pd.DataFrame({"image_id": image, "image_path": text["image_path"], "patient_id": patient, "study_id": study})


def _ages(text: pd.DataFrame) -> pd.Series:
    """The age that the header says, else the years between birth and film."""
    said = parse_age(text["age"])
    taken = text[list(DATES)].replace("", None).bfill(axis=1).iloc[:, 0].fillna("")
    born, date = (
        pd.to_datetime(day.str.replace(r"[.\-/]", "", regex=True), format="%Y%m%d", errors="coerce")
        for day in (text["born"], taken)
    )
    years = (date - born).dt.days / DAYS
    return said.fillna(years.where((years > 0) & (years <= MAX_AGE)))
