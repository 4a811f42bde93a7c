"""Writes a hospital in the layout of BRAX: PNG films and one spreadsheet with CheXpert's labels in another order.

Quirks that are written: ages in bins of five with ``85 or more``, a sex O, blank and oblique views, a fictitious date,
uncertain and blank labels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.plugin.labels import CHEXPERT14
from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.files import save_png8
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.labels import reported
from sslbench_synthetic.hospitals.visits import SAO_PAULO, by_study, draw

OTHER_SEX, BLANK_VIEW, OBLIQUE = 0.01, 0.02, 0.02
OLDEST = 85


def write(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write images and the spreadsheet into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(SAO_PAULO, options)
    films, rng = visits.films, visits.rng
    person = "id_" + films["patient"].astype(str).str.zfill(8)
    series = person + "/Study_" + films["row"].astype(str) + "/Series_1"
    films["path"] = "images/" + series + "/image-" + films["film"].astype(str) + ".png"
    bins = films["age"] // 5 * 5
    view = films["view"].map({"PA": "PA", "AP": "AP", "LATERAL": "L"}).to_numpy()
    chance = spread(len(films), rng)
    view = np.where(chance < BLANK_VIEW, "", np.where(chance < BLANK_VIEW + OBLIQUE, "RLO", view))
    table = pd.DataFrame({
        "DicomPath": films["path"].str.replace("images/", "Anonymized_DICOMs/").str.replace(".png", ".dcm"),
        "PngPath": films["path"], "PatientID": person,
        "PatientSex": np.where(spread(int(films["patient"].max()), rng)[films["patient"] - 1] < OTHER_SEX, "O",
                               films["male"].map({1: "M", 0: "F"})),
        "PatientAge": bins.astype(str).mask(bins >= OLDEST, f"{OLDEST} or more"),
        "AccessionNumber": 4_000_000 + films["row"], "StudyDate": 20_080_101 + films["row"] % 28,
    })  # fmt: skip
    labels = by_study(reported(visits.truth[list(CHEXPERT14)], rng), films["row"])
    table = table.join(labels[sorted(CHEXPERT14)]).assign(
        ViewPosition=view, Rows=films["height"], Columns=films["width"], Manufacturer=films["row"] % 4
    )
    write_csv(table, folder / "master_spreadsheet_update.csv")
    write_films(SAO_PAULO, films, options.seed, folder, save_png8)
    return visits.counts()
