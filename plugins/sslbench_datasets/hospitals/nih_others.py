"""NIH's films under other names, as DICOM: RSNA's pneumonia challenge and SIIM-ACR's pneumothorax challenge.

Shih et al., "Augmenting the National Institutes of Health chest radiograph dataset with expert annotations of possible
pneumonia", Radiology: AI 2019, https://doi.org/10.1148/ryai.2019180041; SIIM-ACR Pneumothorax Segmentation, 2019.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ssl_bench.data.boxes import check_boxes
from ssl_bench.data.tables import TextTable, find, read_csv, unique_rows
from ssl_bench.errors import DataError, shortened
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout, no_patients
from sslbench_datasets.hospitals.headers import read_headers
from sslbench_datasets.hospitals.masks import mask_boxes
from sslbench_datasets.hospitals.options import HeaderOptions
from sslbench_datasets.values import parse_marks, without_ending

FILM = 1024
"""Side of a film in px."""

VIEWS = {"PA": "PA", "AP": "AP"}
LABELS = ("stage_2_train_labels.csv", "stage_1_train_labels.csv")
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
"""RSNA's list of NIH's name of each film; optional, and with it patients are NIH's."""


class OfNih(Layout[HeaderOptions]):
    """Films whose patients are NIH's, and whose ages, sexes and views stand in their headers."""

    model = HeaderOptions

    def draft(self, root: Path) -> Draft:
        """One row an image of the label file."""
        image, path, marks = self.labels(root)
        patient = self.patients(root, image)
        draft = Draft.of(self.name, root, image, path, image if patient is None else patient)
        if patient is None:
            draft.sources.pop("patients")
            draft.notes.append(no_patients(len(image), "its films are NIH's under other names"))
        if self.options.headers:
            text = read_headers(root, list(path))
            draft.counts["images without a readable DICOM header"] = int((~text["readable"]).sum())
            draft.age(text["age"])
            draft.category("sex", text["sex"], SEXES)
            draft.category("view", text["view"], VIEWS)
        draft.findings(marks)
        draft.counts |= {f"images without a label of {name}": int(blank) for name, blank in marks.isna().sum().items()}
        draft.blank_unjudged = True
        draft.boxes = self.boxes(root)
        return draft

    def boxes(self, root: Path) -> pd.DataFrame | None:
        """Boxes around findings, where a file has them; see :attr:`ssl_bench.plugin.cohort.Cohort.boxes`."""
        return None

    @abstractmethod
    def labels(self, root: Path) -> tuple[pd.Series, pd.Series, pd.DataFrame]:
        """Images, their paths, and labels."""

    def patients(self, root: Path, image: pd.Series) -> pd.Series | None:
        """Patients of the images, where a file tells."""
        return None


class Rsna(OfNih):
    """The dataset ``rsna-pneumonia``: films with boxes around what three radiologists hold for pneumonia."""

    name = "rsna-pneumonia"

    def labels(self, root: Path) -> tuple[pd.Series, pd.Series, pd.DataFrame]:
        """Pneumonia where a box is; No Finding where the detailed class is Normal."""
        path = find(root, LABELS)
        table = read_csv(path, {"image": "patientId", "Pneumonia": "Target"})
        table.check_filled("image", "Pneumonia")
        boxes = parse_marks(table.frame[["Pneumonia"]], table.frame["image"], path)
        marks = one_answer(boxes, without_ending(table.frame["image"]), path)
        classes = find(root, ("stage_2_detailed_class_info.csv", "stage_1_detailed_class_info.csv"))
        marks["No Finding"] = marks.index.to_series().map(read_classes(classes))
        both = marks.index[(marks == 1).all(axis=1)]
        if len(both):
            raise DataError(f"{classes} calls films Normal that have a box in {path}: {shortened(both)}; correct one")
        image = marks.index.to_series().reset_index(drop=True)
        folder = f"{path.name[:7]}_train_images/"
        return image, folder + image + ".dcm", marks[["No Finding", "Pneumonia"]].reset_index(drop=True)

    def boxes(self, root: Path) -> pd.DataFrame | None:
        """The boxes of the label file, in px of a film of NIH."""
        path = find(root, LABELS)
        places = ("x", "y", "width", "height")
        columns = {"image": "patientId", "target": "Target", **{side: side for side in places}}
        text = read_csv(path, columns, optional=places).frame
        if len(columns) > len(text.columns):
            return None
        there = text["x"] != ""
        wrong = text.loc[there != (pd.to_numeric(text["target"], errors="coerce") == 1), "image"]
        if len(wrong):
            raise DataError(f"rows of {path} must have a box where Target is 1, and none where it is 0; the rows of "
                            f"{shortened(wrong.unique())} do not; download it again")  # fmt: skip
        sides = text.loc[there, list(places)].apply(pd.to_numeric, errors="coerce") / FILM
        boxes = pd.DataFrame({
            "image_id": without_ending(text.loc[there, "image"]), "finding": "Pneumonia",
            "left": sides["x"], "top": sides["y"],
            "right": sides["x"] + sides["width"], "bottom": sides["y"] + sides["height"], "aspect": 1.0,
        })  # fmt: skip
        check_boxes(boxes, path)
        return boxes.reset_index(drop=True)

    def patients(self, root: Path, image: pd.Series) -> pd.Series | None:
        """NIH's patient of each film by RSNA's mapping; one that it lacks is a patient of its own."""
        path = root / MAPPING
        if not path.is_file():
            return None
        try:
            rows = pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
            rows["subset_img_id"] = without_ending(rows["subset_img_id"].astype(str))
            names = rows.set_index("subset_img_id")["img_id"].astype(str)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} must list subset_img_id with img_id: {error}; download it again") from None
        patient = image.map(names[~names.index.duplicated()].str.extract(r"^0*(\d+)_")[0])
        return patient.fillna(image)


CLASSES = {"normal": 1.0, "no lung opacity / not normal": 0.0, "lung opacity": 0.0}
"""Whether a film of a class has no finding."""


def read_classes(path: Path) -> pd.Series:
    """Whether a film has no finding, by image.

    Raises:
        DataError: a class is none of the challenge, or a film has two.
    """
    text = unique_rows(read_csv(path, {"image": "patientId", "class": "class"}).frame, path, ["image"])
    known = text["class"].str.lower().map(CLASSES)
    if known.isna().any():
        found = shortened(text.loc[known.isna(), "class"].unique())
        raise DataError(f"classes of {path} must be {', '.join(CLASSES)}; found {found}; download it again")
    return known.set_axis(without_ending(text["image"]))


def one_answer(marks: pd.DataFrame, images: pd.Series, path: Path) -> pd.DataFrame:
    """The label of each image, whose rows (a box or a mask each) must agree.

    Raises:
        DataError: some rows of an image say that there is none, and others have one.
    """
    found = marks.groupby(images.to_numpy(), sort=False)
    split = (found.nunique(dropna=False) > 1).any(axis=1)
    if split.any():
        told = shortened(split.index[split])
        raise DataError(f"rows of {path} contradict each other on {told}; keep those that are right")
    return found.max()


def _masks(table: TextTable) -> pd.Series:
    """Masks as text, a row each; images without one are left out."""
    frame = table.frame[table.frame["mask"] != "-1"]
    return pd.Series(frame["mask"].to_numpy(), index=frame["image"].to_numpy(), dtype=str)


class Siim(OfNih):
    """The dataset ``siim-acr``: films with masks of pneumothoraces."""

    name = "siim-acr"

    def labels(self, root: Path) -> tuple[pd.Series, pd.Series, pd.DataFrame]:
        """Pneumothorax where a mask is; the files are in trees of folders."""
        table = self._table(root)
        there = (table.frame["mask"] != "-1").astype(float)
        marks = one_answer(there.to_frame("Pneumothorax"), table.frame["image"], table.path)
        image = marks.index.to_series().reset_index(drop=True)
        places = tree_of(root, ".dcm")
        relative = image.map(places).fillna("dicom-images-train/" + image + ".dcm")
        return image, relative, marks.reset_index(drop=True)

    def _table(self, root: Path) -> TextTable:
        path = find(root, ("train-rle.csv", "stage_2_train.csv"))
        table = read_csv(path, {"image": "ImageId", "mask": "EncodedPixels"})
        table.check_filled("image", "mask")
        return replace(table, frame=table.frame.assign(image=without_ending(table.frame["image"])))

    def boxes(self, root: Path) -> pd.DataFrame | None:
        """The masks as rectangles of a grid."""
        table = self._table(root)
        return mask_boxes(_masks(table), "Pneumothorax", FILM, table.path)


def tree_of(root: Path, ending: str) -> dict[str, str]:
    """Relative paths of all files with an ending in a tree, by name without it."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        folders.sort()
        place = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if place == "." else f"{place}/"
        for name in sorted(names):
            if name.lower().endswith(ending):
                found.setdefault(name[: -len(ending)], prefix + name)
    return found
