"""Google's adjudicated labels of some films of NIH ChestX-ray14, over the files of NIH: another truth of its films.

Majkowska et al., "Chest radiograph interpretation with deep learning models: assessment with radiologist-adjudicated
reference standards and population-adjusted evaluation", Radiology 2020, https://doi.org/10.1148/radiol.2019191293
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.tables import find, first_present, read_csv, unique_rows
from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.cohort import IDENTIFIERS, Cohort
from sslbench_datasets.hospitals.draft import Draft, Layout
from sslbench_datasets.hospitals.options import NihExpertsOptions
from sslbench_datasets.nih14 import Nih14
from sslbench_datasets.values import without_ending

FILES = {"validate": "validation_labels.csv", "test": "test_labels.csv"}
PLACES = ("", "four_findings_expert_labels", "google-nih", "experts")
IMAGES = {"image": "Image Index", "image_id": "Image ID"}
"""Names of the column of images that copies of the files have."""

FINDINGS = {"Fracture": "Fracture", "Pneumothorax": "Pneumothorax", "Lung Opacity": "Airspace opacity",
            "Nodule/Mass": "Nodule or mass"}  # fmt: skip
MEANING = {"YES": 1.0, "NO": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "": np.nan}
TRAIN = {"Pneumothorax": ("Pneumothorax",), "Nodule/Mass": ("Nodule", "Mass")}
"""What NIH's own labels say of these findings; of the others they say nothing."""


class NihExperts(Layout[NihExpertsOptions]):
    """The dataset ``nih14-experts``: validation and test are adjudicated, training is NIH's own.

    Args:
        options: where the expert labels are.
    """

    name = "nih14-experts"
    model = NihExpertsOptions

    def draft(self, root: Path) -> Draft:
        """NIH's images that experts read, and those of NIH's patients whom no expert read."""
        films = Nih14().read(root)
        parts = {split: self._truth(root, split) for split in FILES}
        truth = pd.concat(parts, names=["split", "image"]).reset_index(level=0)
        both = truth.index[truth.index.duplicated()].tolist()
        if both:
            raise DataError(f"an image is in one of {' and '.join(FILES.values())}; both have {shortened(both)}")
        frame = films.frame.set_index("image_id", drop=False)
        draft = Draft.of(self.name, films.root, *(frame[name] for name in IDENTIFIERS[:4]))
        draft.sources = {FILES[name]: len(part) for name, part in parts.items()}
        draft.counts |= {**films.counts, "expert labels without an image": len(truth.index.difference(frame.index))}
        self._fill(draft, films, frame, truth)
        draft.rows["split"], draft.official = _split(frame, truth["split"]).to_numpy(), True
        spare = draft.rows["split"] == ""
        draft.leave_out(spare, "images that no expert read: of the test list, or of patients with one read")
        return draft

    def _fill(self, draft: Draft, films: Cohort, frame: pd.DataFrame, truth: pd.DataFrame) -> None:
        for feature in films.features:
            draft.rows[feature] = frame[feature].to_numpy()
        draft.features = list(films.features)
        own = pd.DataFrame({name: frame[list(TRAIN.get(name, ()))].max(axis=1) for name in FINDINGS}, index=frame.index)
        own, read = own.astype(float), frame.index[frame.index.isin(truth.index)]
        own.loc[read] = truth.loc[read, list(FINDINGS)]
        draft.findings(own)
        draft.blank_unjudged = True

    def _truth(self, root: Path, split: str) -> pd.DataFrame:
        """Labels of one file by image.

        Raises:
            DataError: it is missing, a label is neither YES nor NO, or an image has two rows that differ.
        """
        places = (self.options.experts,) if self.options.experts else PLACES
        folder = next(
            (root / place for place in places if [*(root / place).glob(f"{FILES[split]}*")]), root / places[-1]
        )
        path = find(folder, (FILES[split],))
        by = first_present(path, IMAGES)
        table = read_csv(path, {"image": IMAGES[by], **FINDINGS}, spelling=str.lower)
        table.check_filled("image")
        image = without_ending(table.frame["image"]) + ".png"
        text = table.frame.assign(image=image, **{name: table.frame[name].str.upper() for name in FINDINGS})
        strange = text[~text[list(FINDINGS)].isin(list(MEANING)).all(axis=1)]
        if len(strange):
            found = shortened(strange["image"])
            raise DataError(f"labels of {path} must be YES or NO; others are in the rows of {found}")
        rows = unique_rows(text, path, ["image"]).set_index("image")
        return pd.DataFrame({name: rows[name].map(MEANING) for name in rows})


def _split(frame: pd.DataFrame, read: pd.Series) -> pd.Series:
    """The experts' split; training for other patients of NIH's training list; blank for what is left out."""
    split = read.reindex(frame.index)
    people = set(frame.loc[split.notna(), "patient_id"])
    spare = (frame["split"] != "test") & ~frame["patient_id"].isin(people)
    return split.mask(split.isna() & spare, "train").fillna("")
