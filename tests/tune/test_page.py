"""The page, the terminal and the JSON of a tune say the same, and nothing of them can break the page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.files import write_json
from ssl_bench.report.tune_page import write_page
from ssl_bench.report.tune_text import print_result, settings_text, tables
from ssl_bench.sweep.settings import read_tune
from ssl_bench.tune.result import result
from ssl_bench.tune.run import Tune

Played = Callable[..., Tune]


def rising(config: Mapping[str, Any]) -> float | str:
    """The higher the rate the better, up to one at which the training collapses."""
    rate = config["pretrain"]["lr"]
    rate = 1e-3 if rate == "auto" else rate
    return "features <b>collapsed</b>" if rate < 2e-4 else 0.7 + 0.05 * math.log10(rate / 1e-3)


@pytest.fixture
def found(played: Played) -> dict[str, Any]:
    return result(played(rising, "simclr", "pixels", trials=12, searches=["pretrain.lr=0.0001..0.01:log"]))


def test_the_page_holds_every_trial_the_choices_and_the_pictures(found: dict[str, Any], tmp_path: Path) -> None:
    text = write_page(found, tmp_path).read_text()
    assert text.count("data:image/svg+xml;base64,") == 3
    for study in found["studies"]:
        assert len(study["trials"]) == 12
    rows = re.findall(r'<tr><th scope="row">(\d+)( \(default\))?(, chosen)?</th>', text)
    assert [int(number) for number, *_ in rows] == [*range(12), *range(12)]
    assert sum(bool(chosen) for *_, chosen in rows) == 2
    assert "features &lt;b&gt;collapsed&lt;/b&gt;" in text
    assert "Chosen settings" in text
    assert "Ranking by budget" in text


def test_the_same_result_gives_the_same_page(found: dict[str, Any], tmp_path: Path) -> None:
    first = write_page(found, tmp_path).read_bytes()
    assert write_page(json.loads(json.dumps(found)), tmp_path).read_bytes() == first


def test_a_choice_at_the_end_of_its_range_says_widen(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert found["studies"][0]["chosen"]["edges"]["pretrain.lr"] == "high"
    print_result(found)
    out = capsys.readouterr().out
    assert "simclr: pretrain.lr was chosen at the high end of its range; widen it." in out
    assert settings_text({"pretrain.lr": 0.0098}, {"pretrain.lr": "high"}) == "pretrain.lr 0.0098 (high end: widen)"


def test_rankings_and_finals_are_told(found: dict[str, Any]) -> None:
    told = {table.title: table for table in tables(found)}
    ranking = told["ranking by budget"]
    assert ranking.columns == ("method", "1 (defaults)", "5 trials", "12 trials")
    assert ranking.rows[0][0] in ("simclr", "pixels")
    assert [row[1] for row in told["final runs"].rows] == ["2 of 2", "2 of 2"]


def test_the_file_is_read_back(found: dict[str, Any], tmp_path: Path) -> None:
    write_json(tmp_path / "tune.json", found)
    assert read_tune(tmp_path) == json.loads(json.dumps(found))
