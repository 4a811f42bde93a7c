"""NIH's films under other names, as DICOM: RSNA's pneumonia challenge and SIIM-ACR's pneumothorax challenge.

Shih et al., "Augmenting the National Institutes of Health chest radiograph dataset with expert annotations of possible
pneumonia", Radiology: AI 2019, https://doi.org/10.1148/ryai.2019180041; SIIM-ACR Pneumothorax Segmentation, 2019.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from pathlib import Path

import pandas as pd

from ssl_bench.data.tables import TextTable, find, read_csv, unique_rows
from ssl_bench.errors import DataError, shortened
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout, no_patients
from sslbench_datasets.hospitals.headers import read_headers
from sslbench_datasets.hospitals.masks import mask_boxes
from sslbench_datasets.hospitals.options import HeaderOptions
from sslbench_datasets.values import parse_marks

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
        marks = boxes.groupby(table.frame["image"].to_numpy(), sort=False).max()
        classes = find(root, ("stage_2_detailed_class_info.csv", "stage_1_detailed_class_info.csv"))
        detail = unique_rows(read_csv(classes, {"image": "patientId", "class": "class"}).frame, classes, ["image"])
        of_image = marks.index.to_series().map(detail.set_index("image")["class"])
        marks["No Finding"] = (of_image.str.lower() == "normal").astype(float).where(of_image.notna())
        image = marks.index.to_series().reset_index(drop=True)
        folder = f"{path.name[:7]}_train_images/"
        return image, folder + image + ".dcm", marks[["No Finding", "Pneumonia"]].reset_index(drop=True)

    def boxes(self, root: Path) -> pd.DataFrame | None:
        """The boxes of the label file, in px of a film of NIH."""
        path = find(root, LABELS)
        columns = {"image": "patientId", **{side: side for side in ("x", "y", "width", "height")}}
        text = read_csv(path, columns, optional=("x", "y", "width", "height")).frame
        if len(columns) > len(text.columns):
            return None
        text = text[text["x"] != ""]
        sides = text.drop(columns="image").apply(pd.to_numeric, errors="coerce") / FILM
        if sides.isna().to_numpy().any():
            found = shortened(text.loc[sides.isna().any(axis=1), "image"])
            raise DataError(f"boxes of {path} must be four numbers; others are in the rows of {found}")
        return pd.DataFrame({
            "image_id": text["image"], "finding": "Pneumonia", "left": sides["x"], "top": sides["y"],
            "right": sides["x"] + sides["width"], "bottom": sides["y"] + sides["height"], "aspect": 1.0,
        }).reset_index(drop=True)  # fmt: skip

    def patients(self, root: Path, image: pd.Series) -> pd.Series | None:
        """NIH's patient of each film by RSNA's mapping; one that it lacks is a patient of its own."""
        path = root / MAPPING
        if not path.is_file():
            return None
        try:
            rows = pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
            names = rows.set_index("subset_img_id")["img_id"].astype(str)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} must list subset_img_id with img_id: {error}; download it again") from None
        patient = image.map(names[~names.index.duplicated()].str.extract(r"^0*(\d+)_")[0])
        return patient.fillna(image)


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
        marks = there.groupby(table.frame["image"].to_numpy(), sort=False).max().to_frame("Pneumothorax")
        image = marks.index.to_series().reset_index(drop=True)
        places = tree_of(root, ".dcm")
        relative = image.map(places).fillna("dicom-images-train/" + image + ".dcm")
        return image, relative, marks.reset_index(drop=True)

    def _table(self, root: Path) -> TextTable:
        path = find(root, ("train-rle.csv", "stage_2_train.csv"))
        table = read_csv(path, {"image": "ImageId", "mask": "EncodedPixels"})
        table.check_filled("image", "mask")
        return table

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
