"""The suite for datasets: one that keeps the contract passes, and each thing that can be wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from ssl_bench import DatasetSpec
from ssl_bench.errors import UsageError
from ssl_bench.testing import Check, check_dataset, dataset_checks


def sample(name: str, **fields: object) -> DatasetSpec:
    values = {"target": f"sample_datasets:{name}", "options": "sample_options:Plain", "summary": "a sample",
              "features": ("age", "sex"), "label_space": "native"}  # fmt: skip
    return DatasetSpec(name="sample", **{**values, **fields})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 20 patients, two each."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "images").mkdir()
    for number in range(40):
        Image.new("L", (4, 4)).save(folder / "images" / f"{number // 2:02d}-{number % 2}.png")
    return folder


def test_a_dataset_that_keeps_the_contract_passes(root: Path) -> None:
    check_dataset(sample("Good"), root)


@pytest.mark.parametrize(
    ("check", "name", "wanted"),
    [
        ("table", "Table", "must read a Cohort, found DataFrame"),
        ("table", "Doubled", "reads a cohort in which image ids must be unique; 1 occur twice"),
        ("table", "Numbered", "must give patient_id as text, so that 007 stays 007"),
        ("table", "Shuffled", "must number its rows 0 to N - 1"),
        ("patients", "Leaky", "reads a cohort in which no patient may be in two splits"),
        ("patients", "Untested", "reads a cohort in which every split needs images; 'sample' has none in test"),
        ("features", "Extra", "declares the features ['age', 'sex'] and reads ['age', 'sex', 'view']"),
        ("features", "Months", "must give age in years (0 to 120), found [240.0"),
        ("features", "Words", "has values of 'sex' that are none of M, F: ['female']"),
        ("features", "Ageless", "has no value at all of the feature 'age'"),
        ("labels", "Texts", "must give labels as numbers"),
        ("labels", "Scores", "reads a cohort in which labels must be 1, 0, -1 or blank"),
        ("files", "Absent", "reads a cohort in which 40 of 40 images are not below"),
        ("no_image_is_opened", "Opens", "opens images while it reads"),
        ("reads_alike", "Unseeded", "reads another cohort the second time"),
        (
            "empty_folder",
            "Crashes",
            "raises IndexError for a folder without its files; raise ssl_bench.errors.DataError",
        ),
        ("empty_folder", "Empty", "reads a cohort from a folder without its files"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    check: str, name: str, wanted: str, root: Path, sentence: Callable[[Sequence[Check], str], str]
) -> None:
    said = sentence(dataset_checks(sample(name), root), check)
    assert said.startswith("dataset 'sample' ")
    assert wanted in said


@pytest.mark.parametrize(
    ("fields", "check", "wanted"),
    [
        ({"label_space": "nih15"}, "labels", "declares a label space 'nih15' that does not exist; expected native, "),
        ({"label_space": "nih14"}, "labels", "reads a cohort in which label space 'nih14' needs Atelectasis, "),
        ({"synthetic": True}, "table", "is declared synthetic and reads a cohort that is not"),
        ({"features": ("age",)}, "features", "declares the features ['age'] and reads ['age', 'sex']"),
    ],
)
def test_what_the_descriptor_says_is_so(
    fields: dict[str, object], check: str, wanted: str, root: Path, sentence: Callable[[Sequence[Check], str], str]
) -> None:
    assert wanted in sentence(dataset_checks(sample("Good", **fields), root), check)


def test_a_dataset_that_needs_files_says_so_itself() -> None:
    with pytest.raises(UsageError, match="give the folder by --root"):
        check_dataset(sample("Good"))
