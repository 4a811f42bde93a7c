"""Curves of the online probe on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssl_bench.report.leaderboard import read_board
from ssl_bench.report.page.curves import training_curves
from ssl_bench.report.page.figures import looks_of
from ssl_bench.report.page.page import write_page


def probed(run: Path, values: list[float | None]) -> Path:
    """A run whose log has a linear probe at some of its steps."""
    entries: list[dict[str, Any]] = [
        {"step": step, "epoch": step / 2, "loss": 1.0} for step in range(1, len(values) + 1)
    ]
    entries = [entry | ({} if value is None else {"probe_linear": value})
               for entry, value in zip(entries, values, strict=True)]  # fmt: skip
    (run / "log.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return run


def test_every_run_has_a_line_and_every_configuration_one_name(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    runs = [probed(write_arm(tmp_path, "msn", seed, 1.0), [None, 0.6, None, 0.7 + seed]) for seed in (0, 1)]
    runs.append(probed(write_arm(tmp_path, "dino", 0, 2.0), [0.5, 0.55]))
    runs.append(write_arm(tmp_path, "byol", 0, 2.0))  # without a log
    board = read_board(runs, replicates=50)
    loss, figure = training_curves(board.entries, looks_of(board.entries))
    assert (loss.title, len(loss.spec["data"])) == ("Loss", 3)
    assert all(line["y"] == [1.0] * len(line["y"]) for line in loss.spec["data"])
    assert figure.title == "Online probe, linear head"
    lines = {(line["name"], tuple(line["x"]), tuple(line["y"])) for line in figure.spec["data"]}
    assert lines == {
        ("msn", (1.0, 2.0), (0.6, 0.7)), ("msn", (1.0, 2.0), (0.6, 1.7)), ("dino", (0.5, 1.0), (0.5, 0.55)),
    }  # fmt: skip
    assert sum(line["showlegend"] for line in figure.spec["data"]) == 2
    page = tmp_path / "board.html"
    write_page(board, page, maps=False)
    assert '<a href="#training">Training</a>' in page.read_text()


def test_without_a_probe_there_is_no_figure_of_it(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    board = read_board([probed(write_arm(tmp_path, "msn", 0, 1.0), [None, None])], replicates=50)
    assert [one.title for one in training_curves(board.entries, looks_of(board.entries))] == ["Loss"]
    page = tmp_path / "board.html"
    write_page(board, page, maps=False)
    assert "Online probe" not in page.read_text()


def test_losses_of_any_sign_and_scale_are_drawn_in_one_range(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    losses = {"simsiam": (-0.05, -0.4, -0.9), "msn": (7.0, 6.5, 6.0)}
    for place, (name, values) in enumerate(losses.items()):
        log = "".join(f"{json.dumps({'step': n, 'epoch': n, 'loss': loss})}\n" for n, loss in enumerate(values))
        (write_arm(tmp_path, name, 0, 1.0 + place) / "log.jsonl").write_text(log)
    board = read_board([tmp_path / f"{name}-0" for name in losses], replicates=50)
    loss, *_ = training_curves(board.entries, looks_of(board.entries))
    drawn = {line["name"]: [round(value, 2) for value in line["y"]] for line in loss.spec["data"]}
    assert drawn == {"simsiam": [1.0, 0.59, 0.0], "msn": [1.0, 0.5, 0.0]}
