"""The file of a study: what it holds, what it leaves out, and that a number changed by hand is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ssl_bench.cli import app
from ssl_bench.errors import DataError, UsageError
from ssl_bench.report.leaderboard import read_board
from ssl_bench.report.study import board_of, lines_of, of_seeds, read_study, slight_row, study, write_study


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, write_arm: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("study")
    runs = [write_arm(folder, method, seed, signal) for method, signal in (("weak", 0.3), ("strong", 2.5))
            for seed in range(5)]  # fmt: skip
    boards = [read_board(runs, replicates=100, baseline=name) for name in ("weak", "strong")]
    write_study(folder / "study.json", study(boards))
    return folder / "study.json"


@pytest.fixture
def values(kept: Path) -> dict[str, Any]:
    return read_study(kept)


def test_a_study_holds_every_seed_of_every_configuration(values: dict[str, Any]) -> None:
    board = board_of(values, None)
    for entry in board["entries"]:
        numbers = of_seeds(values, entry, "auroc")
        assert len(numbers) == len(entry["seeds"])
        assert sum(numbers) / len(numbers) == pytest.approx(entry["metrics"]["auroc"]["value"], abs=1e-9)
    assert {run["seed"] for run in values["runs"] if run["configuration"] == "strong"} == {0, 1, 2, 3, 4}


def test_a_study_names_no_image_no_patient_and_no_folder(kept: Path, values: dict[str, Any]) -> None:
    text = kept.read_text()
    assert str(kept.parent) not in text
    assert not {"files", "trained_on"} & {key for run in values["runs"] for key in run["record"]}
    assert not {"ids", "image_id", "patient_id"} & set(json.dumps(values).replace('"', " ").split())


def test_a_study_has_a_table_against_each_baseline(values: dict[str, Any]) -> None:
    strong = board_of(values, "strong")
    assert strong["baseline"] == "strong"
    (line,) = (line for line in lines_of(strong) if line[2] == "weak")
    assert line[6].startswith("-0."), line
    with pytest.raises(UsageError, match="unknown baseline 'stronk'"):
        board_of(values, "stronk")


def test_a_number_changed_by_hand_is_found(kept: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    values["boards"][0]["entries"][0]["metrics"]["auroc"]["value"] += 1e-6
    write_study(tmp_path / "changed.json", values)
    with pytest.raises(DataError, match="the auroc of strong by linear stands as"):
        read_study(tmp_path / "changed.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "sslbench study", "schema": 1}'])
def test_what_is_no_study_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(DataError):
        read_study(tmp_path / "other.json")


def test_the_leaderboard_opens_a_study_and_writes_one(kept: Path) -> None:
    shown = CliRunner().invoke(app, ["leaderboard", str(kept), "--baseline", "strong", "--eval", "linear"])
    assert shown.exit_code == 0, shown.output
    assert "differences to strong" in shown.output
    assert shown.output.count("linear, ") == len(lines_of(board_of(read_study(kept), "strong"), ["linear"]))
    again = kept.with_name("again.json")
    runs = [str(path) for path in sorted(kept.parent.iterdir()) if path.is_dir()]
    written = CliRunner().invoke(
        app, ["leaderboard", *runs, "--baseline", "weak", "--replicates", "100", "--save", str(again)]
    )
    assert written.exit_code == 0, written.output
    assert read_study(again)["boards"] == read_study(kept)["boards"][:1]


def test_a_study_goes_with_nothing_that_needs_predictions(kept: Path) -> None:
    refused = CliRunner().invoke(app, ["leaderboard", str(kept), "--metric", "f1"])
    assert isinstance(refused.exception, UsageError)
    assert "without --metric" in str(refused.exception)


def test_rows_of_subgroups_and_of_shares_are_kept_in_brief() -> None:
    row = {
        "protocol": "linear",
        "subgroup": "all",
        "fraction": 1.0,
        "label": "Mass",
        "value": 0.5,
        "ci_low": 0.4,
        "note": "",
    }
    assert slight_row(row) == {key: value for key, value in row.items() if key != "note"}
    for other in ({"subgroup": "sex=F"}, {"fraction": 0.1}):
        assert "ci_low" not in slight_row(row | other)
        assert slight_row(row | other)["value"] == 0.5
