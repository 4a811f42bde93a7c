"""Writes films of the research clinic (``nih14``) under other names: RSNA's boxes, SIIM's masks, Google's labels.

Quirks that are written: several boxes an image, a space before a column's name and before -1, masks as runs relative
to the end of the one before, trees of folders, another image column, labels YES and NO.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.hospitals.boxes import box_of
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.device import Pixels
from sslbench_synthetic.hospitals.files import save_dicom, uid
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.nih14 import write as write_nih
from sslbench_synthetic.hospitals.options import Nih14WriterOptions
from sslbench_synthetic.hospitals.population import records
from sslbench_synthetic.hospitals.visits import NIH, Visits, draw

FILM = 1024
"""Side in px of the films that boxes and masks are drawn in, whatever the size of the copies."""

MISTAKEN = 0.05
"""Share of the labels that the experts give otherwise than the truth, for they see the film alone."""


def write_rsna(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write films, boxes, classes and NIH's names into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(NIH, options)
    films = visits.films
    films["image"] = [uid("rsna", options.seed, row)[5:41] for row in films.index]
    sick = (visits.truth[["Pneumonia", "Consolidation"]].max(axis=1) > 0).to_numpy()
    rows: list[tuple[object, ...]] = []
    for film, there in zip(records(films), sick, strict=True):
        left, top, right, bottom = box_of("Pneumonia", {**film, "width": FILM, "height": FILM})
        boxes = [(left, top, right - left, bottom - top)] * (1 + film["film"] % 2) if there else [("", "", "", "")]
        rows += [(film["image"], *box, int(there)) for box in boxes]
    write_csv(pd.DataFrame(rows, columns=["patientId", "x", "y", "width", "height", "Target"]),
              folder / "stage_2_train_labels.csv")  # fmt: skip
    normal = visits.truth["No Finding"] == 1
    kind = np.where(sick, "Lung Opacity", np.where(normal, "Normal", "No Lung Opacity / Not Normal"))
    write_csv(pd.DataFrame({"patientId": films["image"], "class": kind}), folder / "stage_2_detailed_class_info.csv")
    names = zip(nih_names(films), films["image"], strict=True)
    nih = [{"img_id": name, "subset_img_id": image} for name, image in names]
    (folder / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(nih), encoding="utf-8")
    _films(visits, "stage_2_train_images/" + films["image"] + ".dcm", options.seed, folder)
    return visits.counts()


def write_siim(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write films and masks into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(NIH, options)
    films = visits.films
    films["image"] = [f"1.2.276.0.7230010.3.1.4.{8323329 + options.seed}.{row}" for row in films.index]
    rows = []
    for film in records(films):
        rows += [(film["image"], f" {mask}") for mask in (_masks(film) if film["Pneumothorax"] > 0 else ["-1"])]
    lines = "\n".join(["ImageId, EncodedPixels", *(",".join(row) for row in rows)])
    (folder / "train-rle.csv").write_text(lines + "\n", encoding="utf-8")
    places = "dicom-images-train/1.2." + films["row"].astype(str) + "/1.3." + films["film"].astype(str) + "/"
    _films(visits, places + films["image"] + ".dcm", options.seed, folder)
    return {"images": len(films), "images with a mask": int((films["Pneumothorax"] > 0).sum())}


def _masks(film: dict[str, object]) -> list[str]:
    """The box of the pneumothorax as runs down the columns: pixels since the end of the run before, and its length."""
    sides = box_of("Pneumothorax", {**film, "width": FILM, "height": FILM})
    left, top, right, bottom = (round(value) for value in sides)
    runs, last = [], 0
    for column in range(left, right):
        start = column * FILM + top
        runs.append(f"{start - last} {bottom - top}")
        last = start + bottom - top
    return [" ".join(runs)]


def _films(visits: Visits, paths: pd.Series, seed: int, folder: Path) -> None:
    headers = [
        {"PatientID": str(row.image), "PatientSex": "M" if row.male else "F", "PatientAge": f"{row.age:03d}Y",
         "ViewPosition": str(row.view)} for row in visits.films.itertuples()
    ]  # fmt: skip

    def save(pixels: Pixels, path: Path, number: int) -> None:
        save_dicom(pixels, path, headers[number])

    write_films(NIH, visits.films.assign(path=paths), seed, folder, save)


def nih_names(films: pd.DataFrame) -> pd.Series:
    """The name of each film in NIH's release."""
    return pd.Series([f"{row.patient:08d}_{row.study:03d}.png" for row in films.itertuples()])


def write_experts(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write NIH's files, and expert labels of its test patients; see :class:`ssl_bench.plugin.contracts.Writer`."""
    numbers = write_nih(Nih14WriterOptions(**options.model_dump()), folder)
    visits = draw(NIH, options)
    films, rng = visits.films, visits.rng
    names = nih_names(films)
    tested = names.isin((folder / "test_list.txt").read_text().split()).to_numpy()
    truth = pd.DataFrame({
        "Fracture": visits.truth["Fracture"], "Pneumothorax": visits.truth["Pneumothorax"],
        "Airspace opacity": visits.truth["Lung Opacity"],
        "Nodule or mass": visits.truth[["Nodule", "Mass"]].max(axis=1),
    })  # fmt: skip
    seen = truth.where(rng.random(truth.shape) >= MISTAKEN, 1 - truth).map(lambda value: "YES" if value else "NO")
    table = pd.concat([names.rename("Image Index"), films["patient"].rename("Patient ID"), seen], axis=1)
    half = spread(int(films["patient"].max()), rng)[films["patient"] - 1] < 0.5
    for file, rows in (("validation_labels.csv", tested & half), ("test_labels.csv", tested & ~half)):
        write_csv(table[rows], folder / "four_findings_expert_labels" / file)
    return {**numbers, "images read by experts": int(tested.sum())}
