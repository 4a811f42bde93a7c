"""Checks of evaluation protocols, on embeddings and images in which two of three findings can be read."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeGuard, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ssl_bench.errors import HandledError
from ssl_bench.plugin.cohort import SPLITS
from ssl_bench.plugin.components import EvaluatorSpec
from ssl_bench.plugin.contracts import HELD_OUT, EvalContext, Fusion, MetricValue, Predictions, Split
from ssl_bench.results.rows import Origin, Scored, check_scores
from ssl_bench.seeds import generator, seed_torch
from ssl_bench.stats.metrics import macro_auroc
from ssl_bench.stats.predictions import fitted
from ssl_bench.testing.checks import (
    Check,
    Subject,
    check_descriptor,
    check_options,
    check_source,
    listed,
    run_all,
)
from ssl_bench.testing.tiny import TinyFusion, backbone

Floats = npt.NDArray[np.floating[Any]]

FINDINGS = ("Effusion", "Mass", "Nodule")
SIZES = {"train": 80, "validate": 40, "test": 40}
WIDTH = 8

CHANCE = 0.6
"""Macro AUROC on the validation split that a working protocol exceeds here by far."""


class EvaluatorSubject(Subject[EvaluatorSpec]):
    """An evaluator under test."""

    def context(self) -> EvalContext:
        """The standard context, made anew; with images where the descriptor says that the encoder is needed."""
        return context(images=self.component.needs == "encoder")

    def run(self, context: EvalContext) -> list[Predictions | MetricValue]:
        """Everything that the protocol yields."""
        return list(self.component.load()(self.options).evaluate(context))

    def predictions(self, context: EvalContext) -> list[Predictions]:
        """The predictions that it yields."""
        return [item for item in self.run(context) if isinstance(item, Predictions)]

    def scores(self, context: EvalContext) -> dict[str, Floats]:
        """Scores by split."""
        return {item.split: item.scores for item in self.predictions(context)}

    @cached_property
    def results(self) -> list[Predictions | MetricValue]:
        """What it yields on the standard context."""
        return self.run(self.context())


def check_evaluator(component: EvaluatorSpec | str, **options: Any) -> None:
    """Check an evaluation protocol.

    Args:
        component: its descriptor, or the name of an installed evaluator.
        **options: of the evaluator; they win over its values for the preset ``smoke``.

    Raises:
        AssertionError: one sentence on what is wrong.
        UsageError: no installed plugin offers the name, or an option is wrong.
    """
    run_all(evaluator_checks(component, **options))


def evaluator_checks(component: EvaluatorSpec | str, **options: Any) -> list[Check]:
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
        check_images_stand_alone,
        check_unknown_labels,
        check_one_class,
        check_fits,
    ]
    return listed(EvaluatorSubject(component, EvaluatorSpec, options), checks)


def context(*, images: bool) -> EvalContext:
    """Three splits, two images a patient; two findings are in the embeddings, some labels and attributes unknown.

    Args:
        images: with the encoder's views, in which the same findings are bright halves.
    """
    rng = np.random.default_rng(0)
    splits, signals, start = {}, [], 0
    for name, size in SIZES.items():
        embeddings = rng.normal(size=(size, WIDTH)).astype(np.float32)
        signal = embeddings[:, : len(FINDINGS)] * 3 + rng.normal(size=(size, len(FINDINGS)))
        signal[:, 2] = rng.normal(size=size)  # the third finding is nowhere
        splits[name] = _split(name, embeddings, signal > 0, np.arange(start, start + size), rng)
        splits[name] = replace(splits[name], **_ehr_rows(signal, rng))
        signals.append(signal[:, :2] > 0)
        start += size
    seed_torch(0, "backbone")
    encoder = backbone("vit")
    cast("nn.Module", encoder).eval()
    views = _pictures(torch.tensor(np.concatenate(signals)), encoder.image_size) if images else None
    read = None if views is None else lambda rows: views[torch.tensor(rows)]
    fusion = partial(_fusion, encoder.dim)
    return EvalContext(splits, FINDINGS, encoder, "cpu", 0, read, black=-1.0, fusion=fusion)


def _fusion(dim: int) -> Fusion:
    return cast("Fusion", TinyFusion(dim, dim))


def _ehr_rows(signal: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """EHR vectors of age and sex, some missing, in which the first two findings can be read too."""
    hot = (signal[:, 1] > 0)[:, None] == np.array([True, False])
    values = np.hstack([1 / (1 + np.exp(-signal[:, :1])), hot]).astype(np.float32)
    present = np.repeat(rng.random((len(signal), 2)) > 0.05, (1, 2), axis=1).astype(np.float32)
    return {"ehr_values": values * present, "ehr_present": present}


def _split(name: str, embeddings: Floats, found: Any, rows: Any, rng: np.random.Generator) -> Split:
    labels = found.astype(np.float32)
    labels[rng.random(labels.shape) < 0.05] = np.nan
    size = len(rows)
    ehr = {
        "age": np.where(rng.random(size) < 0.05, np.nan, rng.uniform(20, 90, size)),
        "sex": np.array(
            [(None, "F", "M")[number] for number in rng.choice(3, size, p=(0.05, 0.5, 0.45))], dtype=object
        ),
    }
    images = np.array([f"image-{row:04d}" for row in rows])
    patients = np.array([f"patient-{row // 2:04d}" for row in rows])
    return Split(name, images, patients, embeddings, labels, rows, ehr)


def _pictures(found: Tensor, size: int) -> Tensor:
    """Views ``(N, 1, size, size)``: the upper half is bright with the first finding, the lower one with the second."""
    noise = 0.3 * torch.randn((len(found), 1, size, size), generator=generator(0, "pictures"))
    halves = found[:, :2].float().repeat_interleave(size // 2, dim=1)  # (N, size): a value for each row of pixels
    return noise + halves[:, None, :, None]


def with_labels(context: EvalContext, changed: Mapping[str, Floats]) -> EvalContext:
    """The context with other labels in some splits."""
    other = {name: replace(context.splits[name], labels=labels) for name, labels in changed.items()}
    return replace(context, splits={**context.splits, **other})


def check_results(subject: EvaluatorSubject) -> None:
    """It yields predictions or metrics, of known splits and labels."""
    subject.expect(subject.results, "yields nothing")
    for item in subject.results:
        subject.expect(
            isinstance(item, Predictions | MetricValue),
            f"must yield Predictions or MetricValue, found {type(item).__name__}",
        )
        subject.expect(item.split in SPLITS, f"yields a result of the split '{item.split}', which does not exist")
        if isinstance(item, MetricValue):
            named = isinstance(item.label, str) and item.label and isinstance(item.metric, str) and item.metric
            subject.expect(
                named, f"must name what a metric is of, and the metric, found {item.label!r}, {item.metric!r}"
            )
            number = item.value is None or isinstance(item.value, float | int | np.floating)
            subject.expect(number, f"must yield metrics as numbers or None, found {item.value!r}")


def check_predictions(subject: EvaluatorSubject) -> None:
    """Predictions cover both held-out splits, with one finite score for every image and label."""
    predictions = [item for item in subject.results if isinstance(item, Predictions)]
    for item in predictions:
        split = subject.context().splits[item.split]
        try:
            origin = Origin("trained", "conformance", "conformance", subject.component.name, 0)
            check_scores(Scored(origin, split, item), FINDINGS)
        except HandledError as error:
            subject.fail(f"gives scores that cannot be used: {error}")
        known = item.scores[:, fitted(item.scores)]
        if item.probabilities:
            subject.expect(((known >= 0) & (known <= 1)).all(), "calls its scores probabilities, and some are not")
        subject.expect((item.fraction, item.draw) == (1.0, 0), "sets fraction or draw, which the core fills in")
    splits = {item.split for item in predictions}
    subject.expect("train" not in splits, "scores the training split, on which it was fitted")
    subject.expect(
        not splits or splits == set(HELD_OUT),
        f"predicts only {', '.join(sorted(splits))}; expected {', '.join(HELD_OUT)}",
    )
    subject.expect(len(predictions) == len(splits), "yields two predictions of one split; choose one on the validation")


def check_direction(subject: EvaluatorSubject) -> None:
    """A higher score means that the finding is more likely."""
    given = subject.context()
    for name, scores in subject.scores(given).items():
        found = float(macro_auroc(given.splits[name].labels[:, :2], scores[:, :2]))
        subject.expect(
            found > CHANCE,
            f"has a macro AUROC of {found:.2f} on findings that are plain in the embeddings ({name}); a higher "
            "score must mean more likely",
        )


def check_silence(subject: EvaluatorSubject) -> None:
    """It prints nothing."""
    said = io.StringIO()
    with redirect_stdout(said):
        subject.run(subject.context())
    subject.expect(not said.getvalue(), f"prints: {said.getvalue()[:60]!r}; yield values instead")


def check_determinism(subject: EvaluatorSubject) -> None:
    """The same context gives the same results, bit by bit."""
    first, second = subject.scores(subject.context()), subject.scores(subject.context())
    same = first.keys() == second.keys() and all(
        np.array_equal(scores, second[key], equal_nan=True) for key, scores in first.items()
    )
    subject.expect(same, "gives other scores the second time; derive random numbers from context.seed")


def check_inputs_are_left_alone(subject: EvaluatorSubject) -> None:
    """The arrays of the context and the encoder are as they were."""
    given = subject.context()
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
    encoder = cast("nn.Module", given.encoder)
    modes = not encoder.training and all(value.requires_grad for value in encoder.parameters())
    subject.expect(modes, "leaves the encoder in another mode (train, requires_grad); work on a copy (copy.deepcopy)")


def check_blindness_to_test_labels(subject: EvaluatorSubject) -> None:
    """Predictions, what they were set by, and numbers of other splits do not change with the test labels."""
    given = subject.context()
    labels = given.splits["test"].labels
    seeing = subject.results
    # Hidden, and the other way round: what was tuned on them (a threshold) is tuned otherwise.
    for other in (np.full_like(labels, np.nan), 1 - labels):
        unseeing = subject.run(with_labels(given, {"test": other}))
        _check_same_scores(subject, seeing, unseeing)
        chosen = [
            [dict(item.settings) for item in items if isinstance(item, Predictions)] for items in (seeing, unseeing)
        ]
        subject.expect(
            chosen[0] == chosen[1],
            f"chooses {chosen[0][-1:]} with the test labels and {chosen[1][-1:]} with others, so it is tuned on them; "
            "choose on the validation split",
        )
        elsewhere = [[item for item in items if _of_no_test(item)] for items in (seeing, unseeing)]
        subject.expect(
            elsewhere[0] == elsewhere[1],
            "gives other numbers of the validation split, or another threshold, when the test labels are others, so "
            "something is tuned on them; choose on the validation split",
        )


def _of_no_test(item: Predictions | MetricValue) -> bool:
    """Metrics that no test label may change: those of other splits, and choices such as a threshold."""
    return isinstance(item, MetricValue) and (item.split != "test" or "threshold" in item.metric)


def _check_same_scores(
    subject: EvaluatorSubject, seeing: list[Predictions | MetricValue], unseeing: list[Predictions | MetricValue]
) -> None:
    first, second = ({item.split: item.scores for item in items if isinstance(item, Predictions)}
                     for items in (seeing, unseeing))  # fmt: skip
    same = first.keys() == second.keys() and all(
        np.array_equal(scores, second[key], equal_nan=True) for key, scores in first.items()
    )
    subject.expect(same, "predicts otherwise when the test labels are hidden, so it looks at them")


def check_images_stand_alone(subject: EvaluatorSubject) -> None:
    """The scores of a test image are the same whatever other images are tested."""
    given = subject.context()
    test = given.splits["test"]
    kept = np.arange(len(test.rows)) < len(test.rows) // 3
    few = replace(given, splits={**given.splits, "test": _chosen(test, kept)})
    whole = next((item.scores for item in subject.results if _tests(item)), None)
    part = subject.scores(few).get("test")
    if whole is None or part is None:
        return
    subject.expect(
        part.shape == whole[kept].shape and np.allclose(part, whole[kept], rtol=1e-3, atol=1e-4, equal_nan=True),
        "scores a test image otherwise when fewer images are tested, so it learns from the test split (a mean, a "
        "standard deviation); take them from the training split",
    )


def _tests(item: Predictions | MetricValue) -> TypeGuard[Predictions]:
    return isinstance(item, Predictions) and item.split == "test"


def _chosen(split: Split, kept: npt.NDArray[np.bool_]) -> Split:
    """Some rows of a split."""
    parts = {
        name: value[kept]
        for name in ("image_ids", "patient_ids", "embeddings", "labels", "rows", "ehr_values", "ehr_present")
        if (value := getattr(split, name)) is not None
    }
    return replace(split, **parts, ehr={name: values[kept] for name, values in split.ehr.items()})


def check_unknown_labels(subject: EvaluatorSubject) -> None:
    """A finding that is unknown (NaN) in a training image is not read as absent there."""
    if not subject.component.fits:
        return
    given = subject.context()
    labels = given.splits["train"].labels.copy()
    found = np.flatnonzero(labels[:, 0] == 1)
    labels[found[: len(found) * 2 // 3], 0] = np.nan
    unknown = subject.scores(with_labels(given, {"train": labels}))
    absent = subject.scores(with_labels(given, {"train": np.nan_to_num(labels)}))
    for name, scores in unknown.items():
        subject.expect(
            not np.array_equal(scores[:, 0], absent[name][:, 0], equal_nan=True),
            f"gives the same scores ({name}) where a finding is unknown (NaN) in training images and where it is 0, so "
            "it reads unknown as absent; leave such images out for that finding",
        )


def check_one_class(subject: EvaluatorSubject) -> None:
    """A finding with one class in the training split has scores of NaN, and the others have their scores."""
    given = subject.context()
    for value in (0.0, np.nan):
        labels = given.splits["train"].labels.copy()
        labels[:, 0] = value
        for name, scores in subject.scores(with_labels(given, {"train": labels})).items():
            subject.expect(
                np.isnan(scores[:, 0]).all(),
                f"gives scores ({name}) for a finding that is {value:g} in all training images; a column "
                "of NaN says that it could not be fitted",
            )
            subject.expect(
                np.isfinite(scores[:, 1]).all(), f"loses a finding ({name}) when another one cannot be fitted"
            )


def check_fits(subject: EvaluatorSubject) -> None:
    """One that says that it fits nothing gives the same results whatever the training split holds."""
    if subject.component.fits:
        return
    given = subject.context()
    train = given.splits["train"]
    other = replace(train, embeddings=train.embeddings[::-1].copy(), labels=1 - train.labels)
    results = subject.run(replace(given, splits={**given.splits, "train": other}))
    same = len(results) == len(subject.results) and all(
        np.array_equal(a.scores, b.scores, equal_nan=True)
        if isinstance(a, Predictions) and isinstance(b, Predictions)
        else a == b
        for a, b in zip(results, subject.results, strict=True)
    )
    subject.expect(same, "gives other results for another training split; leave out fits=False")
