"""Which of a record's encoders stands for its run. No torch."""

from __future__ import annotations

from collections.abc import Collection

from ssl_bench.plugin.names import RANDOM, TRAINED
from ssl_bench.results.record import Record

ENCODERS = (TRAINED, "given")
"""Whose predictions stand for a run: ``given`` is what ``sslbench probe`` evaluated. All others are baselines."""


def standing(record: Record, measured: Collection[str]) -> str:
    """The encoder that stands for a run among those measured: the trained one, or the baseline that the run is."""
    own = (*ENCODERS, record.method or RANDOM)
    return next((name for name in own if name in measured), RANDOM)
