"""Rows of numbers that a protocol gives directly."""

from __future__ import annotations

import numpy as np

from ssl_bench.plugin.contracts import MetricValue, Split
from ssl_bench.results.rows import Origin, plain_row

ORIGIN = Origin("trained", "toy", "toy", "leakage", 0)
SPLIT = Split("test", np.array(["a", "b"]), np.array(["1", "1"]), np.zeros((2, 1)), np.zeros((2, 1)), np.arange(2))


def test_a_protocol_s_own_interval_reaches_the_row() -> None:
    metric = MetricValue("test", "sex", "auroc", 0.7, "", 0.6, 0.8, 0.61, 0.79)
    row = plain_row(ORIGIN, SPLIT, metric)
    ends = ("value", "ci_low", "ci_high", "percentile_low", "percentile_high")
    assert [row.named(name) for name in ends] == [0.7, 0.6, 0.8, 0.61, 0.79]
    assert (row.n_images, row.n_patients) == (2, 1)


def test_a_number_without_interval_has_none() -> None:
    row = plain_row(ORIGIN, SPLIT, MetricValue("test", "age", "r2", None, "one value only"))
    assert (row.value, row.ci_low, row.percentile_high, row.note) == (None, None, None, "one value only")
