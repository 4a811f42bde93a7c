"""Writes the referral centre in the layout of CheXpert: train, valid and test, with the test truth by study.

Quirks that are written: labels that are uncertain or blank, one sex Unknown, ages of 0 and the cap of 90, lateral films
without AP/PA and films called frontal that are laterals (LL, RL), a path prefix, test truth in a file of its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.plugin.labels import CHEXPERT14
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.labels import chexpert_truth, reported
from sslbench_synthetic.hospitals.options import ChexpertWriterOptions
from sslbench_synthetic.hospitals.population import by_patient, draw_films, draw_studies, stream
from sslbench_synthetic.hospitals.profiles import REFERRAL

COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT14)
DESCRIBED = COLUMNS[:5]
PREFIXES = {"small": "CheXpert-v1.0-small/", "full": "CheXpert-v1.0/", "bare": ""}
"""What paths begin with: the folder of the release."""

TRUTH = ("Study", *CHEXPERT14)

SPLITS = {"train": 0.75, "valid": 0.10, "test": 0.15}
"""Of the patients. The official shares (0.3 % select, 0.8 % test) would leave a small cohort without."""

FIRST = {"train": 1, "valid": 64541, "test": 64741}
"""Number of the first patient of each part, as in the release."""

OLDEST, ZERO_AGES = 90, 3
UNKNOWN_SEX = 1
MISCALLED = 0.01
"""Share of the lateral films that are called frontal, with LL or RL."""


def write(options: ChexpertWriterOptions, folder: Path) -> dict[str, int]:
    """Write images and tables into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    studies = draw_studies(REFERRAL, options.patients, options.seed)
    rng = stream(options.seed, REFERRAL, 2)
    _identify(studies, rng)
    truth = chexpert_truth(studies, rng)
    labels = reported(truth, rng)
    prefix = PREFIXES[options.paths]
    home = folder / prefix
    films = draw_films(REFERRAL, studies, options.seed, options.size)
    _describe(films, prefix, rng)
    for split in SPLITS:
        rows = films[films["split"] == split]
        # The test set's images are described in one file and its truth stands in another, one row a study.
        values = {"train": labels, "valid": truth}.get(split)
        table = rows[list(DESCRIBED)] if values is None else _labelled(rows, values)
        write_csv(table, home / f"{split}.csv")
    _write_truth(films, truth, home)
    write_films(REFERRAL, films.assign(path=films["file"]), options.seed, home)
    return {"patients": options.patients, "studies": len(studies), "images": len(films)}


def _identify(studies: pd.DataFrame, rng: np.random.Generator) -> None:
    """Add ``split``, ``place`` (folder of the study below the release's) and ``row`` (its number)."""
    patients = int(studies["patient"].max())
    part = np.digitize(spread(patients, rng), np.cumsum(list(SPLITS.values()))[:-1])
    number = np.array(list(FIRST.values()))[part] + pd.Series(part).groupby(part).cumcount().to_numpy()
    names = np.array([f"patient{value:05d}" for value in number])
    studies["split"] = np.array(list(SPLITS))[by_patient(studies, part)]
    study = "/study" + (studies["study"] + 1).astype(str)
    studies["place"] = studies["split"] + "/" + by_patient(studies, names) + study
    studies["row"] = np.arange(len(studies))


def _describe(films: pd.DataFrame, prefix: str, rng: np.random.Generator) -> None:
    """Add the release's columns, and ``file`` below its folder."""
    lateral = films["view"] == "LATERAL"
    miscalled = lateral.copy()
    miscalled[lateral] = spread(int(lateral.sum()), rng) < MISCALLED
    films["Frontal/Lateral"] = np.where(lateral & ~miscalled, "Lateral", "Frontal")
    films["AP/PA"] = films["view"].mask(lateral, "").mask(miscalled, pd.Series(rng.choice(["LL", "RL"], len(films))))
    films["Sex"] = films["male"].map({1: "Male", 0: "Female"})
    films["Age"] = films["age"].clip(upper=OLDEST)
    train = np.flatnonzero(films["split"] == "train")
    strange = rng.choice(train, ZERO_AGES + UNKNOWN_SEX, replace=False)
    films.loc[strange[:ZERO_AGES], "Age"] = 0
    films.loc[strange[ZERO_AGES:], "Sex"] = "Unknown"
    number = (films.groupby("place").cumcount() + 1).astype(str)
    films["file"] = films["place"] + "/view" + number + "_" + films["Frontal/Lateral"].str.lower() + ".jpg"
    films["Path"] = prefix + films["file"]


def _labelled(films: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    rows = labels.loc[films["row"], list(CHEXPERT14)].set_index(films.index)
    return films[list(DESCRIBED)].join(rows)


def _write_truth(films: pd.DataFrame, truth: pd.DataFrame, home: Path) -> None:
    """The test truth as it is published: one row a study, with the prefix of the full release."""
    studies = films[films["split"] == "test"].drop_duplicates("place")
    rows = truth.loc[studies["row"]].astype(int).set_index(studies.index)
    write_csv(rows.assign(Study="CheXpert-v1.0/" + studies["place"])[list(TRUTH)], home / "groundtruth.csv")
