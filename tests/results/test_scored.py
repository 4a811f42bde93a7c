"""Predictions from elsewhere stand beside runs in compare, tables and leaderboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Cli = Callable[..., Any]


def elsewhere(run: Path, path: Path, seed: int = 5, images: int | None = None) -> Path:
    """Probabilities of another model for the test images of a run."""
    kept = next((run / "predictions" / "trained").glob("*test-linear*.parquet"))
    frame = pd.read_parquet(kept).iloc[:images]
    rng = np.random.default_rng(seed)
    for column in [name for name in frame.columns if name.startswith("p_")]:
        noise = rng.normal(size=len(frame))
        frame[column] = 1 / (1 + np.exp(-(frame[f"y_{column[2:]}"] - 0.5 + noise)))
    frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


@pytest.fixture
def pair(tmp_path: Path, write_arm: Callable[..., Path], sslbench: Cli) -> tuple[Path, Path]:
    """A scored folder and a run on the same test images."""
    run = write_arm(tmp_path, "msn", 0, 1.0, protocols=("linear", "knn"))
    answer = sslbench("score", elsewhere(run, tmp_path / "in.csv"), "--out", tmp_path / "A", "--replicates", 100)
    assert answer.code == 0, answer.err
    return tmp_path / "A", run


def test_compare_takes_it_by_every_protocol_of_the_run(pair: tuple[Path, Path], sslbench: Cli) -> None:
    answer = sslbench("compare", *pair, "--replicates", 100, "--json")
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)["comparisons"][0]["rows"]
    record = json.loads((pair[0] / "record.json").read_text())
    own = next(row for row in record["metrics"] if (row["label"], row["metric"]) == ("macro", "auroc"))
    theirs = json.loads((pair[1] / "record.json").read_text())["metrics"]
    for protocol in ("linear", "knn"):
        row = next(r for r in rows if (r["protocol"], r["label"], r["metric"]) == (protocol, "macro", "auroc"))
        other = next(r for r in theirs if (r["encoder"], r["protocol"], r["label"], r["metric"])
                     == ("trained", protocol, "macro", "auroc"))  # fmt: skip
        assert row["value"] == pytest.approx(other["value"] - own["value"])
        assert row["p"] is not None


@pytest.mark.parametrize("command", ["leaderboard", "tables"])
def test_it_is_a_row_of_the_same_table(pair: tuple[Path, Path], sslbench: Cli, command: str) -> None:
    answer = sslbench(command, *pair, "--eval", "linear", "--replicates", 100)
    assert answer.code == 0, answer.err
    assert "in" in [line.replace("│", "|").split("|")[2 if command == "leaderboard" else 1].strip()
                    for line in answer.out.splitlines() if "msn" not in line and line[:1] in "│|" and line]  # fmt: skip
    assert "predictions on" not in answer.out


def test_it_is_called_as_was_asked(pair: tuple[Path, Path], sslbench: Cli, tmp_path: Path) -> None:
    answer = sslbench("score", tmp_path / "in.csv", "--out", tmp_path / "B", "--name", "densenet", "--replicates", 100)
    assert answer.code == 0, answer.err
    assert "densenet" in sslbench("leaderboard", tmp_path / "B", pair[1], "--replicates", 100).out
    assert "add --out FOLDER" in sslbench("score", tmp_path / "in.csv", "--name", "densenet").sentence


def test_other_images_are_named(tmp_path: Path, write_arm: Callable[..., Path], sslbench: Cli) -> None:
    run = write_arm(tmp_path, "msn", 0, 1.0)
    sslbench("score", elsewhere(run, tmp_path / "in.csv", images=100), "--out", tmp_path / "A", "--replicates", 100)
    assert "same test images only" in sslbench("compare", tmp_path / "A", run).sentence
    answer = sslbench("leaderboard", tmp_path / "A", run, "--replicates", 100)
    assert answer.code == 0, answer.err
    assert "predictions on in" in answer.out


def test_two_models_from_elsewhere_are_compared(pair: tuple[Path, Path], sslbench: Cli, tmp_path: Path) -> None:
    other = elsewhere(pair[1], tmp_path / "other.csv", seed=7)
    assert sslbench("score", other, "--out", tmp_path / "B", "--replicates", 100).code == 0
    rows = json.loads(sslbench("compare", pair[0], tmp_path / "B", "--replicates", 100, "--json").out)
    assert {row["protocol"] for row in rows["comparisons"][0]["rows"]} == {"predictions"}


def test_calibration_and_operating_points_stand_on_its_record(
    pair: tuple[Path, Path], sslbench: Cli, tmp_path: Path
) -> None:
    metrics = {row["metric"] for row in json.loads((pair[0] / "record.json").read_text())["metrics"]}
    assert {"brier", "ece", "calibration-slope"} <= metrics
    assert "f1" not in metrics
    validation = elsewhere(pair[1], tmp_path / "validation.csv", seed=9)
    answer = sslbench("score", tmp_path / "in.csv", "--validation", validation, "--replicates", 100, "--json")
    rows = [row for row in json.loads(answer.out)["metrics"] if row["metric"] == "f1"]
    assert len(rows) == 3
    assert all(row["ci_low"] is not None for row in rows)
    assert all(isinstance(row["threshold"], float) for row in rows if row["label"] != "macro")
    told = sslbench("score", tmp_path / "in.csv", "--replicates", 100).out
    assert "not measured; a threshold is chosen on validation images, give them by --validation" in told


def test_compare_shows_other_metrics_with_their_tests(pair: tuple[Path, Path], sslbench: Cli, tmp_path: Path) -> None:
    other = elsewhere(pair[1], tmp_path / "other.csv", seed=7)
    assert sslbench("score", other, "--out", tmp_path / "B", "--replicates", 100).code == 0
    answer = sslbench("compare", pair[0], tmp_path / "B", "--metric", "brier,f1", "--replicates", 100, "--json")
    rows = [row for row in json.loads(answer.out)["comparisons"][0]["rows"] if row["metric"] == "brier"]
    records = [json.loads((path / "record.json").read_text())["metrics"] for path in (tmp_path / "B", pair[0])]
    values = [next(r["value"] for r in record if (r["label"], r["metric"]) == ("macro", "brier")) for record in records]
    macro = next(row for row in rows if row["label"] == "macro")
    assert macro["value"] == pytest.approx(values[0] - values[1])
    assert 0 <= macro["p"] <= 1
    assert macro["p_holm"] is not None
    assert "brier" in sslbench("compare", pair[0], tmp_path / "B", "--metric", "brier", "--replicates", 100).out
    assert "did you mean 'brier'?" in sslbench("compare", *pair, "--metric", "bried").sentence
