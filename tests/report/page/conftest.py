"""Pages to read: one of lean runs of several methods, one of a run that has everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssl_bench.report.leaderboard import Board, read_board
from ssl_bench.report.page.page import write_page
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

EVIL = "<b>x</b></script>"


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory, write_arm: Callable[..., Path]) -> Board:
    """Three methods with two protocols, one of an evil name, two seeds of one, and one on other images."""
    folder = tmp_path_factory.mktemp("runs")
    both = ("linear", "knn")
    runs = [write_arm(folder, "msn", seed, 0.5, protocols=both) for seed in (0, 1)]
    runs.append(write_arm(folder, "dino", 0, 1.5, protocols=both))
    evil = RunDirectory(write_arm(folder, "evil", 0, 1.0))
    evil.write_record(Record.model_validate({**evil.read_record().as_json(), "method": EVIL}))
    runs.append(evil.path)
    runs.append(write_arm(folder, "byol", 0, 1.0, images=110))
    return read_board(runs, replicates=100)


@pytest.fixture(scope="session")
def page(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of :func:`board`."""
    path = tmp_path_factory.mktemp("page") / "board.html"
    write_page(board, path)
    return path


@pytest.fixture(scope="session")
def full(wide: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with shares, subgroups and maps."""
    path = tmp_path_factory.mktemp("full") / "full.html"
    assert write_page(read_board([wide.path], replicates=100), path) == []
    return path
