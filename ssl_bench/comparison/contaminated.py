"""Which results are on images that the encoder was pretrained on, and of which this is unknown. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench.comparison.group_comparison import GroupComparison
from ssl_bench.comparison.lines import Line
from ssl_bench.comparison.run import EncoderRun
from ssl_bench.results.ledger import of_record, tested_datasets

SEEN, UNKNOWN = "‡", "?"
"""Marks of a result."""

LEGENDS = {
    SEEN: f"{SEEN} seen in pretraining: the encoder was pretrained on this test dataset, by its name, or on its test "
          "patients where both are known",
    UNKNOWN: f"{UNKNOWN}: what the encoder was pretrained on is not known, so that it may have seen the test images",
}  # fmt: skip


def seen_mark(comparison: GroupComparison, line: Line) -> str:
    """The mark of a row at a setting: the worst of its encoders'."""
    if line.blind or line.group.runs[0].baseline:
        return ""
    marks = {_mark(run, comparison) for run in line.runs.values()}
    return next((mark for mark in (SEEN, UNKNOWN) if mark in marks), "")


def _mark(run: EncoderRun, comparison: GroupComparison) -> str:
    ledger = of_record(run.record)
    tested = tested_datasets(run.record, comparison.setting[1])
    doubted = [(dataset, manifest) for dataset, manifest in tested if ledger.seen(dataset, manifest=manifest)]
    if doubted:  # by name; the patients are read where this may acquit
        whole, patients = of_record(run.record, run.path), comparison.own(run).patients
        for dataset, manifest in doubted:
            # A joined cohort's patients begin with the name of their dataset.
            own = [patient.split("/", 1)[1] for patient in patients if patient.startswith(f"{dataset}/")]
            if whole.seen(dataset, own if len(tested) > 1 else patients, manifest):
                return SEEN
    return "" if ledger.complete else UNKNOWN


def legends(marks: Iterable[str]) -> list[str]:
    """What the marks that stand mean."""
    found = set(marks)
    return [f"{text}." for mark, text in LEGENDS.items() if mark in found]
