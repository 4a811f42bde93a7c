"""Label spaces, and the table of uncertain and blank labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.labels import (
    CHEXPERT14,
    COMMON7,
    NIH14,
    SPACES,
    apply_policy,
    check_names,
    check_values,
    in_space,
)

RAW = pd.DataFrame({"Edema": [1.0, 0.0, -1.0, np.nan]})
NAN = float("nan")


@pytest.mark.parametrize(
    ("uncertain", "blank", "expected"),
    [
        ("ignore", "ignore", [1, 0, NAN, NAN]),
        ("ignore", "zeros", [1, 0, NAN, 0]),
        ("zeros", "ignore", [1, 0, 0, NAN]),
        ("zeros", "zeros", [1, 0, 0, 0]),
        ("ones", "ignore", [1, 0, 1, NAN]),
        ("ones", "zeros", [1, 0, 1, 0]),
    ],
)
def test_policies(uncertain: str, blank: str, expected: list[float]) -> None:
    np.testing.assert_array_equal(apply_policy(RAW, uncertain, blank)["Edema"], expected)


def test_integer_labels_and_their_index_are_kept() -> None:
    raw = pd.DataFrame({"Edema": [1, -1]}, index=[7, 3])
    settled = apply_policy(raw, "ignore", "zeros")
    assert settled.index.tolist() == [7, 3]
    np.testing.assert_array_equal(settled["Edema"], [1, np.nan])


@pytest.mark.parametrize("space", ["chexpert14", "nih14"])
def test_columns_are_matched_by_name_and_not_by_position(space: str) -> None:
    wanted = SPACES[space]
    raw = pd.DataFrame([[float(number) for number in range(15)]], columns=[*reversed(wanted), "Extra"])
    chosen = in_space(raw, space)
    assert tuple(chosen.columns) == wanted
    assert chosen.iloc[0].tolist() == [float(number) for number in range(13, -1, -1)]


def test_common7_knows_the_names_of_nih() -> None:
    nih = in_space(pd.DataFrame(np.eye(14), columns=list(NIH14)), "common7")
    assert tuple(nih.columns) == COMMON7
    assert nih["Pleural Effusion"].to_numpy().nonzero()[0].tolist() == [NIH14.index("Effusion")]
    chexpert = in_space(pd.DataFrame(np.eye(14), columns=list(CHEXPERT14)), "common7")
    assert chexpert["Pleural Effusion"].to_numpy().nonzero()[0].tolist() == [CHEXPERT14.index("Pleural Effusion")]


def test_native_keeps_everything() -> None:
    assert in_space(RAW, "native") is RAW


def test_a_space_that_the_dataset_lacks() -> None:
    with pytest.raises(DataError, match=r"'chexpert14' needs No Finding, .*; the dataset has Edema"):
        in_space(RAW, "chexpert14")


def test_an_unknown_space_asks_for_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'chexpert14'"):
        in_space(RAW, "chexpert_14")


def test_bad_values_are_named_with_their_image() -> None:
    raw = pd.DataFrame({"Edema": [0.0, 2.0, -2.0, 1.0], "Mass": [np.nan, 1.0, 0.5, np.inf]}, index=[4, 5, 6, 7])
    with pytest.raises(DataError, match=r"found b Edema=2, c Edema=-2, c Mass=0\.5, d Mass=inf; correct"):
        check_values(raw, pd.Series(list("abcd"), index=[4, 5, 6, 7]))


def test_words_in_the_place_of_labels_are_named() -> None:
    with pytest.raises(DataError, match="found b Edema='yes'"):
        check_values(pd.DataFrame({"Edema": [1.0, "yes", None]}), pd.Series(list("abc")))


def test_sound_values_pass() -> None:
    check_values(RAW, pd.Series(list("abcd")))


def test_many_bad_values_are_counted() -> None:
    raw = pd.DataFrame({"Edema": np.full(25, 3.0)})
    with pytest.raises(DataError, match="and 5 more"):
        check_values(raw, pd.Series([f"i{number}" for number in range(25)]))


@pytest.mark.parametrize("other", ["edema", " Edema", "EDEMA ", "Lung  opacity", "lung_opacity", "\uff25dema"])
def test_two_spellings_of_a_finding_are_refused(other: str) -> None:
    check_names(["Edema", "Lung Opacity", "Lung Lesion"], "a table")
    with pytest.raises(DataError, match=r"a table has (the findings Edema twice|1 finding in two spellings)"):
        check_names(["Edema", "Lung Opacity", other], "a table")
