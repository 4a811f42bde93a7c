"""Several datasets as one cohort."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.data.joined import check_copies, distinct, join, settle
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.cohort import Cohort, check_cohort
from ssl_bench.plugin.features import encode, learn_schema
from ssl_bench.plugin.labels import CHEXPERT14, COMMON7, NIH14, Policy, space_of


def make(name: str, labels: tuple[str, ...], first: int = 1, **features: list[object]) -> Cohort:
    """Three patients; every finding is present in the first one alone."""
    patients = [str(first + number) for number in range(3)]
    frame = pd.DataFrame({
        "image_id": ["a", "b", "c"], "image_path": ["a.png", "b.png", "c.png"], "patient_id": patients,
        "study_id": ["s", "t", "u"], "split": ["train", "validate", "test"], **features,
    } | {label: [1.0, -1.0, np.nan] for label in labels})  # fmt: skip
    return Cohort(name, Path("/data") / name, frame, tuple(features), labels, counts={"odd rows": 1})


def settled(space: str = "auto", **cohorts: Cohort) -> dict[str, Cohort]:
    return settle(cohorts, space, "ignore", "zeros")


def test_names_are_told_apart_by_numbers() -> None:
    assert distinct(["a", "b", "a", "a-2", "a"]) == ["a", "b", "a-2", "a-2-2", "a-3"]


def test_identifiers_cannot_collide_and_the_dataset_stands_beside_them() -> None:
    both = join(settled(one=make("one", ("Edema",)), two=make("two", ("Edema",))))
    check_cohort(both)
    assert both.name == "one+two"
    assert both.frame["image_id"].tolist() == ["one/a", "one/b", "one/c", "two/a", "two/b", "two/c"]
    assert both.frame["patient_id"].nunique() == 6
    assert both.frame["dataset"].tolist() == ["one"] * 3 + ["two"] * 3
    assert both.frame["split"].tolist() == ["train", "validate", "test"] * 2
    assert dict(both.counts) == {"odd rows (one)": 1, "odd rows (two)": 1}


def test_a_single_dataset_stays_as_it_is() -> None:
    alone = make("one", ("Edema",))
    assert join({"one": alone}) is alone


def test_different_spaces_meet_in_common7_whatever_the_findings_are_called() -> None:
    found = settled(mimic=make("mimic", CHEXPERT14), nih=make("nih", NIH14))
    both = join(found)
    assert both.labels == COMMON7
    assert space_of(both.labels) == "common7"
    effusion = both.frame["Pleural Effusion"].tolist()  # nih14 calls it Effusion
    assert effusion[:2] + effusion[3:5] == [1.0, pytest.approx(np.nan, nan_ok=True)] * 2
    assert "Effusion" not in both.frame


def test_equal_spaces_stay_and_others_fall_back_to_what_all_have() -> None:
    assert join(settled(a=make("a", NIH14), b=make("b", NIH14, 9))).labels == NIH14
    shared = join(settled(a=make("a", ("Mass", "Effusion")), b=make("b", ("Pleural Effusion", "Edema"))))
    assert shared.labels == ("Pleural Effusion",)
    assert space_of(shared.labels, single=False) == "shared"


def test_images_that_were_never_labelled_stay_unknown_in_shared_findings_too() -> None:
    reports = make("reports", CHEXPERT14)
    frame = reports.frame.copy()
    frame.loc[1, list(CHEXPERT14)] = np.nan
    frame.loc[2, "No Finding"] = 1.0
    both = settled(reports=reports.with_frame(frame), nih=make("nih", NIH14, 9))
    edema = both["reports"].frame["Edema"]
    assert both["reports"].labels == COMMON7
    assert edema.isna().tolist() == [False, True, False]
    assert edema[2] == 0


@pytest.mark.parametrize("blank", ["zeros", "ignore"])
def test_a_finding_that_nobody_judged_stays_unknown_under_every_policy(blank: Policy) -> None:
    silent, unjudged = make("a", ("Edema",)), replace(make("b", ("Edema",)), blank_unjudged=True)
    assert unjudged.with_labels("native", "zeros", blank).frame["Edema"].isna().tolist() == [False, False, True]
    assert silent.with_labels("native", "zeros", "zeros").frame["Edema"].tolist() == [1, 0, 0]


def test_spaces_that_do_not_fit_are_refused() -> None:
    different = {"mimic": make("mimic", CHEXPERT14), "nih": make("nih", NIH14)}
    with pytest.raises(UsageError, match="'native' is a dataset's own, and mimic and nih have different findings"):
        settled("native", **different)
    with pytest.raises(DataError, match=r"^nih: label space 'chexpert14' needs"):
        settled("chexpert14", **different)
    with pytest.raises(DataError, match="must share findings; a has Mass; b has Edema"):
        settled(a=make("a", ("Mass",)), b=make("b", ("Edema",)))


def test_a_feature_that_a_dataset_lacks_is_absent_in_its_rows_and_is_no_category() -> None:
    one = make("one", ("Edema",), age=[30.0, 40.0, 50.0], icu=["1", "0", None])
    both = join(settled(one=one, two=make("two", ("Edema",), age=[60.0, 70.0, 80.0])))
    assert both.features == ("age", "icu")
    encoded = encode(both.frame, learn_schema(both.frame, ("age", "icu")))
    assert encoded.present[:, 0].tolist() == [1.0] * 6
    assert encoded.present[:, 1:].tolist() == [[1, 1], [1, 1], [0, 0]] + [[0, 0]] * 3
    assert encoded.values[3:, 1:].sum() == 0


def test_copies_of_one_dataset_share_no_patient() -> None:
    check_copies({"one": make("one", ("Edema",)), "two": make("two", ("Edema",))})
    check_copies({"one": make("one", ("Edema",)), "one-2": make("one", ("Edema",), first=4)})
    other = replace(make("one", ("Edema",), first=3), root=Path("/data/other"))
    with pytest.raises(
        DataError, match=r"^'/data/one' and '/data/other' are copies of one dataset and share 1 patient"
    ):
        check_copies({"one": make("one", ("Edema",)), "one-2": other})
    with pytest.raises(DataError, match=r"^'one' is given twice with the folder /data/one; leave one of them out$"):
        check_copies({"one": make("one", ("Edema",)), "one-2": make("one", ("Edema",), first=3)})
