"""Checks of datasets."""

from __future__ import annotations

import shutil
import weakref
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, NoReturn
from unittest.mock import patch

import pandas as pd
from pandas.testing import assert_frame_equal

from ssl_bench.data.ids import check_ids
from ssl_bench.data.images import check_images
from ssl_bench.data.splits import check_leakage, check_not_empty
from ssl_bench.errors import HandledError
from ssl_bench.plugin.cohort import Cohort, check_cohort
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.feature_specs import FeatureSpec, known
from ssl_bench.plugin.labels import SPACES, check_values, in_space
from ssl_bench.testing.checks import (
    Check,
    Subject,
    check_descriptor,
    check_options,
    check_source,
    listed,
    run_all,
)


class DatasetSubject(Subject[DatasetSpec]):
    """A dataset under test, with its files."""

    def __init__(self, component: DatasetSpec | str, root: Path | None, values: dict[str, Any]) -> None:
        super().__init__(component, DatasetSpec, values)
        self.root = root

    def reader(self) -> Any:
        """The dataset's reader."""
        return self.component.load()(self.options)

    @cached_property
    def folder(self) -> Path:
        """The folder to read, written first where the dataset is generated."""
        cache = mkdtemp()
        weakref.finalize(self, shutil.rmtree, cache, ignore_errors=True)  # when the checks are gone
        return Path(self.reader().locate(self.root, Path(cache)))

    def read(self) -> Cohort:
        """The cohort, read anew."""
        cohort = self.reader().read(self.folder)
        self.expect(isinstance(cohort, Cohort), f"must read a Cohort, found {type(cohort).__name__}")
        return cohort  # type: ignore[no-any-return]

    @cached_property
    def cohort(self) -> Cohort:
        """The cohort, read once."""
        return self.read()


def check_dataset(component: DatasetSpec | str, root: Path | None = None, **options: Any) -> None:
    """Check a dataset on files in its layout; a few images of a few patients in each split will do.

    Args:
        component: its descriptor, or the name of an installed dataset.
        root: the folder with its files, None for a dataset that is generated.
        **options: of the dataset; they win over its values for the preset ``smoke``.

    Raises:
        AssertionError: one sentence on what is wrong.
        UsageError: no installed plugin offers the name, or an option is wrong.
    """
    run_all(dataset_checks(component, root, **options))


def dataset_checks(component: DatasetSpec | str, root: Path | None = None, **options: Any) -> list[Check]:
    """The checks of :func:`check_dataset` by name; nothing is read before one is called."""
    checks = [
        check_descriptor,
        check_options,
        check_source,
        check_table,
        check_patients,
        check_features,
        check_labels,
        check_files,
        check_no_image_is_opened,
        check_reads_alike,
        check_empty_folder,
    ]
    return listed(DatasetSubject(component, root, options), checks)


def _passes(subject: DatasetSubject, check: Any, *arguments: Any) -> None:
    """Run a check of the core; its sentence becomes the subject's."""
    try:
        check(*arguments)
    except HandledError as error:
        subject.fail(f"reads a cohort in which {error}")


def check_table(subject: DatasetSubject) -> None:
    """The cohort has the columns every cohort has, unique images, known splits, and paths below its root."""
    _passes(subject, check_cohort, subject.cohort)
    _passes(subject, check_ids, subject.cohort)
    subject.expect(
        list(subject.cohort.frame.index) == list(range(len(subject.cohort))),
        "must number its rows 0 to N - 1 (the index)",
    )
    texts = ("image_id", "image_path", "patient_id", "study_id", "split")
    other = [name for name in texts if not all(isinstance(value, str) for value in subject.cohort.frame[name])]
    subject.expect(not other, f"must give {', '.join(other)} as text, so that 007 stays 007")
    says, does = bool(subject.component.synthetic), subject.cohort.synthetic
    subject.expect(does or not says, "is declared synthetic and reads a cohort that is not")


def check_patients(subject: DatasetSubject) -> None:
    """No patient is in two splits, and no split is empty."""
    _passes(subject, check_leakage, subject.cohort)
    _passes(subject, check_not_empty, subject.cohort, 1)


def check_features(subject: DatasetSubject) -> None:
    """The declared EHR features exist, and their values are in the vocabulary or missing."""
    declared, cohort = set(subject.component.features), subject.cohort
    specs = known(subject.component.declares)
    sure, found = declared - set(subject.component.optional), set(cohort.features)
    subject.expect(
        sure <= found <= declared, f"declares the features {sorted(declared)} and reads {sorted(cohort.features)}"
    )
    for name in cohort.features:
        subject.expect(
            name in specs,
            f"has a feature '{name}' that is unknown; declare it (DatasetSpec.declares), or take one of "
            f"{', '.join(specs)}",
        )
        subject.expect(name in cohort.frame, f"declares the feature '{name}' and has no such column")
        _check_vocabulary(subject, specs[name], cohort.frame[name].dropna())


def _check_vocabulary(subject: DatasetSubject, spec: FeatureSpec, values: pd.Series) -> None:
    name = spec.name
    subject.expect(len(values), f"has no value at all of the feature '{name}'; leave it out of its features")
    if spec.number:
        low, high = spec.plausible
        wrong = values[~pd.to_numeric(values, errors="coerce").between(low, high)]
        unit, found = f" in {spec.unit}" if spec.unit else "", wrong.unique()[:3].tolist()
        subject.expect(wrong.empty, f"must give {name}{unit} ({low:g} to {high:g}), found {found}")
        return
    wrong = values[~values.isin(spec.values)] if spec.values else values[:0]
    subject.expect(
        wrong.empty,
        f"has values of '{name}' that are none of {', '.join(spec.values)}: {wrong.unique()[:3].tolist()}; make "
        "them missing, or map them",
    )


def check_labels(subject: DatasetSubject) -> None:
    """Labels are 1, 0, -1 or blank, of the label space that is declared."""
    cohort, space = subject.cohort, subject.component.label_space or "native"
    subject.expect(cohort.labels, "has no labels, so nothing can be evaluated on it")
    lacking = [name for name in cohort.labels if name not in cohort.frame]
    subject.expect(not lacking, f"names labels without a column: {', '.join(lacking)}")
    subject.expect(
        space == "native" or space in SPACES,
        f"declares a label space '{space}' that does not exist; expected native, {', '.join(SPACES)}",
    )
    raw = cohort.frame[list(cohort.labels)]
    numbers = all(pd.api.types.is_numeric_dtype(kind) for kind in raw.dtypes)
    subject.expect(numbers, "must give labels as numbers: 1, 0, -1 for uncertain, NaN for blank")
    _passes(subject, in_space, raw, space)
    _passes(subject, check_values, raw, cohort.frame["image_id"])


def check_files(subject: DatasetSubject) -> None:
    """Every image of the cohort is a file below its root."""
    _passes(subject, check_images, subject.cohort)


def check_no_image_is_opened(subject: DatasetSubject) -> None:
    """Reading opens no image: a plan of 200 000 images must take seconds."""

    def refuse(*arguments: Any, **keywords: Any) -> NoReturn:
        raise AssertionError

    folder = subject.folder
    try:
        with patch("PIL.Image.open", refuse):
            subject.reader().read(folder)
    except AssertionError:
        subject.fail("opens images while it reads; leave that to the core")


def check_reads_alike(subject: DatasetSubject) -> None:
    """Two reads of the same files give the same cohort."""
    first, second = subject.cohort, subject.read()
    try:
        assert_frame_equal(first.frame, second.frame)
    except AssertionError as error:
        subject.fail(f"reads another cohort the second time: {' '.join(str(error).split())[:200]}")
    same = (first.features, first.labels, dict(first.counts)) == (second.features, second.labels, dict(second.counts))
    subject.expect(same, "reads other features, labels or counts the second time")


def check_empty_folder(subject: DatasetSubject) -> None:
    """A folder without its files is a DataError, which tells the user what was expected."""
    with TemporaryDirectory() as empty:
        try:
            subject.reader().read(Path(empty))
        except HandledError as error:
            subject.expect(str(error).strip(), "raises an error without a sentence for a folder without its files")
        except Exception as error:
            subject.fail(
                f"raises {type(error).__name__} for a folder without its files; raise ssl_bench.errors.DataError with "
                "what was expected and what was found"
            )
        else:
            subject.fail("reads a cohort from a folder without its files; raise ssl_bench.errors.DataError")
