"""NIH ChestX-ray14 as it is on disk, with the label files of every release.

Wang et al., "ChestX-ray8: Hospital-scale chest X-ray database and benchmarks", CVPR 2017, https://arxiv.org/abs/1705.02315
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ssl_bench.data.boxes import check_boxes
from ssl_bench.data.content import read_text
from ssl_bench.data.synthetic import is_synthetic
from ssl_bench.data.tables import TextTable, find, locate, read_csv
from ssl_bench.errors import DataError, Problems, guesses, shortened
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.labels import NIH14
from ssl_bench.plugin.splits import DEFAULT_SHARES, assign, select
from sslbench_datasets.options import Nih14Options
from sslbench_datasets.values import count_ages, count_values, marks_of_names, parse_age

LABEL_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}
BOXES = "BBox_List_2017.csv"
BOX_COLUMNS = {"image": "Image Index", "finding": "Finding Label", "x": "Bbox [x", "y": "y", "w": "w", "h": "h]"}
FILM = 1024
"""Side of a picture of the release in px, which its boxes are in; copies of another size have the same shares."""

NO_FINDING = "No Finding"
FEATURES = ("age", "sex", "view")

COLUMNS = {
    "image_id": "Image Index",
    "labels": "Finding Labels",
    "patient_id": "Patient ID",
    "age": "Patient Age",
    "sex": "Patient Gender",
    "view": "View Position",
}
"""What is read, by the name in the current release; older ones join the words by underscores."""


class Nih14:
    """The dataset ``nih14``.

    Args:
        options: which label file to read.
    """

    name = "nih14"

    def __init__(self, options: Nih14Options | None = None) -> None:
        self.options = options or Nih14Options()

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder given by ``--root``; errors as :func:`ssl_bench.data.tables.locate`."""
        return locate(self.name, root)

    def read(self, root: Path) -> Cohort:
        """One row per image of the label file; see :class:`ssl_bench.plugin.contracts.Dataset`."""
        frame, counts, lists = self._tables(root)
        frame["split"] = _split(frame, lists)
        frame["image_path"] = _paths(frame["image_id"], root)
        sources = {"images": len(frame), **{LISTS[split]: len(names) for split, names in lists.items()}}
        listed = set().union(*lists.values())
        counts["list entries without a row"] = len(listed - set(frame["image_id"]))
        for name, images in read_quality_lists(root, self.options.quality_lists).items():
            frame, before = frame[~frame["image_id"].isin(images)], len(frame)
            counts[f"left out by {name}"] = before - len(frame)
        columns = ["image_id", "image_path", "patient_id", "study_id", "split", *FEATURES, *NIH14]
        return Cohort(
            self.name,
            root,
            frame[columns].reset_index(drop=True),
            FEATURES,
            NIH14,
            official_split=bool(lists),
            synthetic=is_synthetic(root),
            counts={what: count for what, count in counts.items() if count},
            sources=sources,
            boxes=read_boxes(root / BOXES),
        )

    def _tables(self, root: Path) -> tuple[pd.DataFrame, dict[str, int], dict[str, frozenset[str]]]:
        """Rows, what was noticed, and official lists.

        Raises:
            DataError: what is wrong with any of the files, all at once.
        """
        rows: list[tuple[pd.DataFrame, dict[str, int]]] = []
        lists: dict[str, frozenset[str]] = {}
        problems = Problems()
        problems.run(lambda: rows.append(_frame(read_table(self._label_file(root)))))
        problems.run(lambda: lists.update(read_lists(root)))
        problems.raise_if_any()
        return *rows[0], lists

    def _label_file(self, root: Path) -> Path:
        names = (self.options.labels_file,) if self.options.labels_file else LABEL_FILES
        return find(root, names, "check --root or give the name by the option labels_file")


def read_table(path: Path) -> TextTable:
    """The label file as text, with the columns of :data:`COLUMNS` under our names.

    The header's unquoted ``OriginalImage[Width,Height]`` splits into two names, as its values do.

    Raises:
        DataError: the file is empty or not CSV, or columns are missing, or occur twice.
    """
    return read_csv(path, COLUMNS, spelling=_spelling)


def read_lists(root: Path) -> dict[str, frozenset[str]]:
    """The official image lists by split; empty where there are none.

    Raises:
        DataError: only one list is there, or an image is in both.
    """
    present = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
    if not present:
        return {}
    if len(present) < len(LISTS):
        lacking = next(name for split, name in LISTS.items() if split not in present)
        raise DataError(
            f"expected {' and '.join(LISTS.values())} in {root}; {lacking} is missing; add it or remove both"
        )
    lists = {split: _names(path) for split, path in present.items()}
    both = sorted(lists["train"] & lists["test"])
    if both:
        raise DataError(
            f"an image is in one of {' and '.join(LISTS.values())}; {len(both)} are in both: {shortened(both)}"
        )
    return lists


def _names(path: Path) -> frozenset[str]:
    return frozenset(read_text(path).split())


def read_boxes(path: Path) -> pd.DataFrame | None:
    """The boxes of the release, in shares of its square pictures; None where the file is not there.

    Raises:
        DataError: the file is no such table, or a side is no number.
    """
    if not path.is_file():
        return None
    text = read_csv(path, BOX_COLUMNS).frame
    sides = text[["x", "y", "w", "h"]].apply(pd.to_numeric, errors="coerce") / FILM
    boxes = pd.DataFrame({
        "image_id": text["image"], "finding": text["finding"].replace({"Infiltrate": "Infiltration"}),
        "left": sides["x"], "top": sides["y"], "right": sides["x"] + sides["w"], "bottom": sides["y"] + sides["h"],
        "aspect": 1.0,
    })  # fmt: skip
    check_boxes(boxes, path)
    return boxes


def read_quality_lists(root: Path, given: Sequence[str]) -> dict[str, frozenset[str]]:
    """Images to leave out, by the name of the list.

    Args:
        root: of the dataset; what is given is relative to it.
        given: files with one image a line, or folders of such files ending in ``.csv`` or ``.txt``.

    Raises:
        DataError: a list is missing or is no text, or a folder holds none.
    """
    found: dict[str, frozenset[str]] = {}
    for path in (root / name for name in given):
        files = sorted((*path.glob("*.csv"), *path.glob("*.txt"))) if path.is_dir() else [path]
        if not files or not all(file.is_file() for file in files):
            raise DataError(
                f"quality_lists expects a file with one image a line, or a folder of such files; found none at {path}"
            )
        found |= {file.name: _names(file) for file in files}
    return found


def _spelling(name: str) -> str:
    return name.replace("_", " ").lower()


def _frame(table: TextTable) -> tuple[pd.DataFrame, dict[str, int]]:
    """Identifiers, features and labels of the rows, and what was noticed."""
    table.check_filled("image_id", "patient_id")
    text = table.frame
    frame = text[["image_id", "patient_id"]].copy()
    frame["study_id"] = frame["image_id"].str.removesuffix(".png")  # every film is its own study in this release
    frame["age"] = parse_age(text["age"])
    frame["sex"] = text["sex"].where(text["sex"].isin(("M", "F")))
    frame["view"] = text["view"].where(text["view"].isin(("PA", "AP")))
    counts = count_ages(text["age"], frame["age"])
    for feature in ("sex", "view"):
        counts |= count_values(text[feature], frame[feature], feature)
    return frame.join(parse_labels(text["labels"], text["image_id"])), counts


def parse_labels(text: pd.Series, image_ids: pd.Series) -> pd.DataFrame:
    """Findings as 1 or 0 from names joined by ``|``, matched whole; ``No Finding`` is a row of zeros.

    Raises:
        DataError: a name is not one of the 14 findings, or a row has none at all.
    """
    named = text.str.split("|").explode().str.strip()
    strange = named[~named.isin((*NIH14, NO_FINDING))]
    if len(strange):
        rows = [f"{image}: '{name}'" for image, name in zip(image_ids[strange.index], strange, strict=True)]
        hints = guesses(strange.unique(), NIH14)
        raise DataError(
            f"labels must be {NO_FINDING} or findings of nih14; found {shortened(rows)}{'; ' + hints if hints else ''}"
        )
    return marks_of_names(named, NIH14, text.index)


def _split(frame: pd.DataFrame, lists: Mapping[str, frozenset[str]]) -> pd.Series:
    """Official lists with a share of the training patients for selection; by patient where there are no lists."""
    if not lists:
        return assign(frame["patient_id"], DEFAULT_SHARES)
    listed = frame["image_id"].map({name: split for split, names in lists.items() for name in names})
    unlisted = frame.loc[listed.isna(), "image_id"].tolist()
    if unlisted:
        raise DataError(
            f"every image must be in {' or '.join(LISTS.values())}; {len(unlisted)} are in neither: "
            f"{shortened(unlisted)}; complete the lists, or remove both for a split by patient"
        )
    return select(frame["patient_id"], listed)


def _paths(image_ids: pd.Series, root: Path) -> pd.Series:
    """Paths relative to the root; an absent file keeps the place where it would be."""
    folders = sorted(path for path in root.glob("images_*/images") if path.is_dir())
    folders += [root / "images"] if (root / "images").is_dir() else []
    index: dict[str, str] = {}
    for folder in reversed(folders):
        place = f"{folder.relative_to(root).as_posix()}/"
        for name in os.listdir(folder):
            # By stem too: copies of the images may have another ending, which is told where they are looked for.
            index[name.rpartition(".")[0]] = index[name] = place
    default = f"{folders[0].relative_to(root).as_posix()}/" if folders else "images/"
    known = [index.get(name) or index.get(name.rpartition(".")[0], default) for name in image_ids]
    return pd.Series(known, index=image_ids.index) + image_ids
