"""What encoders cost beside what they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssl_bench.report.leaderboard import read_board
from ssl_bench.report.leaderboard_text import print_board
from ssl_bench.report.page.figures import looks_of
from ssl_bench.report.page.grid import grid
from ssl_bench.report.page.pareto import on_front, pareto, paretos
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory


def weighed(path: Path, flops: float, images: int | None) -> Path:
    run, record = RunDirectory(path), RunDirectory(path).read_record().as_json()
    told = {"parameters": 5_500_000, "image_flops": flops, "image_size": 224, "width": 192}
    both = {"trained": {**told, "pretraining_images": images}, "random": {**told, "pretraining_images": 0}}
    run.write_record(Record.model_validate({**record, "footprints": both}))
    return path


def test_sizes_stand_in_the_table_and_in_a_figure(
    tmp_path: Path, write_arm: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        weighed(write_arm(tmp_path, "small", 0, 1.0), 2e9, 1200),
        weighed(write_arm(tmp_path, "big", 0, 2.0), 3e10, None),
    ]
    board = read_board(runs, replicates=100)
    table = grid(board).table
    at = {name: number for number, name in enumerate(table.columns)}
    rows = {row[1].text: row for row in table.contents()}
    assert rows["small"][at["GFLOP an image"]].text == "2"
    assert rows["big"][at["M parameters"]].text == "5.5"
    assert rows["small"][at["pretraining images"]].text == "1,200"
    assert rows["big"][at["pretraining images"]].text == "-"
    assert rows["random"][at["pretraining images"]].text == "0"
    figure = pareto(board.entries, "Quality", looks_of(board.entries))
    assert figure
    front = figure.spec["data"][0]
    assert front["x"][-1] == 30
    assert len(figure.spec["data"]) == 4
    print_board(board)
    assert "pretraining images" in capsys.readouterr().out


def test_no_figure_where_nothing_was_counted(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    board = read_board([write_arm(tmp_path, "small", 0, 1.0)], replicates=100)
    assert pareto(board.entries, "Quality", looks_of(board.entries)) is None
    assert "GFLOP an image" not in grid(board).table.columns


def test_encoders_of_one_size_are_shown_against_what_their_pretraining_took(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    runs = [weighed(write_arm(tmp_path, name, 0, signal), 2e9, 1200) for name, signal in (("near", 1.0), ("far", 2.0))]
    for path, flops in zip(runs, (8e12, 31e12), strict=True):
        run, record = RunDirectory(path), RunDirectory(path).read_record().as_json()
        run.write_record(Record.model_validate({**record, "cost": {"flops": flops}, "pretraining": {"steps": 12}}))
    board = read_board(runs, replicates=100)
    drawn = list(paretos(board.entries, "linear on toy", looks_of(board.entries)))
    assert [figure.title for figure in drawn] == ["Quality against operations of pretraining, linear on toy"]
    assert drawn[0].spec["layout"]["xaxis"]["title"]["text"] == "TFLOP of pretraining"
    assert sorted(one["x"][0] for one in drawn[0].spec["data"][1:]) == [8, 31]


def test_the_front_holds_what_no_other_excels() -> None:
    assert on_front([(3, 0.7), (1, 0.6), (2, 0.5), (1, 0.4), (4, 0.7)]) == [(1, 0.6), (3, 0.7)]
