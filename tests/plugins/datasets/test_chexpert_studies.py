"""CheXpert's truth is by study, and so are its numbers, unless images are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_chexpert_is_scored_by_study_and_says_so(
    sslbench: Callable[..., Any], tiny_chexpert: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *arguments: None)
    run = tmp_path / "run"
    answer = sslbench("run", "--method", "random", "--data", f"chexpert={tiny_chexpert()}", "--views", "all",
                      "--preset", "smoke", "--eval", "knn", "--set", "evaluate.replicates=100",
                      "--out", run)  # fmt: skip
    assert answer.code == 0, answer.err
    assert "6 studies of 8 images of 6 patients" in answer.out
    assert "note: chexpert is scored by study: the largest score of its images" in answer.out
    rows = json.loads((run / "record.json").read_text())["metrics"]
    assert {(row["unit"], row["aggregate"], row["n_images"]) for row in rows if row["subgroup"] == "all"
            and row["split"] == "test"} == {("study", "max", 6)}  # fmt: skip
    mixed = sslbench("evaluate", run, "--eval", "linear", "--aggregate", "none")
    assert mixed.code == 2
    assert "rows of knn on chexpert are scored with --aggregate max and would stay beside others" in mixed.err
    again = sslbench("evaluate", run, "--eval", "knn", "--aggregate", "none")
    assert again.code == 0, again.err
    assert "by study" not in again.out
    rows = json.loads((run / "record.json").read_text())["metrics"]
    assert {row["unit"] for row in rows} == {"image"}


def test_studies_are_refused_where_there_are_none(sslbench: Callable[..., Any], tiny_nih: Callable[..., Path]) -> None:
    answer = sslbench("run", "--data", f"nih14={tiny_nih()}", "--preset", "smoke", "--aggregate", "max", "--dry-run")
    assert answer.code == 3
    assert "--aggregate max needs studies, and every image of nih14 is a study by itself" in answer.err
    other = sslbench("run", "--data", f"nih14={tiny_nih()}", "--preset", "smoke", "--aggregate", "median", "--dry-run")
    assert other.code == 2
    assert "aggregate" in other.sentence
