"""VinDr-CXR as it is on disk: DICOM films of two hospitals in Vietnam, read by three radiologists, or five (test).

Nguyen et al., "VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations", Scientific Data 2022,
https://arxiv.org/abs/2012.15029
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

import pandas as pd

from ssl_bench.data.boxes import SIDES, check_boxes
from ssl_bench.data.tables import find, header_of, read_csv
from ssl_bench.errors import DataError, Problems, shortened
from ssl_bench.plugin.labels import NO_FINDING
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout, no_patients
from sslbench_datasets.hospitals.headers import read_headers
from sslbench_datasets.hospitals.options import Readers, VindrOptions
from sslbench_datasets.hospitals.readers import agreed, sensitivity
from sslbench_datasets.values import parse_marks, without_ending

FINDINGS = (
    "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Clavicle fracture", "Consolidation", "Edema",
    "Emphysema", "Enlarged PA", "ILD", "Infiltration", "Lung Opacity", "Lung cavity", "Lung cyst", "Mediastinal shift",
    "Nodule/Mass", "Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis", "Rib fracture",
    "Other lesion", "COPD", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases", "No Finding",
)  # fmt: skip
"""22 local findings and 6 diagnoses; the last is ``No finding`` in the files."""

SPELT = {"Other diseases": ("Other diseases", "Other disease"), "No Finding": ("No finding", "No Finding")}
"""Names that the files give to a finding: those of training and of the test set differ."""

FILES = {"train": "image_labels_train.csv", "test": "image_labels_test.csv"}
READERS = 3
PX = ("x_min", "y_min", "x_max", "y_max")
"""Left, top, right and bottom of a box."""


class Vindr(Layout[VindrOptions]):
    """The dataset ``vindr-cxr``.

    Args:
        options: how readers agree, and whether headers are read.
    """

    name = "vindr-cxr"
    model = VindrOptions

    def draft(self, root: Path) -> Draft:
        """The images of both label files."""
        parts: dict[str, Part] = {}
        problems = Problems()
        for name in FILES:
            problems.run(partial(_add, parts, root, name))
        problems.raise_if_any()
        settled = {name: pd.concat({file: settle(part, name) for file, part in parts.items()})
                   for name in get_args(Readers)}  # fmt: skip
        marks = settled[self.options.readers].reset_index(names=["split", "image"])
        split, image = marks["split"], marks["image"]
        draft = Draft.of(self.name, root, image, split + "/" + image + ".dicom", image)
        draft.sources = {f"{name} images": int(count) for name, count in split.value_counts().items()}
        self._features(draft, root)
        draft.findings(marks[list(FINDINGS)])
        draft.blank_unjudged = True
        draft.official_split(split, "the label files")
        draft.sensitivity = sensitivity({f"readers={name}": table for name, table in settled.items()})
        readers = parts["train"].images.value_counts()
        draft.counts[f"training images without {READERS} readers"] = int((readers != READERS).sum())
        draft.notes.append(no_patients(len(image), "VinDr-CXR publishes none"))
        if self.options.boxes:
            draft.boxes = read_boxes(root, draft)
        return draft

    def _features(self, draft: Draft, root: Path) -> None:
        if self.options.headers:
            text = read_headers(root, list(draft.rows["image_path"]))
            draft.counts["images without a readable DICOM header"] = int((~text["readable"]).sum())
            draft.age(text["age"])
            draft.category("sex", text["sex"], SEXES)
        draft.category("view", pd.Series("PA", index=draft.rows.index), {"PA": "PA"})


def read_boxes(root: Path, draft: Draft) -> pd.DataFrame:
    """Boxes of the findings that an image has, as :attr:`ssl_bench.plugin.cohort.Cohort.boxes`.

    Their sides are in px, and how large a film is stands in its header alone, which is read for films with a box. Boxes
    of a training film are those of all readers, where these agree that the finding is there.

    Raises:
        DataError: a file is missing, or sides are no numbers.
    """
    folder = root / "annotations" if (root / "annotations").is_dir() else root
    columns = {"image": "image_id", "finding": "class_name", **dict(zip(SIDES, PX, strict=True))}
    parts = [read_csv(find(folder, (f"annotations_{split}.csv",)), columns) for split in FILES]
    text = pd.concat([part.frame for part in parts], ignore_index=True)
    text = text[(text[list(SIDES)] != "").all(axis=1)].reset_index(drop=True)
    sides = text[list(SIDES)].apply(pd.to_numeric, errors="coerce")
    every = text[["finding"]].assign(image=without_ending(text["image"])).join(sides)
    boxes = every.merge(_there(draft), on=["image", "finding"])
    draft.counts["boxes of findings that their image has not by its labels, not read"] = len(every) - len(boxes)
    paths = draft.rows.set_index("image_id")["image_path"]
    films = pd.Index(boxes["image"].unique())
    size = read_headers(root, paths.loc[films].tolist(), {"width": "Columns", "height": "Rows"}).set_index(films)
    shape = size[["width", "height"]].apply(pd.to_numeric, errors="coerce").loc[boxes["image"]].set_axis(boxes.index)
    draft.counts["boxes on films whose header states no size"] = int(shape.isna().any(axis=1).sum())
    for side, of in zip(SIDES, ("width", "height", "width", "height"), strict=True):
        boxes[side] = boxes[side] / shape[of]
    boxes["aspect"] = shape["width"] / shape["height"]
    found: pd.DataFrame = boxes[shape.notna().all(axis=1)].rename(columns={"image": "image_id"})
    check_boxes(found, folder)
    return found.reset_index(drop=True)


def _there(draft: Draft) -> pd.DataFrame:
    """Image and finding of every label that is 1."""
    rows, places = (draft.rows[draft.labels] == 1).to_numpy().nonzero()
    names = pd.Index(draft.labels)[places]
    return pd.DataFrame({"image": draft.rows["image_id"].to_numpy()[rows], "finding": names})


class Part(NamedTuple):
    """Rows of one label file: the image and the findings of each, a row a reader."""

    images: pd.Series
    marks: pd.DataFrame


def settle(part: Part, policy: Readers) -> pd.DataFrame:
    """Labels by image; where one reader is enough for a finding, ``No Finding`` takes all of them."""
    marks = agreed(part.marks, part.images, policy)
    if policy == "any":
        marks[NO_FINDING] = agreed(part.marks[[NO_FINDING]], part.images, "all")[NO_FINDING]
    return marks


def _add(parts: dict[str, Part], root: Path, split: str) -> None:
    parts[split] = read_part(root, split)


def read_part(root: Path, split: str) -> Part:
    """The label file of a split.

    Raises:
        DataError: it is missing or no such table, or a reader has two rows for an image.
    """
    path = find(root / "annotations" if (root / "annotations").is_dir() else root, (FILES[split],))
    header = header_of(path)
    names = {label: SPELT.get(label, (label,)) for label in FINDINGS}
    spelt = {label: next((name for name in known if name in header), known[0]) for label, known in names.items()}
    table = read_csv(
        path, {"image": "image_id", "reader": "rad_id", **spelt}, optional=("reader",) if split == "test" else ()
    )
    table.check_filled("image")
    text = table.frame.assign(image=without_ending(table.frame["image"]))
    twice = text.duplicated(["image", "reader"] if "reader" in text else ["image"])
    if twice.any():
        found = shortened(text.loc[twice, "image"].unique())
        raise DataError(f"{path} has two rows of one reader for {found}; keep one of each")
    marks = parse_marks(text[list(FINDINGS)], text["image"], path)
    wrong = text.loc[(marks.notna() & ~marks.isin((0.0, 1.0))).any(axis=1), "image"]
    if len(wrong):
        raise DataError(f"readers of {path} say 0 or 1; they say others of {shortened(wrong.unique())}; correct them")
    return Part(text["image"], marks)
