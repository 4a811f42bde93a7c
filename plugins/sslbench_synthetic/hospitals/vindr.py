"""Writes a hospital in the layout of VinDr-CXR: DICOM films, three readers of each training film, boxes.

Quirks that are written: another name of one finding in the test file, readers who disagree, headers mostly without age
and sex, films with white as the lowest value.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.hospitals.boxes import box_of
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.device import Pixels
from sslbench_synthetic.hospitals.files import save_dicom, uid
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.population import records
from sslbench_synthetic.hospitals.visits import HANOI, Visits, draw

LOCAL = (
    "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Clavicle fracture", "Consolidation", "Edema",
    "Emphysema", "Enlarged PA", "ILD", "Infiltration", "Lung Opacity", "Lung cavity", "Lung cyst", "Mediastinal shift",
    "Nodule/Mass", "Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis", "Rib fracture",
    "Other lesion",
)  # fmt: skip
GLOBAL = ("COPD", "Lung tumor", "Pneumonia", "Tuberculosis")
OURS = {"Pleural effusion": ("Pleural Effusion",), "Pleural thickening": ("Pleural_Thickening",),
        "Pulmonary fibrosis": ("Fibrosis",), "Rib fracture": ("Fracture",),
        "Nodule/Mass": ("Nodule", "Mass")}  # fmt: skip
TEST, MISSED, SEEN, RARE, AGES = 0.2, 0.15, 0.02, 0.02, 0.3
READERS = tuple(f"R{number}" for number in range(1, 18))


def write(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write films and annotations into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(HANOI, options)
    films, rng = visits.films, visits.rng
    films["image"] = [uid("vindr", options.seed, row)[5:37] for row in films.index]
    films["split"] = np.where(spread(len(films), rng) < TEST, "test", "train")
    truth = _truth(visits)
    train = (films["split"] == "train").to_numpy()
    readings = pd.concat([_reading(truth[train], films.loc[train, "image"], reader, rng) for reader in range(3)])
    write_csv(readings.sort_values(["image_id", "rad_id"]), folder / "annotations/image_labels_train.csv")
    test = _with_rest(truth[~train].astype(int), "Other disease")
    write_csv(
        films.loc[~train, ["image"]].set_axis(["image_id"], axis=1).join(test),
        folder / "annotations/image_labels_test.csv",
    )
    for split, rows in (("train", train), ("test", ~train)):
        write_csv(_boxes(films[rows], truth[rows], split), folder / f"annotations/annotations_{split}.csv")
    headers = _headers(films, rng)

    def save(pixels: Pixels, path: Path, number: int) -> None:
        save_dicom(pixels, path, headers[number], inverted=number % 4 == 1)

    write_films(HANOI, films.assign(path=films["split"] + "/" + films["image"] + ".dicom"), options.seed, folder, save)
    return {"images": len(films), "training images": int(train.sum()), "test images": int((~train).sum())}


def _truth(visits: Visits) -> pd.DataFrame:
    """VinDr's findings by film; one that is not drawn is rare and random."""
    columns = {}
    for name in (*LOCAL, *GLOBAL):
        ours = [one for one in OURS.get(name, (name,)) if one in visits.truth]
        rare = (visits.rng.random(len(visits.films)) < RARE).astype(float)
        columns[name] = visits.truth[ours].max(axis=1) if ours else pd.Series(rare)
    return pd.DataFrame(columns)


def _reading(truth: pd.DataFrame, images: pd.Series, reader: int, rng: np.random.Generator) -> pd.DataFrame:
    chance = rng.random(truth.shape)
    marks = _with_rest(
        truth.where(chance >= np.where(truth == 1, MISSED, SEEN), 1 - truth).astype(int), "Other diseases"
    )
    names = [READERS[(5 * reader + int(image[-2:]) % 5)] for image in images]
    return pd.concat([pd.DataFrame({"image_id": images, "rad_id": names}), marks], axis=1)


def _with_rest(marks: pd.DataFrame, other: str) -> pd.DataFrame:
    rest = marks.assign(**{other: 0})
    return rest.assign(**{"No finding": (rest.max(axis=1) == 0).astype(int)})


def _boxes(films: pd.DataFrame, truth: pd.DataFrame, split: str) -> pd.DataFrame:
    rows = []
    for film, marks in zip(records(films), records(truth), strict=True):
        rows += [(film["image"], "R1", name, *box_of(name, film)) for name in LOCAL if marks[name]]
    table = pd.DataFrame(rows, columns=["image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max"])
    return table if split == "train" else table.drop(columns="rad_id")


def _headers(films: pd.DataFrame, rng: np.random.Generator) -> list[dict[str, str]]:
    known = spread(len(films), rng) < AGES
    return [
        {"PatientSex": ("M" if row.male else "F") if there else "", "PatientAge": f"{row.age:03d}Y" if there else "",
         "ViewPosition": "PA" if there else ""} for row, there in zip(films.itertuples(), known, strict=True)
    ]  # fmt: skip
