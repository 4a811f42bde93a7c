"""Checks of evaluation protocols, on embeddings in which two of three findings can be read."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.components import Evaluator as EvaluatorComponent
from ssl_bench.contracts import EvalContext, Metric, Predictions, Split
from ssl_bench.data.cohort import SPLITS
from ssl_bench.errors import HandledError
from ssl_bench.evaluate.metrics import macro_auroc
from ssl_bench.results.rows import Origin, Scored, check_scores, fitted
from ssl_bench.seeds import seed_torch
from ssl_bench.testing.checks import (
    Check,
    Subject,
    check_descriptor,
    check_options,
    check_source,
    listed,
    run_all,
)
from ssl_bench.testing.tiny import backbone

Floats = npt.NDArray[np.floating[Any]]

FINDINGS = ("Effusion", "Mass", "Nodule")
SIZES = {"train": 80, "validate": 40, "test": 40}
WIDTH = 8
HELD_OUT = ("validate", "test")

CHANCE = 0.6
"""Macro AUROC on the validation split that a working protocol exceeds here by far."""


class EvaluatorSubject(Subject[EvaluatorComponent]):
    """An evaluator under test."""

    def run(self, context: EvalContext) -> list[Predictions | Metric]:
        """Everything that the protocol yields."""
        return list(self.component.load()(self.options).evaluate(context))

    def predictions(self, context: EvalContext) -> list[Predictions]:
        """The predictions that it yields."""
        return [item for item in self.run(context) if isinstance(item, Predictions)]

    def scores(self, context: EvalContext) -> dict[str, Floats]:
        """Scores of every prediction, by what tells them apart."""
        return {key_of(item): item.scores for item in self.predictions(context)}

    @cached_property
    def results(self) -> list[Predictions | Metric]:
        """What it yields on the standard context."""
        return self.run(context())


def check_evaluator(component: EvaluatorComponent | str, **options: Any) -> None:
    """Check an evaluation protocol.

    Args:
        component: its descriptor, or the name of an installed evaluator.
        **options: of the evaluator; they win over its values for the preset ``smoke``.

    Raises:
        AssertionError: one sentence on what is wrong.
        UsageError: no installed plugin offers the name, or an option is wrong.
    """
    run_all(evaluator_checks(component, **options))


def evaluator_checks(component: EvaluatorComponent | str, **options: Any) -> list[Check]:
    """The checks of :func:`check_evaluator` by name; nothing is evaluated before one is called."""
    checks = [
        check_descriptor,
        check_options,
        check_source,
        check_results,
        check_predictions,
        check_direction,
        check_silence,
        check_determinism,
        check_inputs_are_left_alone,
        check_blindness_to_test_labels,
        check_one_class,
    ]
    return listed(EvaluatorSubject(component, EvaluatorComponent, options), checks)


def context(seed: int = 0) -> EvalContext:
    """Embeddings of three splits, two images a patient; the first two findings are in them, some labels unknown."""
    rng = np.random.default_rng(seed)
    splits, start = {}, 0
    for name, size in SIZES.items():
        embeddings = rng.normal(size=(size, WIDTH)).astype(np.float32)
        signal = embeddings[:, : len(FINDINGS)] * 3 + rng.normal(size=(size, len(FINDINGS)))
        signal[:, 2] = rng.normal(size=size)
        labels = (signal > 0).astype(np.float32)
        labels[rng.random(labels.shape) < 0.05] = np.nan
        rows = np.arange(start, start + size)
        images = np.array([f"image-{row:04d}" for row in rows])
        patients = np.array([f"patient-{row // 2:04d}" for row in rows])
        splits[name] = Split(name, images, patients, embeddings, labels, rows)
        start += size
    seed_torch(seed, "backbone")
    return EvalContext(splits, FINDINGS, backbone("vit"), "cpu", seed)


def with_labels(context: EvalContext, changed: Mapping[str, Floats]) -> EvalContext:
    """The context with other labels in some splits."""
    other = {name: replace(context.splits[name], labels=labels) for name, labels in changed.items()}
    return replace(context, splits={**context.splits, **other})


def key_of(item: Predictions) -> str:
    """What tells a prediction of a protocol from its others in the record."""
    return f"{item.split}, {item.fraction}, {item.draw}"


def check_results(subject: EvaluatorSubject) -> None:
    """It yields predictions or metrics, of known splits and labels."""
    subject.expect(subject.results, "yields nothing")
    for item in subject.results:
        subject.expect(
            isinstance(item, Predictions | Metric), f"must yield Predictions or Metric, found {type(item).__name__}"
        )
        subject.expect(item.split in SPLITS, f"yields a result of the split '{item.split}', which does not exist")
        if isinstance(item, Metric):
            subject.expect(
                item.label in (*FINDINGS, "macro"), f"yields a metric of '{item.label}'; expected a finding or 'macro'"
            )
            number = item.value is None or isinstance(item.value, float | int | np.floating)
            subject.expect(number, f"must yield metrics as numbers or None, found {item.value!r}")


def check_predictions(subject: EvaluatorSubject) -> None:
    """Predictions cover both held-out splits, with one finite score for every image and label."""
    predictions = [item for item in subject.results if isinstance(item, Predictions)]
    for item in predictions:
        split = context().splits[item.split]
        try:
            origin = Origin("trained", "conformance", "conformance", subject.component.name, 0)
            check_scores(Scored(origin, split, item), FINDINGS)
        except HandledError as error:
            subject.fail(f"gives scores that cannot be used: {error}")
        known = item.scores[:, fitted(item.scores)]
        if item.probabilities:
            subject.expect(((known >= 0) & (known <= 1)).all(), "calls its scores probabilities, and some are not")
        subject.expect(0 < item.fraction <= 1, f"states a fraction of {item.fraction}; expected a share in (0, 1]")
    splits = {item.split for item in predictions}
    subject.expect("train" not in splits, "scores the training split, on which it was fitted")
    subject.expect(
        not splits or splits == set(HELD_OUT),
        f"predicts only {', '.join(sorted(splits))}; expected {', '.join(HELD_OUT)}",
    )
    keys = [key_of(item) for item in predictions]
    subject.expect(
        len(set(keys)) == len(keys), "yields two predictions of one split, fraction and draw; tell them apart by draw"
    )


def check_direction(subject: EvaluatorSubject) -> None:
    """A higher score means that the finding is more likely."""
    for item in subject.predictions(context()):
        if item.fraction < 1:
            continue
        found = float(macro_auroc(context().splits[item.split].labels[:, :2], item.scores[:, :2]))
        subject.expect(
            found > CHANCE,
            f"has a macro AUROC of {found:.2f} on findings that are plain in the embeddings ({item.split}); a higher "
            "score must mean more likely",
        )


def check_silence(subject: EvaluatorSubject) -> None:
    """It prints nothing."""
    said = io.StringIO()
    with redirect_stdout(said):
        subject.run(context())
    subject.expect(not said.getvalue(), f"prints: {said.getvalue()[:60]!r}; yield values instead")


def check_determinism(subject: EvaluatorSubject) -> None:
    """The same context gives the same results, bit by bit."""
    first, second = subject.scores(context()), subject.scores(context())
    same = first.keys() == second.keys() and all(
        np.array_equal(scores, second[key], equal_nan=True) for key, scores in first.items()
    )
    subject.expect(same, "gives other scores the second time; derive random numbers from context.seed")


def check_inputs_are_left_alone(subject: EvaluatorSubject) -> None:
    """The arrays of the context and the encoder's weights are as they were."""
    given = context()
    before = copy.deepcopy(given.splits)
    weights = {name: value.clone() for name, value in given.encoder.model.state_dict().items()}
    subject.run(given)
    for name, split in before.items():
        for part in ("embeddings", "labels", "image_ids", "patient_ids", "rows"):
            old, new = getattr(split, part), getattr(given.splits[name], part)
            same = np.array_equal(old, new, equal_nan=part in ("embeddings", "labels"))
            subject.expect(same, f"changes the {part} of the split '{name}' in place; work on a copy")
    same = all(bool((value == weights[name]).all()) for name, value in given.encoder.model.state_dict().items())
    subject.expect(same, "changes the encoder's weights in place; work on a copy (copy.deepcopy)")


def check_blindness_to_test_labels(subject: EvaluatorSubject) -> None:
    """Predictions are the same when the test labels are unknown."""
    given = context()
    blind = with_labels(given, {"test": np.full_like(given.splits["test"].labels, np.nan)})
    seeing, unseeing = subject.scores(given), subject.scores(blind)
    same = seeing.keys() == unseeing.keys() and all(
        np.array_equal(scores, unseeing[key], equal_nan=True) for key, scores in seeing.items()
    )
    subject.expect(same, "predicts otherwise when the test labels are hidden, so it looks at them")


def check_one_class(subject: EvaluatorSubject) -> None:
    """A finding with one class in the training split has scores of NaN, and the others have their scores."""
    given = context()
    for value in (0.0, np.nan):
        labels = given.splits["train"].labels.copy()
        labels[:, 0] = value
        for item in subject.predictions(with_labels(given, {"train": labels})):
            subject.expect(
                np.isnan(item.scores[:, 0]).all(),
                f"gives scores ({item.split}) for a finding that is {value:g} in all training images; a whole column of "
                "NaN says that it could not be fitted",
            )
            subject.expect(
                item.fraction < 1 or np.isfinite(item.scores[:, 1]).all(),
                f"loses a finding ({item.split}) when another one cannot be fitted",
            )
