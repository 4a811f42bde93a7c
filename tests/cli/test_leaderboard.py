from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, write_arm: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for method, signal in (("msn", 0.3), ("dino", 2.5)):
        write_arm(folder, method, 0, signal)
    return folder


def test_a_folder_of_runs_is_ranked_and_written(sslbench: Callable[..., Any], runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "board.html"
    answer = sslbench("leaderboard", runs, "--html", page, "--baseline", "msn", "--replicates", 100)
    assert answer.code == 0
    assert answer.out.index("dino") < answer.out.index("msn (baseline)")
    assert "linear on toy, test split" in answer.out
    assert "concerns these two encoders and not their methods" in answer.out
    assert "not on the page: embedding map of msn: cohort.parquet is missing" in answer.out
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_no_maps_and_chosen_protocols(sslbench: Callable[..., Any], runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "board.html"
    answer = sslbench("leaderboard", runs, "--html", page, "--no-maps", "--eval", "linear", "--replicates", 100)
    assert answer.code == 0
    assert "not on the page" not in answer.out
    assert 'id="map"' not in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--thumbnails",), "--thumbnails belongs to the map of a page; add --html FILE"),
        (("--html", "page.html", "--thumbnails", "--cache", "."), "nothing says that those of toy may be shown"),
        (("--html", "."), "--html needs a file to write, . is a folder"),
        (("--baseline", "dina"), "unknown baseline 'dina'; did you mean 'dino'?"),
    ],
)
def test_bad_input_is_one_sentence(
    sslbench: Callable[..., Any], runs: Path, arguments: tuple[str, ...], says: str
) -> None:
    answer = sslbench("leaderboard", runs, "--replicates", 100, *arguments)
    assert answer.code != 0
    assert says in answer.err
