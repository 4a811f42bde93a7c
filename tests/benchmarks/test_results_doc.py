"""The numbers of docs/results.md are those of its files, and the synthetic cohort is as hard as it is said to be."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import real_study, results_doc
from ssl_bench.report.study import board_of, read_study


@pytest.fixture(scope="module")
def studies() -> dict[str, Any]:
    return {name: read_study(file) for name, file in results_doc.FILES.items()}


def test_the_tables_of_the_page_are_those_of_the_files(studies: dict[str, Any]) -> None:
    text = results_doc.PAGE.read_text(encoding="utf-8")
    parts = results_doc.texts(studies, read_study(real_study.FILE))
    assert all(f"<!-- {name} -->" in text for name in parts)
    assert real_study.filled(text, parts) == text


def linear(values: dict[str, Any], configuration: str) -> float:
    rows = real_study.rows(board_of(values, "random"), "linear", results_doc.SYNTHETIC)
    return next(row["metrics"]["auroc"]["value"] for row in rows if row["configuration"] == configuration)


def test_a_thumbnail_stays_five_points_below_a_supervised_encoder(studies: dict[str, Any]) -> None:
    assert linear(studies["cnn"], "supervised") > linear(studies["cnn"], "pixels") + 0.05


def test_a_thumbnail_is_worth_what_it_is_on_real_radiographs(studies: dict[str, Any]) -> None:
    real = real_study.rows(board_of(read_study(real_study.FILE), "random"), "linear", "nih14")
    there = next(row["metrics"]["auroc"]["value"] for row in real if row["configuration"] == "pixels")
    assert linear(studies["vit"], "pixels") == pytest.approx(there, abs=0.02)
