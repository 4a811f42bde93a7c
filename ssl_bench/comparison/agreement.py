"""Numbers of a record against those that its kept predictions give. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ssl_bench.comparison.run import EncoderRun, Setting
from ssl_bench.errors import DataError, shortened
from ssl_bench.results.row import MACRO
from ssl_bench.stats.bootstrap import Floats, point
from ssl_bench.stats.intervals import NAMES
from ssl_bench.stats.predictions import PredictionTable, fitted

AGREE = 1e-6
"""How far a number on the record may lie from the one that its kept predictions give."""


def measured(table: PredictionTable) -> dict[str, Floats]:
    """AUROC and AUPRC (L,) of predictions."""
    truth = np.where(fitted(table.scores), table.truth, np.nan)
    return dict(zip(NAMES, point(truth, np.nan_to_num(table.scores)), strict=True))


def check_record(run: EncoderRun, setting: Setting, labels: Sequence[str], found: Mapping[str, Floats]) -> None:
    """Refuse a record whose numbers are not those of its kept predictions.

    Raises:
        DataError: naming the first numbers that differ.
    """
    column = {label: number for number, label in enumerate(labels)}
    wrong = []
    for (label, metric), row in run.by_setting[setting].items():
        names = row.macro_labels if label == MACRO else [label]
        columns = [column[name] for name in names if name in column]
        values = found[metric][columns]
        here = float(values.mean()) if len(columns) == len(names) and len(values) else float("nan")
        kept = float("nan") if row.value is None else float(row.value)
        if not (np.isnan(here) and np.isnan(kept)) and not abs(here - kept) <= AGREE:
            wrong.append(f"{metric} of {label} {kept:.6f} on the record, {here:.6f} by its predictions")
    if wrong:
        raise DataError(f"{run.path}: {setting[0]} on {setting[1]}: {shortened(wrong, 3)}; evaluate the run again")
