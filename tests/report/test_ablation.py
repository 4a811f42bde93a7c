"""The table of an ablation: numbers of the run's own dataset, and those of others under their names."""

from __future__ import annotations

from ssl_bench.report.ablation import arm_row
from ssl_bench.results.record import Record

PLACES = (("home", "home"), ("nih14", "home"), ("nih14", "nih14"))
"""Dataset that was tested, and where the protocol was fitted."""


def record() -> Record:
    """The same rows at home and on another dataset, every place with a value of its own."""
    shared = {"encoder": "trained", "split": "test", "subgroup": "all", "fraction": 1.0}
    rows = [
        {**shared, "dataset": dataset, "fitted_on": fitted_on, "protocol": protocol, "label": label, "metric": metric,
         "value": 0.5 + number / 10}
        for number, (dataset, fitted_on) in enumerate(PLACES)
        for protocol, label, metric in (("linear", "macro", "auroc"), ("leakage", "age", "r2"))
    ]  # fmt: skip
    return Record.model_validate({"data": {"name": "home"}, "metrics": rows})


def test_rows_of_other_datasets_do_not_stand_for_the_runs_own() -> None:
    away = "linear, tested on nih14, fitted on nih14"
    found = arm_row([record()], "trained", ["linear", "linear, tested on nih14", away])
    assert found["auroc"] == {"linear": [0.5], "linear, tested on nih14": [0.6], away: [0.7]}
    assert found["people"] == {"age R2": 0.5}
