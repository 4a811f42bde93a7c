"""Writes the general hospital in the layout of MIMIC-CXR-JPG 2.0.0 or 2.1.0, with MIMIC-IV tables of its patients.

Columns and vocabularies are those of https://physionet.org/content/mimic-cxr-jpg/2.1.0/. Quirks that are written: films
without ViewPosition or patient position, times with leading zeros and long fractions, studies that the labellers give
no row or no label, patients that MIMIC-IV lacks, and those of :mod:`sslbench_synthetic.hospitals.mimic_iv`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.plugin.labels import CHEXPERT14
from sslbench_synthetic.hospitals import mimic_iv
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.labels import another_labeller, chexpert_truth, reported
from sslbench_synthetic.hospitals.mimic_events import write_body, write_events
from sslbench_synthetic.hospitals.options import MimicCxrWriterOptions
from sslbench_synthetic.hospitals.population import by_patient, draw_films, draw_studies, stream
from sslbench_synthetic.hospitals.profiles import GENERAL

METADATA = (
    "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns",
    "StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)  # fmt: skip
SPLIT = ("dicom_id", "study_id", "subject_id", "split")
FINDINGS = tuple(sorted(CHEXPERT14))

SPLITS = {"train": 0.75, "validate": 0.10, "test": 0.15}
"""Of the patients. The official shares (0.8 % select, 0.5 % test) would leave a small cohort without."""

UNLINKED = 0.03
"""Share of the patients that MIMIC-IV lacks."""

NO_VIEW = 0.04
"""Share of the films without ViewPosition (4.2 % of MIMIC-CXR's)."""

ODD_VIEWS = ("AP AXIAL", "AP LLD", "PA LLD", "LAO", "RAO", "XTABLE LATERAL", "SWIMMERS")
ODD = 0.01

CODES = {
    "AP": ("CHEST (PORTABLE AP)", "antero-posterior"),
    "PA": ("CHEST (PA AND LAT)", "postero-anterior"),
    "LATERAL": ("CHEST (PA AND LAT)", "lateral"),
    "LL": ("CHEST (PA AND LAT)", "left lateral"),
}
"""Procedure and view in words, by ViewPosition."""

POSITIONS = {"Erect": (0.85, 0.35, 0.05), "Recumbent": (0.02, 0.45, 0.80), "": (0.13, 0.20, 0.15)}
"""Share of each patient position among outpatients, on the ward, in intensive care."""

BLANK, ROWLESS = 0.01, 0.003
"""Shares of the studies whose labels are all blank, and of those that the label files lack."""


HAND_READ = {"Lung Opacity": "Airspace Opacity"}
"""The column that has another name in the genuine test labels of 2.1.0."""


def write(options: MimicCxrWriterOptions, folder: Path) -> dict[str, int]:
    """Write images, tables and ``mimiciv/`` into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    studies = draw_studies(GENERAL, options.patients, options.seed)
    rng = stream(options.seed, GENERAL, 2)
    _identify(studies, rng)
    films = draw_films(GENERAL, studies, options.seed, options.size)
    _describe(films, rng)
    write_csv(films[list(METADATA)], folder / "mimic-cxr-2.0.0-metadata.csv.gz")
    write_csv(films[list(SPLIT)], folder / "mimic-cxr-2.0.0-split.csv.gz")
    (folder / "IMAGE_FILENAMES").write_text("\n".join(films["path"]) + "\n", encoding="utf-8")
    _write_labels(studies, options.release, folder, rng)
    linked = studies[by_patient(studies, spread(options.patients, rng)) >= UNLINKED]
    stays = mimic_iv.write(linked, options.mimic_iv, folder / "mimiciv", stream(options.seed, GENERAL, 3))
    events = write_events(linked, folder / "mimiciv", stream(options.seed, GENERAL, 4))
    if options.mimic_iv != "v1":  # v1.0 has no such table
        events |= write_body(linked, folder / "mimiciv", stream(options.seed, GENERAL, 5))
    write_films(GENERAL, films, options.seed, folder)
    return {"patients": options.patients, "studies": len(studies), "images": len(films), **stays, **events}


def _identify(studies: pd.DataFrame, rng: np.random.Generator) -> None:
    """Add ``subject_id`` and ``study_id``, eight digits each and in no order of time, ``split`` and ``StudyTime``."""
    patients, rows = int(studies["patient"].max()), len(studies)
    subjects = np.sort(rng.choice(9_999_999, patients, replace=False)) + 10_000_000
    studies["subject_id"] = by_patient(studies, subjects).astype(str)
    studies["study_id"] = (rng.choice(9_999_999, rows, replace=False) + 50_000_000).astype(str)
    limits = np.cumsum(list(SPLITS.values()))[:-1]
    studies["split"] = np.array(list(SPLITS))[np.digitize(by_patient(studies, spread(patients, rng)), limits)]
    thousandths = pd.Series(rng.integers(0, 1000, rows)).astype(str).str.zfill(3)
    tail = rng.choice(["", "00000000002", "none"], rows, p=(0.7, 0.15, 0.15))
    fraction = ("." + thousandths + tail).mask(tail == "none", "")
    studies["StudyTime"] = studies["time"].dt.strftime("%H%M%S") + fraction


def _describe(films: pd.DataFrame, rng: np.random.Generator) -> None:
    """Add the columns of the metadata and ``path``."""
    films["dicom_id"] = (films["study_id"] + "/" + films["film"].astype(str)).map(_dicom_id)
    view = films["view"].mask(films["view"].eq("LATERAL") & (rng.random(len(films)) < 0.5), "LL")
    procedure = view.map({name: words[0] for name, words in CODES.items()})
    films["PerformedProcedureStepDescription"] = procedure.mask(rng.random(len(films)) < 0.1, "")
    films["ProcedureCodeSequence_CodeMeaning"] = procedure
    films["ViewCodeSequence_CodeMeaning"] = view.map({name: words[1] for name, words in CODES.items()})
    odd = pd.Series(rng.choice(ODD_VIEWS, len(films)))
    films["ViewPosition"] = view.mask(spread(len(films), rng) < ODD, odd).mask(spread(len(films), rng) < NO_VIEW, "")
    films["Rows"], films["Columns"] = films["height"], films["width"]
    films["StudyDate"] = films["time"].dt.strftime("%Y%m%d")
    limits = np.cumsum(list(POSITIONS.values()), axis=0)[:-1, films["setting"]]  # (2, films)
    position = (rng.random(len(films)) >= limits).sum(axis=0)
    films["PatientOrientationCodeSequence_CodeMeaning"] = np.array(list(POSITIONS))[position]
    place = "files/p" + films["subject_id"].str[:2] + "/p" + films["subject_id"] + "/s" + films["study_id"]
    films["path"] = place + "/" + films["dicom_id"] + ".jpg"


def _dicom_id(name: str) -> str:
    """Five groups of eight hexadecimal digits."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return "-".join(digits[at : at + 8] for at in range(0, 40, 8))


def _write_labels(studies: pd.DataFrame, release: str, folder: Path, rng: np.random.Generator) -> None:
    """Write the tables of both labellers, and for 2.1.0 the test studies read by hand."""
    truth = chexpert_truth(studies, rng)
    rowless, blank = spread(len(studies), rng) < ROWLESS, spread(len(studies), rng) < BLANK
    chexpert = reported(truth, rng)
    for name, labels in (("chexpert", chexpert), ("negbio", another_labeller(chexpert, truth, rng))):
        table = studies[["subject_id", "study_id"]].join(labels.loc[~blank, list(FINDINGS)])
        write_csv(table[~rowless], folder / f"mimic-cxr-2.0.0-{name}.csv.gz")
    if release == "2.1.0":
        test = studies["split"] == "test"
        table = studies[["study_id"]].join(truth[list(FINDINGS)].rename(columns=HAND_READ))[test]
        write_csv(table, folder / "mimic-cxr-2.1.0-test-set-labeled.csv")
