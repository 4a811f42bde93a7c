"""TAIX-Ray as it is on disk: bedside films of intensive care in Aachen, graded by the radiologist who reported them.

Truhn et al.; https://huggingface.co/datasets/TLAIM/TAIX-Ray
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.tables import find, read_csv
from ssl_bench.errors import DataError, shortened
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout
from sslbench_datasets.hospitals.options import TaixOptions
from sslbench_datasets.hospitals.readers import from_grades, larger, sensitivity
from sslbench_datasets.values import MAX_AGE, parse_marks, paths_in

WHOLE = {"Cardiomegaly": "HeartSize", "Pulmonary Congestion": "PulmonaryCongestion"}
SIDED = {"Pleural Effusion": "PleuralEffusion", "Lung Opacity": "PulmonaryOpacities", "Atelectasis": "Atelectasis"}
SIDES = ("Right", "Left")
GRADES = WHOLE | {f"{finding}:{side}": f"{column}_{side}" for finding, column in SIDED.items() for side in SIDES}
COLUMNS = {"image": "UID", "patient": "PatientID", "age": "Age", "sex": "Sex", **GRADES}
SPLIT = {"image": "UID", "fold": "Fold", "split": "Split"}

HIGHEST = 4
QUESTIONABLE = (1.0,)
"""Grade 1 is questionable (+/-), and a heart of grade 1 is borderline."""

DAYS = 365.25
PLACES = ("data", "images")


class Taix(Layout[TaixOptions]):
    """The dataset ``taix-ray``.

    Args:
        options: the fold of its split, and what a questionable finding is.
    """

    name = "taix-ray"
    model = TaixOptions

    def draft(self, root: Path) -> Draft:
        """Every row of the annotation, with the split of its fold."""
        folder = root / "metadata" if (root / "metadata").is_dir() else root
        path = find(folder, ("annotation.csv",))
        table = read_csv(path, COLUMNS)
        table.check_filled("image", "patient")
        text = table.frame
        draft = Draft.of(self.name, root, text["image"], paths_in(root, text["image"] + ".png", below=PLACES),
                         text["patient"])  # fmt: skip
        draft.age(text["age"], years_of_days(text["age"], path))
        draft.category("sex", text["sex"], SEXES)
        draft.category("view", pd.Series("AP", index=text.index), {"AP": "AP"})  # all films are taken at the bedside
        grades = read_grades(text, path)
        policies = {name: from_grades(grades, QUESTIONABLE, name) for name in ("uncertain", "ones", "zeros")}
        draft.findings(policies[self.options.questionable])
        draft.blank_unjudged = True
        draft.sensitivity = sensitivity({f"questionable={name}": marks for name, marks in policies.items()})
        draft.official_split(self._split(folder, text["image"]), folder / "split.csv")
        return draft

    def _split(self, folder: Path, images: pd.Series) -> pd.Series:
        path = find(folder, ("split.csv",))
        text = read_csv(path, SPLIT, optional=("fold",)).frame
        if "fold" in text:
            fold = pd.to_numeric(text["fold"], errors="coerce")
            if not (fold == self.options.fold).any():
                found = shortened(sorted(text["fold"].unique()))
                raise DataError(f"{path} has no fold {self.options.fold}; found {found}; correct data.options.fold")
            text = text[fold == self.options.fold]
        lacking = images[~images.isin(text["image"])]
        if len(lacking):
            raise DataError(f"{path} has no split for {len(lacking):,} images of the annotation: {shortened(lacking)}; "
                            "download it again")  # fmt: skip
        splits = text.drop_duplicates(["image", "split"])
        if splits["image"].duplicated().any():
            double = splits.loc[splits["image"].duplicated(), "image"]
            raise DataError(f"{path} has two splits for {shortened(double)}; keep one of each")
        return images.map(splits.set_index("image")["split"]).fillna("")


def years_of_days(text: pd.Series, path: Path) -> pd.Series:
    """Ages in years; the release gives them in days.

    Raises:
        DataError: they are years, for half of them are no more than the oldest people have.
    """
    days = pd.to_numeric(text, errors="coerce")
    if days[days > 0].median() <= MAX_AGE:
        raise DataError(f"Age of {path} must be in days; half of them are {days[days > 0].median():g} or less, as years"
                        " are; use the file of the release")  # fmt: skip
    years = days / DAYS
    return years.where((years > 0) & (years <= MAX_AGE))


def read_grades(text: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The grade of each finding, of the worse side where it is graded by side; NaN where the image was not judged.

    Raises:
        DataError: a grade is none of 0 to 4 (a heart's -1 is not judged).
    """
    raw = parse_marks(text[list(GRADES)], text["image"], path)
    raw = raw.mask(raw == -1, np.nan)
    wrong = raw.notna() & ~raw.isin(range(HIGHEST + 1))
    if wrong.to_numpy().any():
        rows = shortened(text.loc[wrong.any(axis=1), "image"])
        raise DataError(f"grades of {path} must be 0 to {HIGHEST}, -1 or blank; others are in {rows}; correct them")
    sided = {finding: larger(*(raw[f"{finding}:{side}"] for side in SIDES)) for finding in SIDED}
    return raw[list(WHOLE)].join(pd.DataFrame(sided))
