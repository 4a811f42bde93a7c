from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ssl_bench.cli import app
from ssl_bench.errors import UsageError
from ssl_bench.evaluate.provided import called
from ssl_bench.stats.intervals import measure
from ssl_bench.stats.predictions import read_predictions


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def write_features(path: Path, signal: float, seed: int = 0) -> Path:
    """Two findings that the first columns tell as well as ``signal`` says; two images a patient."""
    rng = np.random.default_rng(1)
    size = 300
    labels = (rng.random((size, 2)) < 0.4).astype(float)
    features = np.random.default_rng(seed).normal(size=(size, 5))
    features[:, :2] += signal * labels
    patient = np.arange(size) // 2
    frame = pd.DataFrame({
        "image_id": [f"i{number}" for number in range(size)], "patient_id": [f"p{number}" for number in patient],
        "split": np.select([patient < 70, patient < 100], ["train", "validate"], "test"),
        "sex": np.where(patient % 2, "F", "M"), "y_Edema": labels[:, 0], "y_Mass": labels[:, 1],
    })  # fmt: skip
    frame.join(pd.DataFrame(features).add_prefix("e_")).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders that the command wrote of features of the same images."""
    folder = tmp_path_factory.mktemp("probed")
    for name, signal in (("weak", 0.3), ("strong", 2.0)):
        path = write_features(folder / f"{name}.csv", signal)
        invoke("probe", path, "--eval", "linear,knn,clusters", "--out", folder / name, "--replicates", 100)
    return folder / "weak", folder / "strong"


def test_five_probes_of_one_file_are_one_encoder(tmp_path: Path) -> None:
    path = write_features(tmp_path / "f.csv", 1.0)
    for seed in range(5):
        invoke("probe", path, "--eval", "linear", "--seed", seed, "--out", tmp_path / f"p{seed}", "--replicates", 100)
    text = invoke("tables", *(tmp_path / f"p{seed}" for seed in range(5)), "--replicates", 100)
    assert "embeddings of f.csv: 5 runs hold 1 encoder by linear" in text
    assert "±" not in text
    assert "pretraining seeds" not in text


def test_published_seeds_form_an_arm_where_they_are_declared(tmp_path: Path) -> None:
    for seed in range(5):
        (folder := tmp_path / f"seed{seed}").mkdir()
        path = write_features(folder / "f.csv", 1.0 + seed / 10, seed=seed)
        declared = ("--group", "msn", "--pretraining-seed", seed, "--name", "toy")
        invoke("probe", path, "--eval", "linear", *declared, "--out", folder / "out", "--replicates", 100)
    text = invoke("tables", *(tmp_path / f"seed{seed}" / "out" for seed in range(5)), "--replicates", 100)
    assert "| msn |" in text
    assert "standard deviation over 5 pretraining seeds" in text
    with pytest.raises(UsageError, match="add --group NAME and --pretraining-seed N"):
        invoke("probe", tmp_path / "seed0" / "f.csv", "--group", "msn")


def test_the_kept_predictions_give_the_printed_numbers(probed: tuple[Path, Path]) -> None:
    record = json.loads((probed[1] / "record.json").read_text())
    row = next(row for row in record["metrics"]
               if (row["protocol"], row["split"], row["label"], row["metric"], row["subgroup"])
               == ("linear", "test", "Edema", "auroc", "all"))  # fmt: skip
    (path,) = (probed[1] / "predictions" / "given").glob("strong-test-linear-*.parquet")
    table = read_predictions(path)
    expected = measure(table.truth, table.scores, patients=table.patients, replicates=100)["auroc"].labels[0]
    assert (row["value"], row["ci_low"]) == (expected.value, expected.low)
    assert row["value"] > 0.8
    protocols = {row["protocol"] for row in record["metrics"]}
    assert protocols == {"linear", "knn", "clusters"}
    assert {"sex=F", "sex"} <= {row["subgroup"] for row in record["metrics"]}


def test_heads_that_have_not_converged_are_one_sentence_on_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.evaluate.probe.STEPS", 1)
    path = write_features(tmp_path / "weak.csv", 0.3)
    answer = CliRunner().invoke(app, ["probe", str(path), "--eval", "linear", "--replicates", "100", "--json"])
    assert json.loads(answer.stdout)["metrics"]
    (line,) = answer.stderr.splitlines()
    assert re.fullmatch(r"protocol 'linear': \d+ of \d+ heads had not converged after 1 steps and are .*", line)


def test_compare_takes_the_folders(probed: tuple[Path, Path]) -> None:
    answer = json.loads(invoke("compare", *probed, "--json", "--replicates", 100))
    rows = answer["comparisons"][0]["rows"]
    macro = next(row for row in rows if (row["protocol"], row["label"], row["metric"]) == ("linear", "macro", "auroc"))
    assert macro["value"] > 0.1
    assert macro["p"] < 0.05


def test_tables_and_json_are_those_of_a_run(probed: tuple[Path, Path], tmp_path: Path) -> None:
    path = write_features(tmp_path / "mine.csv", 2.0)
    shown = invoke("probe", path, "--eval", "linear,clusters", "--replicates", 100)
    assert "embeddings of mine.csv" in shown
    assert "linear: AUROC by finding, test split" in shown
    assert "silhouette" in shown
    answer = json.loads(invoke("probe", path, "--eval", "linear", "--json", "--replicates", 100, "--name", "toy"))
    assert {row["dataset"] for row in answer["metrics"]} == {"toy"}
    assert {row["encoder"] for row in answer["metrics"]} == {"given"}


def test_a_protocol_that_needs_the_encoder_is_refused(tmp_path: Path) -> None:
    path = write_features(tmp_path / "mine.csv", 2.0)
    with pytest.raises(UsageError, match="finetune needs the encoder or EHR features; with embeddings alone"):
        CliRunner().invoke(app, ["probe", str(path), "--eval", "finetune"], catch_exceptions=False)


@pytest.mark.parametrize("command", ["report", "evaluate"])
def test_a_probed_folder_is_no_run(probed: tuple[Path, Path], command: str) -> None:
    with pytest.raises(UsageError, match=r"holds what sslbench probe made of strong\.csv, and no run"):
        CliRunner().invoke(app, [command, str(probed[1])], catch_exceptions=False)


def test_embeddings_are_called_by_their_file_folder_or_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "embeddings" / "trained").mkdir(parents=True)
    (tmp_path / "mine" / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "out" / "nih14").mkdir(parents=True)
    (tmp_path / "f.csv").touch()
    monkeypatch.chdir(tmp_path)
    paths = ("f.csv", "mine", "mine/", "mine/embeddings", "mine/embeddings/trained", "out/nih14")
    assert [called(Path(path)) for path in paths] == ["f.csv", "mine", "mine", "mine", "mine", "nih14"]
    monkeypatch.chdir(tmp_path / "mine")
    assert called(Path()) == "mine"
