"""Writes a hospital in the layout of PadChest: 16-bit PNG in numbered folders, terms in a Python-like list.

Quirks that are written: years of birth, two labellers, blank labels, terms in double quotes, unmapped and excluding
terms, lateral and horizontal films, a first column without a name, reports that hold commas and line breaks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.cohort.population import ICU
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.files import save_png16
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.visits import ALICANTE, draw

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
TERMS = {
    "Atelectasis": ("laminar atelectasis", "atelectasis"), "Cardiomegaly": ("cardiomegaly",),
    "Consolidation": ("air bronchogram", "consolidation"), "Edema": ("pulmonary edema",), "Emphysema": ("emphysema",),
    "Fibrosis": ("pulmonary fibrosis",), "Fracture": ("rib fracture", "callus rib fracture"),
    "Hernia": ("hiatal hernia",), "Infiltration": ("infiltrates", "interstitial pattern"), "Mass": ("pulmonary mass",),
    "Nodule": ("nodule", "multiple nodules"), "Pleural Effusion": ("pleural effusion",),
    "Pleural_Thickening": ("apical pleural thickening",), "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax",), "Support Devices": ("endotracheal tube", "pacemaker"),
    "Tuberculosis": ("tuberculosis",),
}  # fmt: skip
OTHERS = ("scoliosis", "aortic elongation", "chronic changes", "breast mass", "Chilaiditi's sign")
"""None of ours; the last is not PadChest's either."""

PHYSICIAN, UNLABELLED, EXCLUDED, UNCHANGED = 0.4, 0.02, 0.01, 0.03
YEARS = (2010, 2017)


def write(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write images and the label file into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(ALICANTE, options)
    films, rng = visits.films, visits.rng
    films["place"] = (films.index % 3).astype(str)
    films["image"] = [f"{row.patient:06d}{row.study:02d}_{row.film:02d}-{row.Index}.png" for row in films.itertuples()]
    year = rng.integers(*YEARS, len(films))
    day = pd.Series(year * 10000 + rng.integers(1, 13, len(films)) * 100 + rng.integers(1, 29, len(films)))
    horizontal = (films["view"] == "AP") & (films["setting"] == ICU)
    table = pd.DataFrame({
        "": films.index, "ImageID": films["image"], "ImageDir": films["place"], "StudyDate_DICOM": day,
        "StudyID": 900_000 + films["row"], "PatientID": films["patient"] * 7919,
        "PatientBirth": (pd.Series(year) - films["age"]).astype(float).astype(str),
        "PatientSex_DICOM": films["male"].map({1: "M", 0: "F"}),
        "Projection": films["view"].replace("LATERAL", "L").mask(horizontal, "AP_horizontal"),
        "Manufacturer_DICOM": np.where(films["patient"] % 3 == 0, "PhilipsMedicalSystems", "ImagingDynamicsCompanyLtd"),
        "Report": "sin hallazgos, \n radiografia \"de torax\" .",
        "MethodLabel": np.where(spread(films["patient"].max(), rng)[films["patient"] - 1] < PHYSICIAN, "Physician",
                                "RNN_model"),
        "Labels": _labels(visits.truth, films, rng),
    })  # fmt: skip
    write_csv(table, folder / TABLE)
    write_films(ALICANTE, films.assign(path=films["place"] + "/" + films["image"]), options.seed, folder, save_png16)
    return visits.counts()


def _labels(truth: pd.DataFrame, films: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    """Lists of terms as Python prints them; the films of a study share theirs."""
    chance = spread(int(films["row"].max()) + 1, rng)
    found: dict[int, str] = {}
    for place, row in enumerate(films["row"]):
        if row not in found:
            here = truth.iloc[place]
            terms = [str(rng.choice(names)) for finding, names in TERMS.items() if here[finding] > 0] or ["normal"]
            terms += [str(rng.choice(OTHERS))] if rng.random() < 0.3 else []
            found[row] = _shown(terms, float(chance[row]))
    return [found[row] for row in films["row"]]


def _shown(terms: list[str], chance: float) -> str:
    if chance < UNLABELLED:
        return ""
    if chance < UNLABELLED + EXCLUDED:
        return repr([*terms, "exclude"])
    return repr(["unchanged", ""] if chance < UNLABELLED + EXCLUDED + UNCHANGED else [f" {terms[0]}", *terms[1:]])
