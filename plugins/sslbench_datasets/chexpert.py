"""CheXpert as it is on disk: full or small, with the official validation and test sets.

Irvin et al., "CheXpert: A large chest radiograph dataset with uncertainty labels and expert comparison", AAAI 2019,
https://arxiv.org/abs/1901.07031
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.synthetic import is_synthetic
from ssl_bench.data.tables import TextTable, first_present, locate, nearby, read_csv
from ssl_bench.errors import DataError, Problems, UsageError, shortened, unknown
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.features import CATEGORIES
from ssl_bench.plugin.labels import CHEXPERT14
from ssl_bench.plugin.splits import select
from sslbench_datasets.chexpert_batches import base_of, in_batches
from sslbench_datasets.options import ChexpertOptions
from sslbench_datasets.values import count_ages, count_values, parse_age, parse_marks, slashed

FILES = {"train": "train.csv", "validate": "valid.csv", "test": "test.csv"}
TRUTHS = ("test_labels.csv", "groundtruth.csv", "test_groundtruth.csv")
"""Names under which the truth of the test split goes around."""

TRUTH_KEYS = {"study": "Study", "path": "Path"}
"""What a row of it may be for."""

FEATURES = ("age", "sex", "view")
FINDINGS = {finding: finding for finding in CHEXPERT14}
COLUMNS = {"path": "Path", "sex": "Sex", "age": "Age", "side": "Frontal/Lateral", "view": "AP/PA", **FINDINGS}

PREFIX = r"^CheXpert-v1\.0[^/]*/"
"""What the paths of the full (``CheXpert-v1.0``) and of the small release (``CheXpert-v1.0-small``) begin with."""

PLACE = r"(?:^|/)(patient[^/]+)/(study[^/]+)(?:/|$)"
"""Patient and study in a path."""

SEXES = {"Male": "M", "Female": "F"}
VIEWS = {"PA": "PA", "AP": "AP", "LL": "LL", "RL": "LATERAL"}
"""Of the column AP/PA. A few films are called frontal and LL or RL (left, right lateral); these are laterals."""


class Chexpert:
    """The dataset ``chexpert``.

    Args:
        options: which views, and which images select.
    """

    name = "chexpert"

    def __init__(self, options: ChexpertOptions | None = None) -> None:
        self.options = options or ChexpertOptions()
        known = (*CATEGORIES["view"], "all")
        for view in self.options.views:
            if view not in known:
                raise UsageError(unknown("view", view, known))

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder given by ``--root``; errors as :func:`ssl_bench.data.tables.locate`."""
        return locate(self.name, root)

    def read(self, root: Path) -> Cohort:
        """One row per image of the views asked for; see :class:`ssl_bench.plugin.contracts.Dataset`."""
        folder = find_root(root)
        parts, sources, counts = self._parts(folder)
        frame = self._assigned(folder, parts, counts)
        frame = self._seen(frame, counts)
        frame["image_path"] = in_batches(frame["image_path"], folder)
        columns = ["image_id", "image_path", "patient_id", "study_id", "split", *FEATURES, *CHEXPERT14]
        return Cohort(
            self.name,
            base_of(folder),
            frame[columns].reset_index(drop=True),
            FEATURES,
            CHEXPERT14,
            synthetic=is_synthetic(folder),
            counts={what: count for what, count in counts.items() if count},
            sources=sources,
        )

    def _parts(self, folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, int], dict[str, int]]:
        """Rows of each split's file that is there, how many each file has, and what was noticed.

        Raises:
            DataError: what is wrong with any of the files, all at once.
        """
        parts: dict[str, pd.DataFrame] = {}
        sources: dict[str, int] = {}
        counts: dict[str, int] = {}

        def read(split: str) -> None:
            table = read_split(folder, split, self.options.test_labels)
            if table is not None:
                parts[split], noticed = _frame(table)
                sources[FILES[split]] = len(table.frame)
                counts.update({what: counts.get(what, 0) + count for what, count in noticed.items()})

        problems = Problems()
        for split in FILES:
            problems.run(partial(read, split))
        problems.raise_if_any()
        return parts, sources, counts

    def _assigned(self, folder: Path, parts: Mapping[str, pd.DataFrame], counts: dict[str, int]) -> pd.DataFrame:
        """All rows with their split; the official validation set selects, is the test set, or is left out."""
        official = self.options.selection == "official"
        if official and not {"validate", "test"} <= set(parts):
            raise DataError(
                f"selection on the official validation set expects valid.csv and the test split in {folder}; found "
                f"{shortened([FILES[split] for split in parts])}; leave out selection=official, and valid.csv is the "
                "test split"
            )
        if not {"validate", "test"} & set(parts):
            raise DataError(
                f"expected valid.csv or test.csv beside train.csv in {folder}; found neither; add one to test on"
            )
        frames = {split: frame.assign(split=split) for split, frame in parts.items()}
        if not official:
            frames["train"]["split"] = select(frames["train"]["patient_id"], frames["train"]["split"])
            spare = frames.pop("validate", None)
            if spare is not None and "test" in frames:
                counts["rows of valid.csv left out (selection=official selects on them)"] = len(spare)
            elif spare is not None:
                counts["rows of valid.csv that are the test split"] = len(spare)
                frames["test"] = spare.assign(split="test")
        return pd.concat(frames.values(), ignore_index=True)

    def _seen(self, frame: pd.DataFrame, counts: dict[str, int]) -> pd.DataFrame:
        """The rows of the views asked for; a frontal film that may be AP or PA stays where both are."""
        if "all" in self.options.views:
            return frame
        either = frame["view"].isna() & (frame["side"] == "Frontal") & ({"AP", "PA"} <= set(self.options.views))
        kept = frame[frame["view"].isin(self.options.views) | either]
        counts[f"images of other views than {', '.join(self.options.views)} left out"] = len(frame) - len(kept)
        if kept.empty:
            found = shortened(sorted(frame["view"].dropna().unique()))
            raise DataError(f"no image of the views {', '.join(self.options.views)}; found {found}; widen views")
        return kept


def find_root(root: Path) -> Path:
    """The folder that holds ``train.csv``: the root or the only such folder in it.

    Raises:
        DataError: there is none, or more than one.
    """
    if (root / FILES["train"]).is_file():
        return root
    folders = sorted(path.parent for path in root.glob(f"*/{FILES['train']}"))
    if len(folders) == 1:
        return folders[0]
    found = shortened(folders) or shortened(sorted(path.name for path in root.glob("*.csv"))) or "no CSV file"
    place = None if folders else nearby(root, [FILES["train"]])
    hint = f"it is in {place}, give --root {place}" if place else "check --root"
    raise DataError(
        f"expected {FILES['train']} in {root} or in one folder of it, such as CheXpert-v1.0; found {found}; {hint}"
    )


def read_split(folder: Path, split: str, truth: str) -> TextTable | None:
    """The rows of one split's file as text; None where it is not there.

    The test split's images may come without labels, and its truth for every study or image in a file of its own.

    Raises:
        DataError: the file is no table, lacks columns, or the test split has no truth.
    """
    file = folder / FILES[split]
    if split != "test":
        return _stripped(read_csv(file, COLUMNS)) if file.is_file() else None
    truths = read_truth(folder, truth)
    if file.is_file():
        table = _stripped(read_csv(file, COLUMNS, optional=() if truths is None else (*FINDINGS, "sex", "age")))
        return table if truths is None else _with_truth(table, truths)
    listed = _listed(folder) if truths is not None else None
    return None if listed is None or truths is None else _with_truth(listed, truths)


def read_truth(folder: Path, name: str) -> TextTable | None:
    """The truth of the test split, one row per study or per image; None where there is no such file.

    Raises:
        DataError: the file that was named is not there, or lacks columns.
    """
    names = (name,) if name else TRUTHS
    file = next((folder / name for name in names if (folder / name).is_file()), None)
    if file is None:
        if name:
            raise DataError(
                f"expected the truth of the test split at {folder / name}; found no file; check test_labels"
            )
        return None
    by = first_present(file, TRUTH_KEYS)
    return _stripped(read_csv(file, {by: TRUTH_KEYS[by], **FINDINGS}))


def _stripped(table: TextTable) -> TextTable:
    """The table with bare paths, below the folder of the release."""
    bare = {
        column: slashed(table.frame[column]).str.replace(PREFIX, "", regex=True)
        for column in ("path", "study")
        if column in table.frame
    }
    return TextTable(table.path, table.frame.assign(**bare), table.source)


def _listed(folder: Path) -> TextTable | None:
    """Rows for the image files of the folder ``test``, where no file lists them; None where there are none."""
    files = sorted(file.relative_to(folder).as_posix() for file in (folder / "test").glob("patient*/study*/*.jpg"))
    if not files:
        return None
    path = pd.Series(files, dtype=str)
    side = pd.Series(np.where(path.str.contains("lateral"), "Lateral", "Frontal"))
    # The file's name says frontal or lateral; whether a frontal film is AP or PA, only test.csv knows.
    return TextTable(folder / "test", pd.DataFrame({"path": path, "side": side, "view": ""}), COLUMNS)


def _with_truth(table: TextTable, truths: TextTable) -> TextTable:
    """Every image with the truth of its study, or its own where the truth is by image.

    Raises:
        DataError: images without truth, or studies with two.
    """
    by = "study" if "study" in truths.frame else "path"
    keys = table.frame["path"].str.rsplit("/", n=1).str[0] if by == "study" else table.frame["path"]
    truth = truths.frame.set_index(by)[list(CHEXPERT14)]
    double = truth.index[truth.index.duplicated()].unique().tolist()
    if double:
        raise DataError(f"{truths.path} must have one row for each {by}; {shortened(double)} occur twice; keep one")
    lacking = sorted(set(keys) - set(truth.index))
    if lacking:
        raise DataError(
            f"every test {by} needs its truth in {truths.path}; {len(lacking)} have none: {shortened(lacking)}; "
            "complete the file"
        )
    rest = table.frame.drop(columns=list(FINDINGS), errors="ignore").reset_index(drop=True)
    frame = rest.join(truth.loc[list(keys)].reset_index(drop=True))
    for column in ("sex", "age"):
        frame[column] = frame.get(column, "")
    return TextTable(table.path, frame, {**COLUMNS, **table.source})


def _frame(table: TextTable) -> tuple[pd.DataFrame, dict[str, int]]:
    """Identifiers, features and raw labels of the rows, and what was noticed."""
    table.check_filled("path")
    text = table.frame
    place = text["path"].str.extract(PLACE)
    if place[0].isna().any():
        strange = text.loc[place[0].isna(), "path"].tolist()
        raise DataError(
            f"paths in {table.path} must hold patient and study, such as train/patient00001/study1/view1_frontal.jpg; "
            f"found {shortened(strange)}; download it again"
        )
    frame = pd.DataFrame({"image_id": text["path"].str.replace(r"\.[^./]+$", "", regex=True)})
    frame["image_path"] = text["path"]
    frame["patient_id"] = place[0]
    frame["study_id"] = place[0] + "/" + place[1]
    frame["age"] = parse_age(text["age"])
    frame["sex"] = text["sex"].map(SEXES)
    frame["side"] = text["side"]
    frame["view"] = text["view"].map(VIEWS).mask((text["side"] == "Lateral") & (text["view"] == ""), "LATERAL")
    counts = count_ages(text["age"], frame["age"]) | count_values(text["sex"], frame["sex"], "sex")
    counts["unknown view"] = int(frame["view"].isna().sum())
    return frame.join(parse_marks(text[list(CHEXPERT14)], frame["image_id"], table.path)), counts
