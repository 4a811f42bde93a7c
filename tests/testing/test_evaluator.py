"""The suite for protocols: one that keeps the contract passes, and each thing that can be wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import pytest

from ssl_bench import EvaluatorSpec
from ssl_bench.testing import Check, check_evaluator, evaluator_checks


def sample(name: str, needs: Literal["embeddings", "encoder"] = "embeddings") -> EvaluatorSpec:
    target = f"sample_evaluators:{name}"
    return EvaluatorSpec(name="sample", target=target, options="sample_options:Plain", summary="a sample", needs=needs)


def test_a_protocol_that_keeps_the_contract_passes() -> None:
    check_evaluator(sample("Good"))


@pytest.mark.parametrize(
    ("check", "name", "wanted"),
    [
        ("results", "Nothing", "yields nothing"),
        ("results", "Rows", "must yield Predictions or MetricValue, found dict"),
        ("results", "StrangeSplit", "yields a result of the split 'dev', which does not exist"),
        ("results", "StrangeLabel", "must name what a metric is of, and the metric, found '', 'auroc'"),
        ("results", "TextMetric", "must yield metrics as numbers or None, found 'high'"),
        (
            "predictions",
            "Column",
            "gives scores that cannot be used: protocol 'sample' gave scores of shape (40,) for 40",
        ),
        ("predictions", "Holes", "gives scores that cannot be used: protocol 'sample' gave non-finite scores for"),
        ("predictions", "Certain", "calls its scores probabilities, and some are not"),
        ("predictions", "OneSplit", "predicts only test; expected validate, test"),
        ("predictions", "Repeated", "yields two predictions of one split"),
        ("predictions", "Shares", "sets fraction or draw, which the core fills in"),
        ("direction", "Backwards", "a higher score must mean more likely"),
        ("silence", "Talks", "prints: 'half done"),
        ("determinism", "Unseeded", "gives other scores the second time"),
        ("inputs_are_left_alone", "Rescales", "changes the embeddings of the split 'train' in place"),
        ("inputs_are_left_alone", "Trains", "changes the encoder's weights in place"),
        ("inputs_are_left_alone", "Wakes", "leaves the encoder in another mode"),
        ("blindness_to_test_labels", "Peeks", "predicts otherwise when the test labels are hidden"),
        ("blindness_to_test_labels", "TunesScores", "predicts otherwise when the test labels are hidden"),
        ("blindness_to_test_labels", "TunesSettings", "with others, so it is tuned on them; choose on the validation"),
        (
            "blindness_to_test_labels",
            "TunesMetrics",
            "gives other numbers of the validation split, or another threshold",
        ),
        ("blindness_to_test_labels", "TellsThreshold", "or another threshold, when the test labels are others"),
        ("images_stand_alone", "Standardises", "scores a test image otherwise when fewer images are tested"),
        ("unknown_labels", "ReadsUnknownAsAbsent", "so it reads unknown as absent; leave such images out"),
        ("one_class", "Guesses", "gives scores (validate) for a finding that is 0 in all training images"),
        ("one_class", "GivesUp", "loses a finding (validate) when another one cannot be fitted"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    check: str, name: str, wanted: str, sentence: Callable[[Sequence[Check], str], str]
) -> None:
    said = sentence(evaluator_checks(sample(name)), check)
    assert said.startswith("evaluator 'sample' ")
    assert wanted in said


def test_one_that_says_it_fits_nothing_and_does_is_told(sentence: Callable[[Sequence[Check], str], str]) -> None:
    said = sentence(evaluator_checks(replace(sample("Good"), fits=False)), "fits")
    assert "gives other results for another training split" in said


def test_images_are_there_for_a_protocol_that_needs_the_encoder() -> None:
    check_evaluator(sample("Pictures", "encoder"))
    with pytest.raises(TypeError):
        check_evaluator(sample("Pictures"))
