"""The result of a run as tables in the terminal."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ssl_bench.report.fractions import fraction_table, print_result
from ssl_bench.report.render import terminal
from ssl_bench.report.run_tables import (
    caption,
    interval_text,
    label_table,
    macro_table,
    print_scores,
    signed_text,
    title,
)
from ssl_bench.report.table import Table
from ssl_bench.results.record import MetricRow, Record
from ssl_bench.results.row import Estimate


def row(protocol: str, encoder: str, label: str, metric: str, value: float | None, **more: Any) -> dict[str, Any]:
    shared = {"split": "test", "protocol": protocol, "encoder": encoder, "label": label, "metric": metric}
    wide = {"ci_low": None, "ci_high": None} if value is None else {"ci_low": value - 0.1, "ci_high": value + 0.1}
    counts = {"n_positive": 7, "n_positive_patients": 5, "macro_labels": ["Mass", "Effusion"], "fraction": 1.0}
    return {**shared, "value": value, **wide, **counts, **more}


TOLD: dict[str, Any] = {
    "method": "msn-ehr",
    "features": ["age", "sex"],
    "fusion": "concat",
    "synthetic": True,
    "notes": ["data are synthetic: these numbers say nothing about patients"],
    "config": {"seed": 3, "evaluate": {"replicates": 1000}},
    "data": {"name": "synthetic", "labels": ["Mass", "Effusion", "Hernia"],
             "splits": {"test": {"images": 24, "patients": 12}}},
    "metrics": [
        row("linear", "trained", "macro", "auroc", 0.75),
        row("linear", "trained", "macro", "auprc", 0.5),
        row("linear", "trained", "macro", "auroc", 0.99, split="validate"),
        row("linear", "trained", "Mass", "auroc", 0.8),
        row("linear", "trained", "Hernia", "auroc", None, n_positive=0),
        row("linear", "random", "macro", "auroc", 0.6),
        row("linear", "random", "Mass", "auroc", 0.7),
        row("linear", "random", "Hernia", "auroc", None, n_positive=0),
        row("knn", "trained", "macro", "auroc", 0.65),
    ],
    "comparisons": [row("linear", "trained", "macro", "auroc", 0.15, against="random")],
    "seconds": {"total": 61.4},
}  # fmt: skip
RECORD = Record.model_validate(TOLD)


def like(**more: Any) -> Record:
    """The record with other values."""
    return Record.model_validate({**TOLD, **more})


def text(table: Table) -> list[str]:
    out = StringIO()
    Console(file=out, width=160).print(terminal(table))
    return [" ".join(line.replace("│", " ").split()) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("value", "low", "high", "plain", "signed"),
    [
        (0.7416, 0.7009, 0.7793, "0.742 [0.701, 0.779]", "+0.742 [+0.701, +0.779]"),
        (-0.0312, -0.054, 0.008, "-0.031 [-0.054, 0.008]", "-0.031 [-0.054, +0.008]"),
        (0.5, None, None, "0.500", "+0.500"),
        (None, None, None, "-", "-"),
    ],
)
def test_values_with_their_intervals(
    value: float | None, low: float | None, high: float | None, plain: str, signed: str
) -> None:
    cells = Estimate(value=value, ci_low=low, ci_high=high)
    assert interval_text(cells) == plain
    assert signed_text(cells) == signed


def test_the_macro_table_holds_every_encoder_and_the_difference() -> None:
    lines = text(macro_table(RECORD))
    assert "linear trained 0.750 [0.650, 0.850] 0.500 [0.400, 0.600]" in lines
    assert "random 0.600 [0.500, 0.700] -" in lines
    assert "trained - random +0.150 [+0.050, +0.250] -" in lines
    assert "knn trained 0.650 [0.550, 0.750] -" in lines
    assert not any("0.990" in line for line in lines)  # validation numbers are not results


def test_the_label_table_sets_encoders_side_by_side() -> None:
    lines = text(label_table(RECORD, "linear"))
    assert "Mass 7 5 0.800 [0.700, 0.900] 0.700 [0.600, 0.800]" in lines
    assert "Hernia 0 5 - -" in lines
    assert not any(line.startswith("macro") for line in lines)


def point(share: float, draw: int, **values: float) -> list[dict[str, Any]]:
    """Rows of one draw of a share: findings with their values, and their mean."""
    more = {"fraction": share, "draw": draw, "macro_labels": list(values)}
    macro = row("linear", "trained", "macro", "auroc", sum(values.values()) / len(values), **more)
    return [macro, *(row("linear", "trained", label, "auroc", value, **more) for label, value in values.items())]


def test_few_labels_have_a_table_of_their_own() -> None:
    assert fraction_table(RECORD) is None
    few = [one for draw, value in enumerate((0.5, 0.6, 0.7)) for one in point(0.01, draw, Mass=value)]
    record = like(metrics=[*TOLD["metrics"], *few])
    assert text(macro_table(record)) == text(macro_table(RECORD))
    table = fraction_table(like(metrics=[*few, *point(1.0, 0, Mass=0.75)]))
    assert table is not None
    assert "linear trained 0.600 (0.500 to 0.700) 0.750" in text(table)


def test_a_label_efficiency_table_is_over_the_findings_that_all_its_points_hold() -> None:
    """A share of one percent lacks a finding: its mean over one is not set against a mean over two."""
    rows = [*point(0.01, 0, Mass=0.6), *point(0.01, 1, Mass=0.7, Effusion=0.9), *point(1.0, 0, Mass=0.8, Effusion=0.96)]
    table = fraction_table(like(metrics=rows))
    assert table is not None
    assert "linear trained 0.650 (0.600 to 0.700) 0.800" in text(table)
    assert table.caption == "over the 1 of 2 findings that all points hold: Mass"


def test_scores_of_one_set_of_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        row("given", "given", "Mass", metric, value, note="")
        for metric, value in (("auroc", 0.8), ("auprc", 0.5))
    ] + [
        row("given", "given", "Hernia", metric, None, n_positive=None, n_positive_patients=None, note="one class")
        for metric in ("auroc", "auprc")
    ]  # fmt: skip
    print_scores("preds[1].csv", [MetricRow.model_validate(one) for one in rows], ["these are test images"])
    lines = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "preds[1].csv"
    assert "Mass 7 5 0.800 [0.700, 0.900] 0.500 [0.400, 0.600]" in lines
    assert "Hernia - - one class" in lines
    assert lines[-1] == "note: these are test images"


def test_title_and_caption_say_what_was_run_on_what() -> None:
    assert title(RECORD) == "msn-ehr with age, sex (concat) on synthetic (SYNTHETIC DATA), test split, seed 3"
    assert title(like(features=[], synthetic=False)) == "msn-ehr on synthetic, test split, seed 3"
    assert caption(RECORD).splitlines() == [
        "24 images of 12 patients; macro over 2 of 3 findings; intervals from 1,000 resamples of patients",
        "note: data are synthetic: these numbers say nothing about patients",
    ]


def test_a_run_without_protocols_has_an_empty_table() -> None:
    empty = like(metrics=[], comparisons=[])
    assert "macro over 0 of 3 findings" in caption(empty)
    assert not macro_table(empty).rows


def test_the_result_names_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(RECORD, Path("runs/[bold]one:heart:"), 7.0)
    out = capsys.readouterr().out
    assert "7 s in all" in out
    assert "runs/[bold]one:heart:" in out  # a name is no markup
    assert "SYNTHETIC DATA" in out
