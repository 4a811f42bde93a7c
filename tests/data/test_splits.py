"""Splits by patient, their manifest and the leakage gate."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.splits import check_leakage, check_not_empty, manifest, pretraining_rows
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.splits import DEFAULT_SHARES, assign, select

PATIENTS = pd.Series([f"{number:05d}" for number in range(4000)])


def cohort(patients: list[str], splits: list[str]) -> Cohort:
    frame = pd.DataFrame(
        {"image_id": [f"i{row}" for row in range(len(splits))], "patient_id": patients, "split": splits}
    )
    return Cohort("toy", Path(), frame, (), ())


SOUND = cohort(["a", "a", "b", "c", "d"], ["train", "train", "train", "validate", "test"])


def test_shares_are_about_right() -> None:
    drawn = assign(PATIENTS, DEFAULT_SHARES).value_counts(normalize=True)
    for name, share in DEFAULT_SHARES.items():
        assert drawn[name] == pytest.approx(share, abs=0.03)


def test_neither_row_order_nor_other_patients_matter() -> None:
    drawn = assign(PATIENTS, DEFAULT_SHARES)
    shuffled = PATIENTS.sample(frac=0.3, random_state=1)
    pd.testing.assert_series_equal(assign(shuffled, DEFAULT_SHARES), drawn.loc[shuffled.index])


def test_all_images_of_a_patient_are_together() -> None:
    twice = pd.concat([PATIENTS, PATIENTS])
    drawn = pd.DataFrame({"patient": twice, "split": assign(twice, DEFAULT_SHARES)})
    assert drawn.groupby("patient")["split"].nunique().max() == 1


def test_a_seed_is_a_draw() -> None:
    assert assign(PATIENTS, DEFAULT_SHARES, seed=1).tolist() != assign(PATIENTS, DEFAULT_SHARES).tolist()
    assert assign(PATIENTS, DEFAULT_SHARES, seed=1).tolist() == assign(PATIENTS, DEFAULT_SHARES, seed=1).tolist()


def test_the_draw_never_changes() -> None:
    assert assign(PATIENTS[10:15], DEFAULT_SHARES).tolist() == ["train", "validate", "train", "test", "train"]


def test_a_patient_in_two_splits_is_named() -> None:
    check_leakage(SOUND)
    with pytest.raises(DataError, match="no patient may be in two splits; 2 are: a, b"):
        check_leakage(cohort(["a", "a", "b", "b", "c"], ["train", "test", "validate", "train", "test"]))


def test_the_gate_opens_for_training_and_test_only() -> None:
    leaky = cohort(["a", "a", "b"], ["train", "test", "validate"])
    with pytest.raises(DataError, match=r"1 are: a; .* \(1 would bring a test patient into pretraining\)"):
        check_leakage(leaky)
    check_leakage(leaky, allow_test=True)
    for splits in (["train", "validate", "test"], ["test", "validate", "test"]):
        with pytest.raises(DataError, match="1 are: a"):
            check_leakage(cohort(["a", "a", "b"], splits), allow_test=True)


def test_a_test_patient_in_pretraining_is_named() -> None:
    leaky = cohort(["a", "a", "b"], ["train", "test", "train"])
    with pytest.raises(DataError, match="no test patient may be in pretraining; 1 are: a"):
        pretraining_rows(leaky)
    with pytest.raises(DataError, match="1 are: d"):
        pretraining_rows(SOUND, ("train", "validate", "test"))


def test_the_gate_opens_on_request() -> None:
    assert pretraining_rows(SOUND).tolist() == [0, 1, 2]
    assert pretraining_rows(SOUND, ("train", "test"), allow_test=True).tolist() == [0, 1, 2, 4]


def test_empty_splits_and_large_batches_are_refused() -> None:
    check_not_empty(SOUND, 3)
    with pytest.raises(DataError, match="'toy' has none in validate, test"):
        check_not_empty(replace(cohort(["a"], ["train"]), labels=("Edema",)), 1)
    with pytest.raises(DataError, match="'toy' has none in train"):  # without labels nothing else is needed
        check_not_empty(cohort(["a"], ["test"]), 1)
    check_not_empty(cohort(["a"], ["train"]), 1)
    with pytest.raises(DataError, match="a batch of 4 needs as many training images, 'toy' has 3"):
        check_not_empty(SOUND, 4)


def test_the_manifest_is_stable() -> None:
    written = manifest(SOUND)
    assert written["patients"] == {"train": ["a", "b"], "validate": ["c"], "test": ["d"]}
    text = "train\ta\ntrain\tb\nvalidate\tc\ntest\td"
    assert written["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    turned = SOUND.with_frame(SOUND.frame.iloc[::-1])
    assert manifest(turned) == written


def test_the_manifest_knows_every_patient_and_split() -> None:
    moved = cohort(["a", "a", "b", "d", "c"], ["train", "train", "train", "validate", "test"])
    fewer = cohort(["a", "c", "d"], ["train", "validate", "test"])
    assert len({manifest(each)["sha256"] for each in (SOUND, moved, fewer)}) == 3


def test_a_small_cohort_still_has_every_split() -> None:
    for first in range(0, 400, 20):
        few = pd.Series([str(number) for number in range(first, first + 5)])
        assert set(assign(few, DEFAULT_SHARES)) == {"train", "validate", "test"}
        halves = pd.Series(["train", "train", "train", "test", "test"])
        assert select(few, halves).tolist()[3:] == ["test", "test"]
        assert set(select(few, halves)[:3]) == {"train", "validate"}
    many = pd.Series([str(number) for number in range(500)])
    assert (assign(many[:400], DEFAULT_SHARES) == assign(many, DEFAULT_SHARES)[:400]).all()
