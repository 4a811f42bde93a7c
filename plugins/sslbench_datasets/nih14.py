"""NIH ChestX-ray14 as it is on disk, with the label files of every release.

Wang et al., "ChestX-ray8: Hospital-scale chest X-ray database and benchmarks", CVPR 2017, https://arxiv.org/abs/1705.02315
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.cohort import Cohort
from ssl_bench.data.labels import NIH14
from ssl_bench.data.splits import assign
from ssl_bench.errors import DataError, UsageError, nearest, shortened
from sslbench_datasets.options import Nih14Options

LABEL_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}
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

MAX_AGE = 120
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25, "": 1.0}
"""Years in each unit of an age (DICOM's age string)."""

SHARES = {"train": 0.7, "validate": 0.1, "test": 0.2}
"""Of the patients, where the official lists are absent."""

SELECTION = {"train": 0.9, "validate": 0.1}
"""Of the official training patients: NIH has no validation list."""


class Nih14:
    """The dataset ``nih14``.

    Args:
        options: which label file to read.
    """

    name = "nih14"

    def __init__(self, options: Nih14Options | None = None) -> None:
        self.options = options or Nih14Options()

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder given by ``--root``.

        Raises:
            UsageError: it is not given.
            DataError: it is not a folder.
        """
        if root is None:
            raise UsageError("dataset 'nih14' needs the folder of its download; give it by --root")
        if not root.is_dir():
            raise DataError(f"dataset 'nih14' expects a folder at {root}, which does not exist; check --root")
        return root

    def read(self, root: Path) -> Cohort:
        """One row per image of the label file; see :class:`ssl_bench.contracts.Dataset`."""
        table, source = read_table(self._label_file(root))
        lists = read_lists(root)
        frame, counts = _frame(table, source)
        frame["split"] = _split(frame, lists)
        frame["image_path"] = _paths(frame["image_id"], root)
        listed = set().union(*lists.values())
        counts["list entries without a row"] = len(listed - set(frame["image_id"]))
        columns = ["image_id", "image_path", "patient_id", "study_id", "split", *FEATURES, *NIH14]
        found = {what: count for what, count in counts.items() if count}
        return Cohort(
            self.name,
            root,
            frame[columns],
            FEATURES,
            NIH14,
            official_split=bool(lists),
            synthetic=(root / "synthetic.json").is_file(),
            counts=found,
        )

    def _label_file(self, root: Path) -> Path:
        names = (self.options.labels_file,) if self.options.labels_file else LABEL_FILES
        for name in names:
            if (root / name).is_file():
                return root / name
        present = sorted(path.name for path in root.glob("*.csv"))
        raise DataError(
            f"expected {' or '.join(names)} in {root}; found {shortened(present) or 'no CSV file'}; "
            "check --root or give the name by the option labels_file"
        )


def read_table(path: Path) -> tuple[pd.DataFrame, Mapping[str, str]]:
    """The label file as text, with the columns of :data:`COLUMNS` under our names.

    The header's unquoted ``OriginalImage[Width,Height]`` splits into two names, as its values do; columns are found by
    the header alone, because pandas takes the first for an index where rows end in a comma that the header lacks.

    Returns:
        The table and, for messages, the file's name of each column.

    Raises:
        DataError: the file is empty or not CSV, or columns are missing, or occur twice.
    """
    header = _header(path)
    spelt: dict[str, list[int]] = {}
    for position, name in enumerate(header):
        spelt.setdefault(_spelling(name), []).append(position)
    _check_columns(path, header, spelt)
    places = {column: spelt[_spelling(name)][0] for column, name in COLUMNS.items()}
    table = _rows(path, len(header))[list(places.values())].set_axis(list(places), axis=1)
    if table.empty:
        raise DataError(f"{path} has a header and no rows; download it again")
    return table.apply(lambda column: column.str.strip()), {column: header[at] for column, at in places.items()}


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}; download it again") from error


def _rows(path: Path, fields: int) -> pd.DataFrame:
    """The rows as text with numbered columns; one more than the header has is room for a final comma."""
    names = list(range(fields + 1))
    try:
        return pd.read_csv(
            path, header=None, skiprows=1, names=names, dtype=str, keep_default_na=False, index_col=False
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV file: {error}; download it again") from error


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
    try:
        return frozenset(path.read_text("utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: {error}; download it again") from error


def _spelling(name: str) -> str:
    return name.replace("_", " ").lower()


def _check_columns(path: Path, header: list[str], spelt: Mapping[str, list[int]]) -> None:
    missing = [name for name in COLUMNS.values() if _spelling(name) not in spelt]
    if missing:
        hints = " ".join(hint for hint in (nearest(name, filter(None, header)) for name in missing) if hint)
        raise DataError(
            f"{path} lacks {shortened(missing)}{f' ({hints})' if hints else ''}; expected the columns "
            f"{shortened([*COLUMNS.values()])}; found {shortened(header)}"
        )
    double = [name for name in COLUMNS.values() if len(spelt[_spelling(name)]) > 1]
    if double:
        raise DataError(f"{path} has the columns {shortened(double)} twice; keep one of each")


def _frame(table: pd.DataFrame, source: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Identifiers, features and labels of the rows, and what was noticed."""
    for column in ("image_id", "patient_id"):
        blank = (table[column] == "").to_numpy()
        if blank.any():
            line = int(blank.argmax()) + 2
            raise DataError(
                f"{source[column]} must not be blank; found {int(blank.sum())} rows without it, first on line {line}; "
                "correct the label file, or download it again if it is cut off"
            )
    frame = table[["image_id", "patient_id"]].copy()
    frame["study_id"] = frame["image_id"].str.removesuffix(".png")  # every film is its own study in this release
    frame["age"] = parse_age(table["age"])
    frame["sex"] = table["sex"].where(table["sex"].isin(("M", "F")))
    frame["view"] = table["view"].where(table["view"].isin(("PA", "AP")))
    counts = {"implausible or unreadable age": int((frame["age"].isna() & (table["age"] != "")).sum())}
    counts |= {f"missing {feature}": int((table[feature] == "").sum()) for feature in FEATURES}
    counts |= {
        f"unknown {feature}": int((frame[feature].isna() & (table[feature] != "")).sum()) for feature in ("sex", "view")
    }
    return frame.join(parse_labels(table["labels"], table["image_id"])), counts


def parse_age(text: pd.Series) -> pd.Series:
    """Age in years from ``57``, ``040Y``, ``005M`` or ``012D``; NaN where unreadable, 0 or less, or over 120."""
    parts = text.str.extract(r"^\s*(-?\d+(?:\.\d+)?)\s*([YMWDymwd]?)\s*$")
    years = pd.to_numeric(parts[0], errors="coerce") * parts[1].str.upper().map(YEARS)
    return years.where((years > 0) & (years <= MAX_AGE)).astype(float)


def parse_labels(text: pd.Series, image_ids: pd.Series) -> pd.DataFrame:
    """Findings as 1 or 0 from names joined by ``|``, matched whole; ``No Finding`` is a row of zeros.

    Raises:
        DataError: a name is not one of the 14 findings, or a row has none at all.
    """
    named = text.str.split("|").explode().str.strip()
    strange = named[~named.isin((*NIH14, NO_FINDING))]
    if len(strange):
        rows = [f"{image}: '{name}'" for image, name in zip(image_ids[strange.index], strange, strict=True)]
        hints = " ".join(hint for hint in (nearest(name, NIH14) for name in strange.unique()) if hint)
        raise DataError(
            f"labels must be {NO_FINDING} or findings of nih14; found {shortened(rows)}{'; ' + hints if hints else ''}"
        )
    positions = pd.Index(NIH14).get_indexer(pd.Index(named))
    values = np.zeros((len(text), len(NIH14)))
    known = positions >= 0
    values[named.index.to_numpy()[known], positions[known]] = 1.0
    return pd.DataFrame(values, columns=list(NIH14), index=text.index)


def _split(frame: pd.DataFrame, lists: Mapping[str, frozenset[str]]) -> pd.Series:
    """Official lists with a share of the training patients for selection; by patient where there are no lists."""
    if not lists:
        return assign(frame["patient_id"], SHARES)
    listed = frame["image_id"].map({name: split for split, names in lists.items() for name in names})
    unlisted = frame.loc[listed.isna(), "image_id"].tolist()
    if unlisted:
        raise DataError(
            f"every image must be in {' or '.join(LISTS.values())}; {len(unlisted)} are in neither: "
            f"{shortened(unlisted)}; complete the lists, or remove both for a split by patient"
        )
    return assign(frame["patient_id"], SELECTION).mask(listed == "test", "test")


def _paths(image_ids: pd.Series, root: Path) -> pd.Series:
    """Paths relative to the root; an absent file keeps the place where it would be."""
    folders = sorted(path for path in root.glob("images_*/images") if path.is_dir())
    folders += [root / "images"] if (root / "images").is_dir() else []
    index = {
        file.name: f"{folder.relative_to(root).as_posix()}/"
        for folder in reversed(folders)
        for file in folder.iterdir()
    }
    default = f"{folders[0].relative_to(root).as_posix()}/" if folders else "images/"
    return image_ids.map(index).fillna(default) + image_ids
