"""Arms compared as methods, and sentences that say what the numbers support."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_bench.comparison.ablation import Contrast, adjusted, contrast, contrasts, over_findings, verdict
from ssl_bench.stats.intervals import Difference
from ssl_bench.stats.predictions import PredictionTable
from ssl_bench.stats.resampled import Resampled, resampled
from ssl_bench.stats.significance import method_difference

LABELS = ("Effusion", "Mass")
SEEDS = 6


def run(strength: float, seed: int, labels: tuple[str, ...] = LABELS) -> Resampled:
    """Predictions of 100 patients with 2 images each; a higher strength ranks better, a seed adds its own noise."""
    truth = (np.random.default_rng(0).random((200, 2)) < 0.4).astype(float)
    scores = strength * truth + np.random.default_rng(seed).normal(size=truth.shape)
    rows = np.random.default_rng(seed).permutation(200)  # the order of rows must not matter
    ids, patients = np.array([f"i{row:03d}" for row in rows]), np.array([f"p{row // 2:03d}" for row in rows])
    return resampled(PredictionTable(labels, ids, patients, truth[rows], scores[rows]), 200, seed=0)


def arm(strength: float, start: int = 0) -> list[Resampled]:
    return [run(strength, start + seed) for seed in range(SEEDS)]


ARMS = {("age", "real"): arm(2.0), ("age", "shuffled"): arm(1.0, 10), ("age", "none"): arm(1.0, 20)}


def test_it_is_the_test_of_methods() -> None:
    found, each = contrast(ARMS["age", "real"], ARMS["age", "shuffled"])
    pairs = list(zip(ARMS["age", "real"], ARMS["age", "shuffled"], strict=True))
    wanted = np.array([a.values.mean() - b.values.mean() for a, b in pairs])
    np.testing.assert_allclose(each, wanted)
    repeats = np.stack([(a.replicates - b.replicates).mean(1) for a, b in pairs], axis=1)
    same = method_difference(wanted, repeats, 60.0)  # the patients' degrees of freedom hardly matter here
    assert (found.value, found.low, found.high) == pytest.approx((same.value, same.low, same.high), abs=2e-3)


def test_a_label_with_one_class_is_left_out_of_the_macro() -> None:
    first = arm(2.0)
    lame = [Resampled(r.labels, r.values * [1, np.nan], r.replicates * [1, np.nan], r.base) for r in first]
    found, each = contrast(lame, arm(1.0, 10))
    assert each == pytest.approx([a.values[0] - b.values[0] for a, b in zip(first, arm(1.0, 10), strict=True)])
    assert found.p is not None


def test_findings_with_few_patients_are_in_no_contrast_and_named() -> None:
    fewest = 1 + min(ARMS["age", "real"][0].base[k].positive_patients for k in (0, 1))
    kept = int(np.argmax([support.positive_patients for support in ARMS["age", "real"][0].base]))
    found = contrasts(ARMS, fewest)[0]
    pairs = zip(ARMS["age", "real"], ARMS["age", "shuffled"], strict=True)
    assert found.each == pytest.approx([a.values[kept] - b.values[kept] for a, b in pairs])
    assert over_findings(ARMS["age", "real"], fewest) == (
        f"contrasts are over 1 of 2 findings: {LABELS[kept]}; fewer than {fewest} positive or negative patients: "
        f"{LABELS[1 - kept]}"
    )
    assert over_findings(ARMS["age", "real"], 5) == "contrasts are over 2 of 2 findings: Effusion, Mass"


def test_contrasts_come_adjusted_and_the_primary_one_first() -> None:
    found = contrasts(ARMS)
    assert [(one.first, one.second) for one in found] == [("real", "shuffled"), ("real", "none")]
    assert found[0].primary
    assert [one.p_holm for one in found] == [one.difference.p for one in found]  # each is alone in its family
    assert [one.claimed for one in found] == [1, 1]


def test_primary_contrasts_of_all_sets_are_one_family_and_the_others_a_second() -> None:
    primary = [told("shuffled", 0.03, p) for p in (0.01, 0.04)]
    others = [told(arm, 0.03, p) for arm, p in (("none", 0.02), ("noise", 0.5), ("constant", 0.001))]
    found = adjusted([*primary, *others])
    assert [one.p_holm for one in found] == pytest.approx([0.02, 0.04, 0.04, 0.5, 0.003])


def test_the_arm_without_ehr_stands_for_all_sets() -> None:
    several = {**ARMS, ("sex", "real"): arm(1.0, 30), ("sex", "shuffled"): arm(1.0, 40)}
    found = [(one.features, one.second) for one in contrasts(several)]
    assert found == [("age", "shuffled"), ("age", "none"), ("sex", "shuffled"), ("sex", "none")]


def told(second: str, value: float, p: float) -> Contrast:
    return Contrast("age", "real", second, Difference(value, value - 0.01, value + 0.01, p=p), (), None)


@pytest.mark.parametrize(
    ("shuffled", "none", "sentence"),
    [
        (
            (0.03, 0.001),
            (0.04, 0.002),
            "real age beats the same rows shuffled by +3.0 AUROC points [+2.0, +4.0], p = 0.001 after Holm: what it "
            "says about the patients helps; over the image alone it gains +4.0 AUROC points [+3.0, +5.0], p = 0.002 "
            "after Holm",
        ),
        (
            (0.03, 0.001),
            (0.004, 0.3),
            "real age beats the same rows shuffled by +3.0 AUROC points [+2.0, +4.0], p = 0.001 after Holm: what it "
            "says about the patients helps; a gain over the image alone is not shown (+0.4 AUROC points [-0.6, +1.4], "
            "p = 0.300 after Holm)",
        ),
        (
            (0.001, 0.8),
            (0.03, 0.0001),
            "no effect of what age says about the patients is shown: real minus shuffled is +0.1 AUROC points "
            "[-0.9, +1.1], p = 0.800 after Holm; its gain over the image alone, +3.0 AUROC points [+2.0, +4.0], "
            "p < 0.001 after Holm, cannot be distinguished from added capacity",
        ),
        (
            (-0.03, 0.001),
            (0.0, 0.9),
            "real age is worse than the same rows shuffled, by -3.0 AUROC points [-4.0, -2.0], p = 0.001 after Holm",
        ),
    ],
)
def test_the_sentence_says_what_the_numbers_support(
    shuffled: tuple[float, float], none: tuple[float, float], sentence: str
) -> None:
    assert verdict(adjusted([told("shuffled", *shuffled), told("none", *none)]), 5) == [sentence]


def test_fewer_than_five_seeds_claim_nothing() -> None:
    found = contrasts({key: runs[:4] for key, runs in ARMS.items()})
    assert [(one.difference.p, one.p_holm, one.claimed) for one in found] == [(None, None, 0)] * 2
    assert verdict(found, 4) == [
        "4 paired seeds: nothing is claimed about methods; a claim needs at least 5 (--seeds 5)"
    ]
