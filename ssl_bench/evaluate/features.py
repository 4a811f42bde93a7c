"""Anybody's features: a table or arrays of embeddings with labels and splits, or what a run keeps. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.data.frames import check_named, check_one_spelling, numbers, read_frame, texts
from ssl_bench.data.splits import check_leakage
from ssl_bench.data.unpacking import open_arrays, read_arrays
from ssl_bench.errors import DataError, Problems, because, guesses, shortened
from ssl_bench.evaluate.feature_folder import IMAGES, read_folder
from ssl_bench.numbers import counted
from ssl_bench.plugin.cohort import SPLITS, Cohort
from ssl_bench.plugin.contracts import Split
from ssl_bench.plugin.feature_specs import SHARED
from ssl_bench.plugin.labels import check_names
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.groups import GROUPED

GIVEN = "given"
"""The encoder's name in the rows of features that come from elsewhere."""

IDENTIFIERS = ("image_id", "patient_id", "split")

ARRAYS = {"image_ids": "image_id", "patient_ids": "patient_id", "splits": "split"}
"""Arrays ``(N,)`` of an ``.npz`` file, and what their columns are called in a table."""


@dataclass(frozen=True)
class FeatureTable:
    """Embeddings of one encoder with what protocols must know of the images.

    Args:
        frame: ``image_id``, ``patient_id``, ``split``, the findings (1, 0, NaN) and, where known, age, sex and view.
        embeddings: ``(N, D)`` float32.
        labels: the L findings.
    """

    frame: pd.DataFrame
    embeddings: npt.NDArray[np.float32]
    labels: tuple[str, ...]

    @property
    def named(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Image ids (N,) and embeddings (N, D)."""
        return self.frame["image_id"].to_numpy(dtype=str), self.embeddings

    def splits(self) -> dict[str, Split]:
        """Train, validate and test as protocols see them; rows are row numbers of the table."""
        found = {}
        for name in SPLITS:
            rows = np.flatnonzero(self.frame["split"] == name)
            part = self.frame.iloc[rows]
            images, patients = (part[column].to_numpy(dtype=str) for column in ("image_id", "patient_id"))
            studies = part["study_id"].to_numpy(dtype=str) if "study_id" in part.columns else None
            labels = part[list(self.labels)].to_numpy(dtype=np.float32)
            found[name] = Split(
                name, images, patients, self.embeddings[rows], labels, rows, _attributes(part), study_ids=studies
            )
        return found


def read_features(path: Path) -> dict[str, FeatureTable]:
    """Embeddings by encoder: of a CSV, Parquet or NPZ file, or of a finished run, of one encoder by its folder.

    Raises:
        UsageError: the folder is not that of a finished run.
        DataError: all problems of the file at once: columns, values, duplicates, splits.
    """
    if (path / IMAGES).is_file():
        return {name: checked(_of_folder(*parts), path) for name, parts in read_folder(path).items()}
    if path.is_dir():
        return {name: checked(table, path) for name, table in _of_run(path).items()}
    return {GIVEN: checked(_of_arrays(path) if path.suffix == ".npz" else _of_table(path), path)}


def checked(table: FeatureTable, path: Path) -> FeatureTable:
    """The table, if protocols can use it.

    Raises:
        DataError: duplicate images, embeddings that are not finite, other labels than 1, 0 and unknown, a missing
            split, a patient in two splits.
    """
    problems = Problems()
    for check in (_check_ids, _check_embeddings, _check_labels, _check_splits):
        problems.run(partial(check, table, path))
    problems.raise_if_any()
    whole = Cohort(path.stem, path, table.frame, (), table.labels)
    check_leakage(whole)
    return table


def _of_table(path: Path) -> FeatureTable:
    frame = read_frame(path, "embeddings")
    numbered = [(int(name[2:]), name) for name in map(str, frame.columns) if name[:2] == "e_" and name[2:].isdigit()]
    columns = [name for _, name in sorted(numbered)]
    labels = tuple(str(name)[2:] for name in frame.columns if str(name).startswith("y_"))
    lacking = [name for name in IDENTIFIERS if name not in frame.columns]
    lacking += [*(["y_<label>"] if not labels else []), *(["e_0"] if not columns else [])]
    if lacking:
        hints = guesses(lacking, map(str, frame.columns))
        raise DataError(
            f"embeddings {path} lack the columns {shortened(lacking)}{f'; {hints}' if hints else ''} "
            f"(found {shortened([*frame.columns], 12)})"
        )
    problems = Problems()
    truth = numbers(frame, [f"y_{label}" for label in labels], problems)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused as that
        embeddings = numbers(frame, columns, problems).astype(np.float32)
    about = _about(frame, problems)
    problems.raise_if_any()
    return FeatureTable(about.join(_labelled(truth, labels)), embeddings, labels)


def _about(frame: pd.DataFrame, problems: Problems) -> pd.DataFrame:
    """Identifiers as text, and what is known of age, sex, view and other attributes."""
    about = frame[[name for name in (*IDENTIFIERS, "study_id") if name in frame.columns]].apply(texts)
    for name in GROUPED:
        if name in frame.columns:
            text = frame[name].astype(object).where(frame[name].notna() & (frame[name].astype(str).str.strip() != ""))
            about[name] = numbers(frame, [name], problems)[:, 0] if SHARED[name].number else text
    return about.reset_index(drop=True)


def _labelled(truth: npt.NDArray[Any], labels: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(truth, columns=list(labels))


def _of_arrays(path: Path) -> FeatureTable:
    try:
        arrays = read_arrays(path)
    except FileNotFoundError:
        raise DataError(f"embeddings {path} do not exist; give a CSV, Parquet or NPZ file, or a folder") from None
    except DataError:
        raise
    except Exception as error:  # zipfile, pickle and value errors alike
        raise DataError(f"embeddings {path} cannot be read: {because(error)}") from None
    expected = ("embeddings", "labels", "label_names", *ARRAYS)
    lacking = [name for name in expected if name not in arrays]
    if lacking:
        raise DataError(f"embeddings {path} lack the arrays {shortened(lacking)} (found {shortened([*arrays], 12)})")
    features, truth, labels = arrays["embeddings"], arrays["labels"], tuple(map(str, arrays["label_names"]))
    size = len(arrays["image_ids"])
    fitting = features.shape[:1] == (size,) and features.ndim == 2 and truth.shape == (size, len(labels))
    if not fitting or any(arrays[name].shape != (size,) for name in ARRAYS):
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in expected)
        raise DataError(f"embeddings {path} need embeddings (N, D), labels (N, L) and ids (N,), found {shapes}")
    frame = pd.DataFrame({column: arrays[name].astype(str) for name, column in ARRAYS.items()})
    for name in GROUPED:
        if name in arrays:
            frame[name] = arrays[name]
    problems = Problems()
    about = _about(frame, problems)
    problems.raise_if_any()
    return FeatureTable(about.join(_labelled(truth, labels)), features.astype(np.float32), labels)


def _of_folder(table: pd.DataFrame, features: npt.NDArray[Any]) -> FeatureTable:
    """What ``sslbench embed`` wrote; the features stay on the disk."""
    labels = tuple(str(name)[2:] for name in table.columns if str(name).startswith("y_"))
    problems = Problems()
    about = _about(table, problems)
    problems.raise_if_any()
    truth = table[[f"y_{label}" for label in labels]].to_numpy(dtype=np.float64)
    return FeatureTable(about.join(_labelled(truth, labels)), features, labels)


def run_of(path: Path) -> tuple[RunDirectory, str | None]:
    """The run that a folder is, or that a folder of its embeddings lies in, and the one encoder that it names."""
    for run, encoder in ((path, None), (path.parent, None), (path.parent.parent, path.name)):
        if RunDirectory(run).config.is_file():
            return RunDirectory(run), encoder
    return RunDirectory(path), None


def _of_run(path: Path) -> dict[str, FeatureTable]:
    """Embeddings of a run's own dataset by encoder, with the labels of its cohort."""
    run, only = run_of(path)
    record = run.read_record()
    folder = run.path / "embeddings"
    name, labels = record.data.name, record.data.labels
    try:
        cohort = pd.read_parquet(run.cohort).set_index("image_id", drop=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{run.cohort} cannot be read: {because(error)}") from None
    found = {}
    kept_of = [one.name for one in folder.iterdir() if one.is_dir()] if folder.is_dir() else []
    for encoder in sorted((name for name in kept_of if only in (None, name)), reverse=True):
        files = [run.embeddings(encoder, f"{name}-{split}") for split in SPLITS]
        lacking = [file.name for file in files if not file.is_file()]
        if lacking:
            raise DataError(f"{folder / encoder} lacks {shortened(lacking)}; run sslbench evaluate {run.path} again")
        for file in (run.cohort, *files):
            run.checked(file, record)
        ids, embeddings = (np.concatenate(parts) for parts in zip(*map(_kept, files), strict=True))
        frame = cohort.loc[ids].reset_index(drop=True)
        kept = [*IDENTIFIERS, *(column for column in ("study_id", *GROUPED) if column in frame), *labels]
        found[encoder] = FeatureTable(frame[kept], embeddings.astype(np.float32), labels)
    if not found:
        raise DataError(f"{path} holds no embeddings of an encoder; give a finished run")
    return found


def _kept(file: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Image ids (N,) and embeddings (N, D) of a split."""
    with open_arrays(file) as arrays:
        return arrays["image_id"], arrays["embeddings"]


def _attributes(frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """Numbers with NaN, and text with None, of the attributes that the table has."""
    known = [name for name in GROUPED if name in frame.columns]
    text = {name: frame[name].astype(object).where(frame[name].notna(), None).to_numpy() for name in known}
    measured = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in known if SHARED[name].number}
    return {**text, **measured}


def _check_ids(table: FeatureTable, path: Path) -> None:
    check_named(table.frame, ("image_id", "patient_id"), path)
    check_one_spelling(table.frame, "patient_id", path)
    ids = table.frame["image_id"]
    double = ids[ids.duplicated()].unique().tolist()
    if double:
        raise DataError(f"image ids must be unique in {path}; {len(double)} occur twice: {shortened(double, 5)}")


def _check_embeddings(table: FeatureTable, path: Path) -> None:
    rows = np.flatnonzero(~np.isfinite(table.embeddings).all(axis=1))
    bad = table.frame["image_id"].iloc[rows].tolist()
    if bad:
        number = counted(len(bad), "image has", "images have")
        raise DataError(f"embeddings must be finite in {path}; {number} others: {shortened(bad, 5)}")
    if len(table.embeddings) > 1 and (table.embeddings == table.embeddings[0]).all():
        raise DataError(f"the embeddings of all images are one and the same in {path}; there is nothing to fit")


def _check_labels(table: FeatureTable, path: Path) -> None:
    check_names(table.labels, path)
    truth = table.frame[list(table.labels)].to_numpy(dtype=np.float64)
    rows, columns = np.nonzero(~(np.isnan(truth) | np.isin(truth, (0.0, 1.0))))
    found = [f"{table.frame['image_id'].iloc[row]} {table.labels[column]}={truth[row, column]:g}"
             for row, column in zip(rows, columns, strict=True)]  # fmt: skip
    if found:
        raise DataError(f"labels must be 1, 0 or blank in {path}; found {shortened(found, 5)}")


def _check_splits(table: FeatureTable, path: Path) -> None:
    found = list(dict.fromkeys(table.frame["split"]))
    strange = [name for name in found if name not in SPLITS]
    lacking = [name for name in SPLITS if name not in found]
    if strange or lacking:
        raise DataError(
            f"expected the splits {', '.join(SPLITS)} in {path}, found {shortened(found, 5) or 'none'}; fitting, "
            "choosing and testing each need images of their own"
        )
