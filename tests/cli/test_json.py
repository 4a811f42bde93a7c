"""``--json`` of every command that prints a table: one JSON value, with the keys that docs/json.md has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

from ssl_bench.cli import app
from ssl_bench.report.machine import plain

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
GROUP: Any = typer.main.get_command(app)
COMMANDS = {**GROUP.commands, **{f"data {name}": one for name, one in GROUP.commands["data"].commands.items()}}
SMALL = ("--preset", "smoke", "--set", "data.workers=1")


def documented(command: str) -> list[str]:
    """The keys that the documentation lists for a command."""
    section = re.search(rf"^## `sslbench {re.escape(command)}`$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"docs/json.md has no section on {command}"
    return re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)


def test_every_command_with_json_is_documented_and_no_other() -> None:
    able = {name for name, command in COMMANDS.items() if any("--json" in param.opts for param in command.params)}
    told = set(re.findall(r"^## `sslbench ([\w -]+?)(?: --dry-run)?`$", PAGE, re.MULTILINE))
    assert able == told
    assert {"run", "evaluate", "ablate", "sweep", "tune", "tables", "leaderboard", "compare", "score", "probe",
            "plugins", "show", "data check", "data stats", "checklist"} == able  # fmt: skip
    sentences = {"report", "embed", "export", "bundle", "new", "data prepare", "data synth"}  # and paths, but no table
    assert {*COMMANDS} - {"data"} == able | sentences, "a new command prints a table with --json, or stands here"


def told(answer: Any, command: str) -> dict[str, Any]:
    """The value of an answer, whose keys are those of the documentation."""
    assert answer.code == 0, answer.err
    values: dict[str, Any] = json.loads(answer.out, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert list(values) == documented(command)
    return values


def test_a_run_and_its_evaluation(
    sslbench: Any, tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *_: None)  # pictures take most of the time
    given = ("--data", f"nih14={tiny_nih()}", "--method", "random", "--eval", "knn", *SMALL)
    plan = told(sslbench("run", *given, "--dry-run", "--json"), "run --dry-run")
    assert plan["steps"] == 0
    assert plan["config"]["method"]["name"] == "random"
    result = told(sslbench("run", *given, "--out", tmp_path / "run", "--json"), "run")
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert result["metrics"] == record["metrics"]
    assert result["folder"] == str(tmp_path / "run")
    again = told(sslbench("evaluate", tmp_path / "run", "--eval", "knn", "--json", "--quiet"), "evaluate")
    assert {row["protocol"] for row in again["metrics"]} == {"knn"}


@pytest.fixture
def arms(write_arm: Callable[..., Path], tmp_path: Path) -> list[Path]:
    return [write_arm(tmp_path, "msn", 0, 2.0), write_arm(tmp_path, "simclr", 0, 1.0)]


def test_runs_side_by_side(sslbench: Any, arms: list[Path]) -> None:
    few = ("--replicates", 100, "--json")
    board = told(sslbench("leaderboard", *arms, *few), "leaderboard")
    ranked = [(one["configuration"], one["rank"]) for one in board["entries"] if one["rank"]]
    assert ranked == sorted(ranked, key=lambda pair: pair[1])
    assert 0.5 < board["entries"][0]["metrics"]["auroc"]["value"] <= 1
    rows = told(sslbench("tables", *arms, *few), "tables")["rows"]
    assert {row["arm"] for row in rows} >= {"msn", "simclr"}
    found = told(sslbench("compare", *arms, *few), "compare")
    assert found["comparisons"][0]["rows"]


def test_a_table_in_a_format_is_no_json(sslbench: Any, arms: list[Path]) -> None:
    assert sslbench("tables", *arms, "--json", "--format", "latex").sentence.startswith("--json prints values")


def test_predictions_and_features(sslbench: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["image_id,patient_id,split,y_Edema,p_Edema,e_0,e_1"]
    for number in range(90):
        truth = int(rng.integers(2))
        split = ("train", "validate", "test")[number % 3]
        lines.append(
            f"i{number},p{number},{split},{truth},{rng.random():.3f},{truth + rng.normal():.3f},{rng.normal():.3f}"
        )
    (tmp_path / "one.csv").write_text("\n".join(lines))
    given = (tmp_path / "one.csv", "--replicates", 100, "--json")
    assert told(sslbench("score", *given), "score")["metrics"]
    assert told(sslbench("probe", *given, "--eval", "knn"), "probe")["metrics"]


def test_a_sweep(sslbench: Any, tiny_nih: Callable[..., Path], tmp_path: Path) -> None:
    given = ("--method", "random", "--seeds", 1, "--data", "nih14", "--root", tiny_nih(), "--eval", "knn",
             "--out", tmp_path / "grid", *SMALL)  # fmt: skip
    planned = told(sslbench("sweep", *given, "--dry-run", "--json"), "sweep --dry-run")
    assert [cell["steps"] for cell in planned["cells"]] == [0]


def test_a_dataset(sslbench: Any, tiny_nih: Callable[..., Path]) -> None:
    given = ("nih14", "--root", tiny_nih(), "--json")
    assert {one["status"] for one in told(sslbench("data", "check", *given), "data check")["findings"]} <= {
        "ok",
        "warning",
    }
    stats = told(sslbench("data", "stats", *given), "data stats")
    assert {row["name"]: row["all"] for row in stats["demographics"]}["images"] == 120


def test_what_is_installed(sslbench: Any) -> None:
    assert told(sslbench("plugins", "--json"), "plugins")["components"]
    shown = told(sslbench("show", "method", "msn", "--json"), "show")
    assert "method.prototypes" in {option["key"] for option in shown["options"]}


def test_a_number_that_json_lacks_is_null() -> None:
    assert plain({"a": float("nan"), 1: (np.float64("inf"), np.int64(3), True, None, Path("b"))}) == {
        "a": None, "1": [None, 3, True, None, "b"]}  # fmt: skip
