"""Plots as files for a paper: text as text, the same bytes, one for every plot of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ssl_bench.report.leaderboard import Board, read_board
from ssl_bench.report.page.page import figures
from ssl_bench.report.page.printed import write_figures
from ssl_bench.report.plots.canvas import WIDTH
from ssl_bench.results.rundir import RunDirectory


def texts(path: Path) -> str:
    return " ".join("".join(one.itertext()) for one in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text"))


def test_every_plot_is_written_with_its_text_as_text(wide: RunDirectory, tmp_path: Path) -> None:
    board = read_board([wide.path], replicates=100)
    shown = figures(board)
    written = write_figures(shown, tmp_path / "figures")
    assert [path.suffix for path in written] == [".svg", ".pdf"] * len(shown)
    assert len(shown) > 4
    for figure, path in zip(shown, written[::2], strict=True):
        found = re.sub(r"\s+", " ", texts(path))
        assert figure.title in found
        title = figure.spec["layout"].get("xaxis", {}).get("title", {}).get("text", "")
        assert title in found
        width = ElementTree.parse(path).getroot().attrib["width"]
        assert float(width.removesuffix("pt")) == pytest.approx(WIDTH * 72)
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert "SYNTHETIC DATA" in texts(written[0])
    again = write_figures(shown, tmp_path / "again")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


def test_ranks_and_findings_are_printed_too(board: Board, tmp_path: Path) -> None:
    names = [path.name for path in write_figures(figures(board), tmp_path)]
    assert any("ranks-linear" in name for name in names)
    heat = next(path for path in tmp_path.glob("*auroc-by-finding-linear*.svg"))
    assert all(name in texts(heat) for name in ("msn", "dino", "Edema", "Mass 50%"))


def test_the_commands_write_them(
    wide: RunDirectory, write_arm: Callable[..., Path], sslbench: Any, tmp_path: Path
) -> None:
    run = write_arm(tmp_path, "msn", 0, 1.0)
    done = sslbench("leaderboard", run, "--replicates", "100", "--figures", tmp_path / "board")
    assert done.code == 0, done.err
    assert list((tmp_path / "board").glob("*.pdf"))
    done = sslbench("report", wide.path, "--share", tmp_path / "shared", "--figures", tmp_path / "figures")
    assert done.code == 0, done.err
    assert "macro" in texts(tmp_path / "figures" / "forest-linear.svg")
    assert (tmp_path / "figures" / "forest-linear.pdf").is_file()
    assert not list((tmp_path / "shared").rglob("*.pdf"))
