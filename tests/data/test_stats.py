"""Demographics, prevalence and missing values of a cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.data.stats import statistics
from ssl_bench.plugin.cohort import Cohort


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    frame = pd.DataFrame({
        "image_id": list("abcdef"), "image_path": list("abcdef"), "patient_id": list("112345"),
        "study_id": list("112345"), "split": ["train"] * 4 + ["validate", "test"],
        "age": [20, 40, 60, np.nan, 50, np.nan], "sex": ["M", "M", "F", None, None, "F"],
        "Edema": [1.0, 1.0, -1.0, np.nan, 0.0, 0.0],
    })  # fmt: skip
    cohort = Cohort("toy", Path(), frame, ("age", "sex"), ("Edema",))
    return statistics(cohort.with_labels("native", "zeros", "ignore"))


def test_demographics(tables: dict[str, pd.DataFrame]) -> None:
    train = tables["demographics"]["train"]
    assert train[["images", "studies", "patients"]].tolist() == [4, 3, 3]
    assert train[[f"age, quartile {number}" for number in (1, 2, 3)]].tolist() == [30, 40, 50]
    assert train[["sex M", "sex F"]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert np.isnan(tables["demographics"].loc["sex M", "validate"])
    assert tables["demographics"].loc["images", "all"] == 6


def test_prevalence_counts_images_patients_and_what_is_not_known(tables: dict[str, pd.DataFrame]) -> None:
    row = tables["prevalence"].loc["Edema"]
    assert (row["train"], row["train share"], row["patients"]) == (2, pytest.approx(2 / 3), 1)
    assert (row["uncertain"], row["blank"]) == (1, 1)
    assert (row["test"], row["test share"]) == (0, 0)


def test_missing(tables: dict[str, pd.DataFrame]) -> None:
    assert tables["missing"].loc["age"].tolist() == pytest.approx([1 / 4, 0, 1, 1 / 3])
    assert tables["missing"].loc["sex"].tolist() == pytest.approx([1 / 4, 1, 0, 1 / 3])
