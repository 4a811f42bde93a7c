"""Writes the referral centre in the layout of CheXpert Plus: its patients, reports and demographics.

Quirks that are written: table paths that end in .jpg where the files are .png, labels in a file of one JSON object a
line with null for no mention, reports with line breaks and commas, a patient who died after the image.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.plugin.labels import CHEXPERT14
from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.files import save_png8
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.labels import reported
from sslbench_synthetic.hospitals.visits import PLUS, by_study, draw

RACES = ("White", "Asian", "Black or African American", "Other", "Unknown")
ETHNICITIES = ("Non-Hispanic/Non-Latino", "Hispanic/Latino", "Unknown")
INSURANCES = ("Medicare", "Private Insurance", "Medicaid", "Unknown")
VALID = 0.2
REPORT = 'NARRATIVE:\nCHEST, "SINGLE" VIEW\nIMPRESSION:\n1. None'


def write(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write images, table and labels into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(PLUS, options)
    films, rng = visits.films, visits.rng
    people = int(films["patient"].max())
    who = films["patient"] - 1
    split = np.where(spread(people, rng)[who] < VALID, "valid", "train")
    number = "patient" + films["patient"].astype(str).str.zfill(5)
    lateral = films["view"] == "LATERAL"
    side = pd.Series(np.where(lateral, "Lateral", "Frontal").tolist())
    shot = (films.groupby("row").cumcount() + 1).astype(str)
    stem = split + "/" + number + "/study" + (films["study"] + 1).astype(str) + "/view" + shot + "_" + side.str.lower()
    bmi = np.round(rng.normal(27, 5, people).clip(15, 55), 1)
    table = pd.DataFrame({
        "path_to_image": stem + ".jpg", "path_to_dcm": stem + ".dcm", "frontal_lateral": side,
        "ap_pa": films["view"].mask(lateral, ""), "deid_patient_id": number,
        "patient_report_date_order": films["study"] + 1, "report": REPORT,
        "age": films["age"].clip(upper=90), "sex": films["male"].map({1: "Male", 0: "Female"}),
        "race": rng.choice(RACES, people, p=[0.5, 0.15, 0.1, 0.15, 0.1])[who],
        "ethnicity": rng.choice(ETHNICITIES, people, p=[0.75, 0.15, 0.1])[who],
        "insurance_type": rng.choice(INSURANCES, people)[who],
        "recent_bmi": np.where(spread(people, rng)[who] < 0.3, "", bmi[who].astype(str)),
        "deceased": np.where(rng.random(people)[who] < 0.2, "Yes", "No"), "split": split,
    })  # fmt: skip
    write_csv(table, folder / "df_chexpert_plus_240401.csv")
    labels = by_study(reported(visits.truth[list(CHEXPERT14)], rng), films["row"])
    for source in ("impression", "findings", "report"):
        _write_labels(table["path_to_image"], labels, folder / f"chexbert_labels/{source}_fixed.json")
    write_films(PLUS, films.assign(path="PNG/PNG/" + stem + ".png"), options.seed, folder, save_png8)
    return visits.counts()


def _write_labels(paths: pd.Series, labels: pd.DataFrame, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    rows = labels.astype(object).where(labels.notna(), None).to_dict("records")
    lines = [json.dumps({"path_to_image": path, **row}) for path, row in zip(paths, rows, strict=True)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
