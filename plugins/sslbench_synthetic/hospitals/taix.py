"""Writes a hospital in the layout of TAIX-Ray: bedside films with graded findings of both sides.

Quirks that are written: ages in days, questionable grades, findings of one side, hearts not judged, five folds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.cohort.population import LEFT, RIGHT
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.files import save_png8, uid
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.visits import AACHEN, draw

SIDED = {"PleuralEffusion": "Effusion", "PulmonaryOpacities": "Consolidation", "Atelectasis": "Atelectasis"}
QUESTIONABLE, UNJUDGED, FOLDS = 0.08, 0.02, 5
SPLITS = {"train": 0.64, "val": 0.16, "test": 0.2}


def write(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write images, grades and folds into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(AACHEN, options)
    films, rng = visits.films, visits.rng
    people = int(films["patient"].max())
    films["image"] = [uid("taix", options.seed, row)[5:45] for row in films.index]
    days = (films["age"] + rng.uniform(0, 1, len(films))) * 365.25
    heart = _grades(films["Cardiomegaly"].to_numpy(), rng).clip(max=3)
    table = pd.DataFrame({
        "UID": films["image"], "PatientID": [uid("taix patient", row)[5:25] for row in films["patient"]],
        "PhysicianID": films["row"] % 11, "StudyDate": films["time"].dt.strftime("%Y-%m-%d"),
        "Age": days.astype(int), "Sex": films["male"].map({1: "M", 0: "F"}),
        "HeartSize": np.where(spread(len(films), rng) < UNJUDGED, -1, heart),
        "PulmonaryCongestion": _grades(films["Edema"].to_numpy(), rng),
    })  # fmt: skip
    for column, finding in SIDED.items():
        for name, other in (("Right", LEFT), ("Left", RIGHT)):
            there = films[finding].where(films[f"{finding}:side"] != other, 0.0)
            table[f"{column}_{name}"] = _grades(there.to_numpy(), rng)
    write_csv(table, folder / "metadata/annotation.csv")
    write_csv(_split(table, films["patient"], people, rng), folder / "metadata/split.csv")
    write_films(AACHEN, films.assign(path="data/" + films["image"] + ".png"), options.seed, folder, save_png8)
    return visits.counts()


def _grades(severity: npt.NDArray[np.floating], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Grades 2 to 4 by severity; a few of all are questionable (1), the others without a finding 0."""
    grade = np.where(severity > 0, 2 + np.digitize(severity, (0.7, 0.9)), 0)
    return np.where(rng.random(len(severity)) < QUESTIONABLE, 1, grade)


def _split(table: pd.DataFrame, patient: pd.Series, people: int, rng: np.random.Generator) -> pd.DataFrame:
    order = spread(people, rng)
    parts = []
    for fold in range(FOLDS):
        turned = (order + fold / FOLDS) % 1
        names = np.array(list(SPLITS))[np.digitize(turned, np.cumsum(list(SPLITS.values()))[:-1])]
        parts.append(pd.DataFrame({"UID": table["UID"], "Fold": fold, "Split": names[patient - 1]}))
    return pd.concat(parts, ignore_index=True)
