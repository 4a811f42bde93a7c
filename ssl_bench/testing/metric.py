"""Checks of metrics, on images of one finding that are drawn again and again by patient."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.plugin.components import MetricSpec
from ssl_bench.stats.sample import Draws, Finding, Sample
from ssl_bench.testing.checks import Check, Subject, check_descriptor, check_options, check_source, listed, run_all

Floats = npt.NDArray[np.float64]

PATIENTS, EACH, RESAMPLES = 80, 2, 6
"""Patients, images of each, and resamples of the standard finding."""


class MetricSubject(Subject[MetricSpec]):
    """A metric under test."""

    def measure(self) -> Any:
        """The target, built."""
        return self.component.load()(self.options)

    def finding(self, signal: float = 1.5, seed: int = 0) -> Finding:
        """Images whose probabilities tell the finding as well as ``signal`` says, cut where the metric chooses."""
        rng = np.random.default_rng(seed)
        labels = (rng.random(PATIENTS * EACH) < 0.4).astype(np.float64)
        odds = signal * (labels - 0.4) + rng.normal(size=len(labels)) - 0.4
        return self.cut(labels, 1 / (1 + np.exp(-odds)), np.repeat(np.arange(PATIENTS), EACH))

    def cut(self, labels: Floats, scores: Floats, patient: npt.NDArray[np.intp]) -> Finding:
        """A finding, with its threshold where the descriptor says that the metric has one."""
        threshold = float(self.measure().choose(labels, scores)) if self.component.threshold else None
        return Finding(labels, scores, patient, PATIENTS, threshold)

    def measured(self, finding: Finding, times: npt.NDArray[np.integer[Any]]) -> Floats:
        """The metric on resamples."""
        with np.errstate(all="ignore"):
            found = np.asarray(self.measure().values(Sample(finding, Draws(times))))
        self.expect(
            found.shape == times.shape[1:], f"must give (C,) = {times.shape[1:]} values, one a resample, {found.shape}"
        )
        return found.astype(np.float64)


def check_metric(component: MetricSpec | str, **options: Any) -> None:
    """Check a metric.

    Args:
        component: its descriptor, or the name of an installed metric.
        **options: of the metric; they win over its values for the preset ``smoke``.

    Raises:
        AssertionError: one sentence on what is wrong.
        UsageError: no installed plugin offers the name, or an option is wrong.
    """
    run_all(metric_checks(component, **options))


def metric_checks(component: MetricSpec | str, **options: Any) -> list[Check]:
    """The checks of :func:`check_metric` by name; nothing is measured before one is called."""
    checks = [
        check_descriptor,
        check_options,
        check_source,
        check_values,
        check_weights,
        check_columns,
        check_order,
        check_bounds,
        check_direction,
        check_one_class,
        check_inputs_are_left_alone,
        check_silence,
    ]
    return listed(MetricSubject(component, MetricSpec, options), checks)


def times(columns: int = RESAMPLES) -> npt.NDArray[np.int64]:
    """How often each patient is drawn (P, C); the first column is everybody once."""
    rng = np.random.default_rng(1)
    drawn = [np.bincount(rng.integers(PATIENTS, size=PATIENTS), minlength=PATIENTS) for _ in range(columns - 1)]
    return np.stack([np.ones(PATIENTS, np.int64), *drawn], axis=1)


def check_values(subject: MetricSubject) -> None:
    """A number for each resample of a finding with many images of both classes, the same each time."""
    first, second = (subject.measured(subject.finding(), times()) for _ in range(2))
    subject.expect(np.isfinite(first).all(), f"has no value on 160 images of both classes, found {first}")
    subject.expect(np.array_equal(first, second), "gives other values the second time; a metric draws nothing itself")


def check_weights(subject: MetricSubject) -> None:
    """An image that counts three times is worth three such images."""
    finding, drawn = subject.finding(), times()
    found = subject.measured(finding, drawn)
    once = np.ones((PATIENTS, 1), np.int64)
    for column, value in enumerate(found):
        rows = np.repeat(np.arange(len(finding.labels)), drawn[finding.patient, column])
        copies = Finding(finding.labels[rows], finding.scores[rows], finding.patient[rows], PATIENTS, finding.threshold)
        subject.expect(
            np.isclose(subject.measured(copies, once)[0], value, rtol=1e-6, atol=1e-9),
            "does not count an image as often as its patient was drawn; use sample.total or sample.weights",
        )


def check_columns(subject: MetricSubject) -> None:
    """Resamples do not know of each other."""
    finding, drawn = subject.finding(), times()
    apart = [subject.measured(finding, drawn[:, [column]])[0] for column in range(drawn.shape[1])]
    same = np.allclose(subject.measured(finding, drawn), apart, rtol=1e-6, atol=1e-9)
    subject.expect(same, "gives a resample another value when it comes with others; keep the columns apart")


def check_order(subject: MetricSubject) -> None:
    """The order of images means nothing."""
    finding, drawn = subject.finding(), times()
    turned = Finding(finding.labels[::-1], finding.scores[::-1], finding.patient[::-1], PATIENTS, finding.threshold)
    same = np.allclose(subject.measured(finding, drawn), subject.measured(turned, drawn), rtol=1e-6, atol=1e-9)
    subject.expect(same, "depends on the order of the images")


def check_bounds(subject: MetricSubject) -> None:
    """Values are where the descriptor says."""
    for signal in (0.0, 1.5, 5.0):
        found = subject.measured(subject.finding(signal), times())
        within = (np.isnan(found) | ((found >= 0) & (found <= 1))).all()
        subject.expect(subject.component.bounds == "real" or within, "leaves [0, 1]; say bounds='real'")


def check_direction(subject: MetricSubject) -> None:
    """A better model has a better value."""
    if subject.component.better == "target":
        return
    poor, good = (subject.measured(subject.finding(signal), times())[0] for signal in (0.0, 4.0))
    right = good > poor if subject.component.better == "higher" else good < poor
    subject.expect(right, f"is {good:.3f} for good scores and {poor:.3f} for bad ones; say which is better")


def check_one_class(subject: MetricSubject) -> None:
    """A resample that holds one class alone has a value or NaN, and no exception."""
    finding, drawn = subject.finding(), times()
    with_positive = np.unique(finding.patient[finding.labels == 1])
    drawn[with_positive, 1] = 0
    found = subject.measured(finding, drawn)
    subject.expect(np.isfinite(found[0]), "loses all resamples where one of them holds one class alone")
    subject.expect(not np.isinf(found[1]), "is infinite where a resample holds one class alone; give NaN")


def check_inputs_are_left_alone(subject: MetricSubject) -> None:
    """Labels, scores and draws are as they were."""
    finding, drawn = subject.finding(), times()
    before = [array.copy() for array in (finding.labels, finding.scores, drawn)]
    subject.measured(finding, drawn)
    same = all(map(np.array_equal, before, (finding.labels, finding.scores, drawn)))
    subject.expect(same, "changes labels, scores or weights in place; work on a copy")


def check_silence(subject: MetricSubject) -> None:
    """It prints nothing and warns of nothing."""
    said = io.StringIO()
    with redirect_stdout(said), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        subject.measured(subject.finding(), times())
    subject.expect(
        not said.getvalue() and not caught, f"says: {said.getvalue()[:60]!r}{[str(w.message) for w in caught]}"
    )
