"""Metrics beside AUROC and AUPRC in tables and leaderboards: values, intervals, tests and marks are the core's."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssl_bench.comparison.groups import read_groups
from ssl_bench.comparison.pairs import compare_all, run_scores
from ssl_bench.plugin.registry import Registry
from ssl_bench.report.leaderboard import Board, read_board
from ssl_bench.report.page.grid import grid
from ssl_bench.report.paper import Paper, PaperCell, footnotes, paper
from ssl_bench.stats.intervals import supports
from ssl_bench.stats.measures import gauges, measured
from ssl_bench.stats.significance import over_seeds

ASKED = ("brier", "f1", "calibration-slope")


def shown(paths: list[Path], registry: Registry, *, per_label: bool = False) -> Paper:
    asked = gauges(registry, ASKED)
    return paper(read_groups(paths), ["linear"], per_label=per_label, replicates=100, asked=asked)


def cells(found: Paper, label: str = "macro") -> dict[tuple[str, str], PaperCell]:
    return {(cell.group, cell.metric): cell for cell in found.cells if cell.label == label}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, write_arm: Callable[..., Path]) -> list[Path]:
    """Two methods with five seeds each, whose scores are probabilities with thresholds from validation images."""
    folder = tmp_path_factory.mktemp("validated")
    return [write_arm(folder, name, seed, signal, validated=True)
            for name, signal in (("weak", 0.3), ("strong", 2.5)) for seed in range(5)]  # fmt: skip


@pytest.fixture(scope="module")
def board(runs: list[Path], registry: Registry) -> Board:
    return read_board([runs[0], runs[5]], baseline="weak", replicates=100, asked=gauges(registry, ["auroc", *ASKED]))


def test_two_encoders_are_tested_as_compare_does(runs: list[Path], registry: Registry) -> None:
    found = cells(shown([runs[0], runs[5]], registry))
    pair = [run_scores(path, validated=True) for path in (runs[0], runs[5])]
    rows = compare_all(pair, 100, 0, metrics=gauges(registry, ASKED)).pairs[0].rows
    for metric in ASKED:
        row = next(row for row in rows if (row.label, row.metric) == ("macro", metric))
        test = found["strong", metric].test
        assert test is not None
        kept = (test.difference.value, test.difference.low, test.difference.high, test.difference.p)
        assert kept == pytest.approx((row.value, row.ci_low, row.ci_high, row.p), rel=1e-9)


def test_methods_are_tested_over_their_seeds(runs: list[Path], registry: Registry) -> None:
    cell = cells(shown(runs, registry))["strong", "brier"]
    drawn, values = [], []
    tables = [run_scores(path).tables["linear"] for path in runs]
    tables = [table.rows(np.argsort(table.ids)) for table in tables]
    for weak, strong in zip(tables[:5], tables[5:], strict=True):
        (a, drawn_a), (b, drawn_b) = (measured(t, gauges(registry, ["brier"]), 100, 0)["brier"] for t in (strong, weak))
        values.append(a - b)
        drawn.append(drawn_a - drawn_b)
    base = [one.on("all") for one in supports(tables[0].truth, tables[0].patients)]
    expected, _ = over_seeds(np.stack(values), np.stack(drawn), base)
    assert cell.test is not None
    assert (cell.seeds, cell.test.level, cell.mark) == (5, "methods", "*")
    assert cell.test.difference.value == pytest.approx(expected.value)
    assert cell.test.difference.p == pytest.approx(expected.p)


def test_bold_is_the_lowest_or_the_nearest_where_that_is_best(runs: list[Path], registry: Registry) -> None:
    found = cells(shown(runs, registry))
    for metric, good in (("f1", float), ("brier", lambda v: -v), ("calibration-slope", lambda v: -abs(v - 1))):
        column = [cell for (_, name), cell in found.items() if name == metric]
        assert [cell.best for cell in column] == [good(c.interval.value) == max(good(o.interval.value) for o in column)
                                                  for c in column]  # fmt: skip
        assert sum(cell.best for cell in column) == 1


def test_single_findings_have_the_intervals_of_the_record(runs: list[Path], registry: Registry) -> None:
    from ssl_bench.results.rows import table_rows

    found = cells(shown([runs[0], runs[5]], registry, per_label=True), "Edema")
    rows = table_rows(run_scores(runs[5], validated=True).tables["linear"], 100, 0, gauges(registry, ASKED))
    expected = {row.metric: row for row in rows if row.label == "Edema"}
    for metric in ASKED:
        interval, row = found["strong", metric].interval, expected[metric]
        assert (interval.value, interval.low, interval.high) == pytest.approx(
            (row.value, row.ci_low, row.ci_high), rel=1e-9
        )


def test_what_cannot_be_measured_of_a_row_is_said(
    runs: list[Path], tmp_path: Path, write_arm: Callable[..., Path], registry: Registry
) -> None:
    found = shown([runs[0], runs[5], write_arm(tmp_path, "odds", 0, 1.0)], registry)
    told = footnotes(found)
    assert "No brier by linear on toy of odds: its scores are no probabilities." in told
    assert ("No f1 by linear on toy of odds: no predictions of validation images are kept, on which a threshold is "
            "chosen.") in told  # fmt: skip
    assert ("odds", "auroc") in cells(found)
    assert ("odds", "brier") not in cells(found)
    assert cells(found)["strong", "brier"].test is not None


def test_a_finding_without_a_threshold_in_one_row_is_in_no_mean(
    runs: list[Path], tmp_path: Path, write_arm: Callable[..., Path], registry: Registry
) -> None:
    found = shown([runs[0], write_arm(tmp_path, "blank", 0, 2.0, validated="one_class")], registry, per_label=True)
    assert any("F1: macro means by linear on toy are over 1 of 2 findings (Edema); without a value in every row: "
               "Mass_50%." in note for note in footnotes(found))  # fmt: skip
    for arm in ("weak", "blank"):
        assert cells(found)[arm, "f1"].interval.value == cells(found, "Edema")[arm, "f1"].interval.value
    test = cells(found)["blank", "f1"].test
    assert test is not None
    away = [cells(found, "Edema")[arm, "f1"].interval.value for arm in ("blank", "weak")]
    assert test.difference.value == pytest.approx(away[0] - away[1])


def test_the_leaderboard_shows_them_and_ranks_by_auroc(board: Board, runs: list[Path], registry: Registry) -> None:
    assert list(board.metrics) == ["auroc", "auprc", *ASKED]
    expected = cells(shown([runs[0], runs[5]], registry))
    for entry in board.entries:
        for metric in ASKED:
            assert entry.cells[metric].interval == expected[entry.name, metric].interval
    assert [entry.rank for entry in board.entries] == [1, 2, 3]
    table = grid(board).table
    at = table.columns.index("macro Brier")
    assert table.contents()[0][at].value == board.entries[0].cells["brier"].interval.value
    assert "Brier to baseline" in table.columns
    assert any("in macro AUROC, AUPRC, brier, f1, calibration-slope, p adjusted" in note for note in board.notes())


def test_the_option_of_both_commands(sslbench: Callable[..., Any], runs: list[Path], tmp_path: Path) -> None:
    some = ("--replicates", 100, "--metric", "brier,f1")
    out, page = tmp_path / "t.csv", tmp_path / "board.html"
    assert sslbench("tables", runs[0], runs[5], *some, "--format", "csv", "--out", out).code == 0
    frame = pd.read_csv(StringIO(out.read_text()))
    assert set(frame["metric"]) == {"auroc", "auprc", "brier", "f1"}
    assert "Brier" in sslbench("tables", runs[0], runs[5], *some).out
    answer = sslbench("leaderboard", runs[0], runs[5], *some, "--html", page, "--no-maps")
    assert answer.code == 0
    assert "Brier" in answer.out
    assert "macro Brier" in page.read_text()
    assert "unknown metric 'brie'" in sslbench("tables", runs[0], "--metric", "brie").sentence


def test_chance_is_that_of_the_record_or_of_the_component(runs: list[Path], registry: Registry) -> None:
    asked = gauges(registry, [*ASKED, "balanced-accuracy"])
    found = paper(read_groups([runs[0], runs[5]]), ["linear"], per_label=True, replicates=100, asked=asked)
    kept = {(row.label, row.metric): row for row in run_scores(runs[5]).record.metrics}
    of = {gauge.name: gauge.component.chance for gauge in asked} | {"auroc": 0.5}
    for cell in found.cells:
        table = run_scores(runs[5]).tables["linear"]
        labels = kept["macro", "auprc"].macro_labels if cell.label == "macro" else [cell.label]
        prevalence = np.mean([np.nanmean(table.truth[:, table.labels.index(label)]) for label in labels])
        expected = prevalence if cell.metric == "auprc" else of[cell.metric]
        assert cell.chance == (None if expected is None else pytest.approx(expected)), (cell.label, cell.metric)
