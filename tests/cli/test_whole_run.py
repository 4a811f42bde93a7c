"""The main job from files on the disk to a record, and what is done with a finished run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from ssl_bench.evaluate.features import read_features
from ssl_bench.evaluate.provided import name_of

METRICS = {
    "auroc", "auprc", "sensitivity-at-specificity-90", "specificity-at-sensitivity-90", "f1", "balanced-accuracy",
    "brier", "ece", "calibration-slope", "calibration-intercept", "net-benefit",
}  # fmt: skip


@pytest.fixture
def record(sslbench: Callable[..., Any], tiny_nih: Callable[..., Path], tmp_path: Path) -> Mapping[str, Any]:
    answer = sslbench(
        "run", "--method", "msn-ehr", "--features", "age,sex,view", "--data", "nih14", "--root", tiny_nih(),
        "--preset", "smoke", "--epochs", "1", "--out", tmp_path / "run",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "trained - random" in answer.out
    assert "trained - pixels" in answer.out
    return json.loads((tmp_path / "run" / "record.json").read_text())


def rows(record: Mapping[str, Any], **wanted: object) -> list[Mapping[str, Any]]:
    return [row for row in record["metrics"] if wanted.items() <= row.items()]


def test_run_then_evaluate_then_compare_and_no_other_key_is_taken(
    record: Mapping[str, Any], sslbench: Callable[..., Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for encoder in ("trained", "random", "pixels"):
        for protocol in ("linear", "knn"):
            whole = rows(record, encoder=encoder, protocol=protocol, split="test", label="macro", subgroup="all")
            macro = [row for row in whole if row["metric"] in ("auroc", "auprc")]
            assert {row["metric"] for row in whole} == METRICS
            assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in macro)
            assert all((row["n_images"], row["n_patients"]) == (24, 12) for row in macro)
    assert record["features"] == ["age", "sex", "view"]
    assert record["fusion"] == "concat"
    assert record["data"]["splits"]["test"] == {"images": 24, "patients": 12}

    encoder = timm.create_model(f"local-dir:{run / 'encoder'}", pretrained=True).eval()
    with torch.inference_mode():
        assert encoder(torch.zeros(1, 1, 32, 32)).shape == (1, 128)
    kept = np.load(run / "embeddings" / "trained" / "nih14-test.npz")
    assert kept["embeddings"].shape == (24, 128)
    every = {"trained", "random", "pixels"}
    for folder, held in ((run, every), (run / "embeddings", every), (run / "embeddings" / "random", {"random"})):
        assert set(read_features(folder)) == held, folder
        assert name_of(folder)[0] == "nih14"

    again = sslbench("evaluate", run, "--eval", "knn", "--label-fraction", "0.5,1.0", "--draws", "2")
    assert again.code == 0, again.err
    added = json.loads((run / "record.json").read_text())
    assert {row["fraction"] for row in rows(added, protocol="knn")} == {0.5, 1.0}
    assert {row["draw"] for row in rows(added, protocol="knn", fraction=0.5)} == {0, 1}
    assert rows(added, protocol="linear") == rows(record, protocol="linear")
    assert rows(added, protocol="knn", fraction=1.0) == rows(record, protocol="knn", fraction=1.0)

    same = sslbench("compare", run, run, "--json")
    differences = json.loads(same.out)["comparisons"][0]["rows"]
    assert {row["value"] for row in differences if row["value"] is not None} == {0.0}

    refused = sslbench("evaluate", run, "--set", "pretrain.epochs=5")
    assert refused.code == 2
    assert "evaluate.* keys only" in refused.sentence
    assert json.loads((run / "record.json").read_text()) == added


def test_an_encoder_whose_features_are_constant_is_said_under_the_table_and_gets_no_difference(
    sslbench: Callable[..., Any], tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    given = ("run", "--data", "nih14", "--root", tiny_nih(), "--preset", "smoke", "--method")
    assert sslbench(*given, "random", "--eval", "knn", "--out", tmp_path / "first").code == 0
    weights = load_file(tmp_path / "first" / "encoder" / "model.safetensors")
    flat = {name: torch.zeros_like(value) if name == "norm.weight" else value for name, value in weights.items()}
    flat["norm.bias"] = torch.arange(len(flat["norm.bias"]), dtype=torch.float32)
    save_file(flat, tmp_path / "flat.safetensors")

    sentence = "the trained encoder gives all images of the test split the same features"
    answer = sslbench(*given, "pretrained", "--eval", "linear", "--init", tmp_path / "flat.safetensors",
                      "--out", tmp_path / "run")  # fmt: skip
    assert answer.code == 0, answer.err
    assert " ".join(answer.out.split()).count(sentence) == 1
    assert "trained - random" not in answer.out
    table = answer.out[: answer.out.index("note")]
    assert re.search(r"trained .* constant", table)
    assert "0.500 [0.500, 0.500]" not in table
    again = sslbench("evaluate", tmp_path / "run", "--eval", "knn")
    assert again.code == 0, again.err
    assert sentence in " ".join(again.out.split())
    shown = sslbench("leaderboard", tmp_path / "run")
    for rows in shown.out.split("macro means")[1:3]:  # linear and knn: no rank, no interval, no difference, no mark
        (cells,) = (line.split("│") for line in rows.splitlines() if "pretrained" in line and "seeds" not in line
                    and "│" in line and line.count("│") > 8)  # fmt: skip
        assert [cells[place].strip().strip("§? ") for place in (1, 5, 7, 8, 10)] == [
            "-",
            "constant",
            "-",
            "constant",
            "-",
        ]
    assert "give every image the same features; their row by linear is guessing" in " ".join(shown.out.split())
    against = json.loads(sslbench("compare", tmp_path / "first", tmp_path / "run", "--json").out)["comparisons"]
    told = [row for comparison in against for row in comparison.get("rows", [comparison])]
    assert told
    assert all((row["p"], row["ci_low"]) == (None, None) and "so it guesses" in row["untested"] for row in told)
