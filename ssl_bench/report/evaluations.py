"""Rows of a record, grouped into the evaluations that a reader looks at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ssl_bench.report.run_tables import METRICS, on_test
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, Comparison, MetricRow, RowIdentity
from ssl_bench.results.rundir import place_name

CALIBRATION = ("brier", "ece")

IDENTITY = ("dataset", "fitted_on", "protocol", "fraction", "draw")
"""What sets one evaluation apart from another."""


@dataclass(frozen=True)
class Evaluation:
    """One protocol on one test set with one share of the training patients, for every encoder.

    Args:
        dataset: the test set.
        fitted_on: the dataset whose training split the protocol was fitted on.
        protocol: the evaluator's name.
        fraction: share of the training patients.
        draw: which random draw of that share.
        internal: the run's own dataset.
        rows: of the record, AUROC and AUPRC of all encoders and labels.
        differences: of the record, the same for pairs of encoders.
    """

    dataset: str
    fitted_on: str
    protocol: str
    fraction: float
    draw: int
    internal: str
    rows: tuple[MetricRow, ...]
    differences: tuple[Comparison, ...]

    @property
    def name(self) -> str:
        """``linear``, or ``linear, tested on chexpert, 1 % of the training patients, draw 2``."""
        parts = [place_name(self, self.internal)]
        if self.fraction != 1.0:
            parts.append(f"{self.fraction * 100:g} % of the training patients, draw {self.draw}")
        return ", ".join(parts)

    @property
    def external(self) -> bool:
        """Whether this is not the run's own test split."""
        return self.dataset != self.internal

    @property
    def slug(self) -> str:
        """The name as part of a file name."""
        words = self.name.replace(" %", "pc").replace(".", "p")
        return "-".join("".join(letter if letter.isalnum() else " " for letter in words).lower().split())

    @property
    def whole(self) -> Evaluation:
        """The same with the labels of all training patients, for its name."""
        return replace(self, fraction=1.0, draw=0)

    @property
    def encoders(self) -> list[str]:
        """The encoders in the record's order."""
        return list(dict.fromkeys(str(row.encoder) for row in self.rows))

    @property
    def labels(self) -> list[str]:
        """The labels in the record's order, the macro mean last."""
        return list(dict.fromkeys(str(row.label) for row in self.rows))

    def row(self, encoder: str, label: str, metric: str) -> MetricRow | None:
        """The one row of an encoder, label and metric."""
        wanted = (encoder, label, metric)
        return next((row for row in self.rows if (row.encoder, row.label, row.metric) == wanted), None)

    def of_label(self, label: str) -> list[MetricRow]:
        """All rows of a label."""
        return [row for row in self.rows if row.label == label]


def evaluations(record: Record) -> list[Evaluation]:
    """The evaluations of a record on test splits: of the run's own dataset, and then of each other one.

    Rows of subgroups are left to tables of their own. A protocol without a macro mean (``leakage``: AUROC of sex and
    view) tells of no findings: see :func:`other_rows`.
    """
    groups: dict[tuple[Any, ...], tuple[list[MetricRow], list[Comparison]]] = {}
    telling = _of_findings(record)
    for row in on_test(record.metrics):
        if row.metric in METRICS and _identity(row) in telling:
            groups.setdefault(_identity(row), ([], []))[0].append(row)
    for difference in on_test(record.comparisons):
        if difference.metric in METRICS and _identity(difference) in groups:
            groups[_identity(difference)][1].append(difference)
    found = [
        Evaluation(
            **dict(zip(IDENTITY, key, strict=True)),
            internal=record.data.name,
            rows=tuple(rows),
            differences=tuple(differences),
        )
        for key, (rows, differences) in groups.items()
    ]
    places = list(dict.fromkeys((one.dataset, one.fitted_on) for one in found))
    return sorted(found, key=lambda one: (one.external, places.index((one.dataset, one.fitted_on))))


def by_share(found: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Evaluations that differ in fraction and draw alone, together, where there are several fractions."""
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in found:
        groups.setdefault(evaluation.whole.name, []).append(evaluation)
    return [group for group in groups.values() if len({evaluation.fraction for evaluation in group}) > 1]


def calibration(record: Record, evaluation: Evaluation) -> dict[tuple[str, str], MetricRow]:
    """Expected calibration error by encoder and label; empty where the scores are no probabilities."""
    return {
        (row.encoder, row.label): row
        for row in on_test(record.metrics)
        if row.metric == CALIBRATION[1] and _identity(row) == _identity_of(evaluation)
    }


def other_rows(record: Record) -> list[MetricRow]:
    """Rows of the test splits besides the AUROC and AUPRC of findings, for example cluster indices.

    Calibration is shown as its mean over findings; single findings are in the record.
    """
    telling = _of_findings(record)
    rows = [row for row in on_test(record.metrics) if row.metric not in METRICS or _identity(row) not in telling]
    return [row for row in rows if row.metric not in CALIBRATION or row.label == MACRO]


def _of_findings(record: Record) -> set[tuple[Any, ...]]:
    """The evaluations whose AUROC and AUPRC are of findings: those with a macro mean."""
    rows = on_test(record.metrics)
    return {_identity(row) for row in rows if row.label == MACRO and row.metric in METRICS}


def _identity(row: RowIdentity) -> tuple[Any, ...]:
    return tuple(getattr(row, field) for field in IDENTITY)


def _identity_of(evaluation: Evaluation) -> tuple[Any, ...]:
    return tuple(getattr(evaluation, field) for field in IDENTITY)


def named(row: MetricRow, internal: str) -> str:
    """The name of the evaluation that a row belongs to."""
    dataset, fitted_on, protocol, fraction, draw = _identity(row)
    return Evaluation(dataset, fitted_on, protocol, fraction, draw, internal, (), ()).name
