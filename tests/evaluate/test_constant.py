"""Encoders whose features are the same for all images are told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssl_bench.evaluate.constant import constant_encoders, is_constant, meaningful, without_claim
from ssl_bench.report.run_tables import interval_text, signed_text
from ssl_bench.results.row import Comparison, MetricRow
from ssl_bench.results.rundir import RunDirectory

BASE = np.random.default_rng(0).normal(size=(1, 16)).astype(np.float32)
SPREAD = np.random.default_rng(1).normal(size=(40, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (np.repeat(BASE, 40, 0), True),
        (BASE + 1e-6 * SPREAD, True),
        (np.zeros((40, 16), np.float32), True),
        (BASE + 1e-2 * SPREAD, False),
        (1e-9 * SPREAD, False),
        (BASE, False),
    ],
)
def test_what_is_constant(features: np.ndarray, expected: bool) -> None:
    assert is_constant(features) is expected


def test_each_encoder_is_told_of_by_name(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    kept: dict[str, Any] = {"trained": np.repeat(BASE, 40, 0), "random": SPREAD}
    for encoder, features in kept.items():
        run.write_embeddings(encoder, "toy-test", {"embeddings": features})
    notes = constant_encoders(run, [*kept, "absent"], "toy")
    assert [note.code for note in notes] == ["constant-embeddings"]
    assert notes[0].startswith("the trained encoder gives all images of the test split the same features: ")


def test_a_difference_to_guessing_is_no_result(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_embeddings("trained", "toy-test", {"embeddings": np.repeat(BASE, 40, 0)})
    run.write_embeddings("random", "toy-test", {"embeddings": SPREAD})
    rows = [Comparison(encoder="trained", against="random", protocol=name) for name in ("linear", "finetune")]
    notes = constant_encoders(run, ["trained", "random"], "toy")
    assert meaningful(rows, notes, ("linear", "knn")) == rows[1:]
    assert meaningful(rows, [], ("linear", "knn")) == rows


def test_its_numbers_are_called_constant_in_the_table_and_have_no_interval(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_embeddings("trained", "toy-test", {"embeddings": np.repeat(BASE, 40, 0)})
    notes = constant_encoders(run, ["trained"], "toy")
    ends = {"value": 0.5, "ci_low": 0.5, "ci_high": 0.5, "percentile_low": 0.5, "percentile_high": 0.5, "note": ""}
    rows = [MetricRow.model_validate({"encoder": encoder, "protocol": protocol, **ends})
            for encoder in ("trained", "random") for protocol in ("linear", "finetune")]  # fmt: skip
    told = without_claim(rows, notes, ("linear", "knn"))
    assert [interval_text(row) for row in told] == ["constant", *["0.500 [0.500, 0.500]"] * 3]
    assert signed_text(told[0]) == "constant"
    assert (told[0].value, told[0].ci_low, told[0].percentile_high) == (0.5, None, None)
    assert told[1:] == rows[1:]
