"""The suite for metrics: one that keeps the contract passes, and each thing that can be wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ssl_bench import MetricSpec
from ssl_bench.testing import Check, check_metric, metric_checks


def sample(name: str) -> MetricSpec:
    target = f"sample_metrics:{name}"
    return MetricSpec(name="sample", target=target, options="sample_options:Plain", summary="a sample", better="lower",
                  needs="probabilities")  # fmt: skip


def test_a_metric_that_keeps_the_contract_passes() -> None:
    check_metric(sample("Good"))


@pytest.mark.parametrize(
    ("check", "name", "wanted"),
    [
        ("values", "Single", "must give (C,) = (6,) values, one a resample, (1,)"),
        ("values", "Random", "gives other values the second time"),
        ("weights", "Unweighted", "does not count an image as often as its patient was drawn"),
        ("columns", "Joined", "gives a resample another value when it comes with others"),
        ("order", "First", "depends on the order of the images"),
        ("bounds", "Wide", "leaves [0, 1]; say bounds='real'"),
        ("direction", "Backwards", "for good scores and"),
        ("one_class", "Fragile", "loses all resamples where one of them holds one class alone"),
        ("one_class", "Endless", "is infinite where a resample holds one class alone"),
        ("inputs_are_left_alone", "Writes", "changes labels, scores or weights in place"),
        ("silence", "Talks", "says: 'half done"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    check: str, name: str, wanted: str, sentence: Callable[[Sequence[Check], str], str]
) -> None:
    said = sentence(metric_checks(sample(name)), check)
    assert said.startswith("metric 'sample' ")
    assert wanted in said
