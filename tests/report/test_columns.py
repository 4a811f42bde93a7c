"""A column of the leaderboard is declared once: the terminal, the page, CSV and JSON show it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ssl_bench.report import columns
from ssl_bench.report.columns import COLUMNS, EVERYWHERE, Column, Part

RUN = "msn"


@pytest.fixture
def run(tmp_path: Path, write_arm: Callable[..., Path]) -> Path:
    return write_arm(tmp_path, RUN, 0, 1.0)


def outputs(sslbench: Callable[..., Any], run: Path) -> tuple[str, str, pd.DataFrame, dict[str, Any]]:
    """What the command prints, its page, its CSV, and its JSON."""
    page, table = run.parent / "board.html", run.parent / "board.csv"
    asked = ("leaderboard", run, "--replicates", 100, "--no-maps")
    printed = sslbench(*asked, "--html", page, "--csv", table)
    assert printed.code == 0, printed.err
    return printed.out, page.read_text(), pd.read_csv(table), json.loads(sslbench(*asked, "--json").out)


@pytest.mark.parametrize("part", ["row", "encoder", "cost"])
def test_a_column_of_one_line_is_shown_everywhere(
    sslbench: Callable[..., Any], run: Path, monkeypatch: pytest.MonkeyPatch, part: Part
) -> None:
    more = Column("test_seed", "seed x 12", part, lambda entry: entry.record.settings.seed + 41.5, ".2f", 1 / 12)
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, more))
    out, page, table, answer = outputs(sslbench, run)
    assert "seed x 12" in out
    assert "498.00" in out
    assert '<th scope="col">seed x 12</th>' in page
    assert 'data-label="seed x 12" class="n" data-order="498.0">498.00<' in page
    assert list(table["test_seed"]) == [41.5, 41.5]
    for entry in answer["entries"]:
        assert (entry if part == "row" else entry[part])["test_seed"] == 41.5


def test_every_column_is_in_the_outputs_it_declares(sslbench: Callable[..., Any], run: Path) -> None:
    out, page, table, answer = outputs(sslbench, run)
    for one in COLUMNS:
        if one.part in ("row", "cost"):
            assert ("terminal" in one.shown) <= (one.heading in out)
        if "data" in one.shown:
            assert one.key in table
            assert one.key in {
                **answer["entries"][0],
                **answer["entries"][0]["cost"],
                **answer["entries"][0]["encoder"],
            }
    assert all(f'"col">{heading}</th>' in page for heading in ("crops", "TFLOP", "hours"))


def test_keys_and_headings_name_one_column_each() -> None:
    for names in ([one.key for one in COLUMNS], [one.heading for one in COLUMNS]):
        assert len(names) == len(set(names))
    assert all(set(one.shown) <= set(EVERYWHERE) for one in COLUMNS)
