from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ssl_bench.cli import app
from ssl_bench.comparison.pairs import run_scores
from ssl_bench.errors import DataError, UsageError
from ssl_bench.stats.intervals import measure


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    drawn = np.random.default_rng(0)
    truth = drawn.integers(0, 2, 200)
    frame = pd.DataFrame(
        {
            "image_id": [f"i{n}" for n in range(200)],
            "patient_id": [f"p{n // 2}" for n in range(200)],
            "y_Edema": truth,
            "p_Edema": truth + drawn.normal(size=200),
            "y_Hernia": 0,
            "p_Hernia": 0.5,
        }
    )
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def test_json_holds_the_suite_s_numbers(predictions: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(predictions), "--json"])
    answer = json.loads(result.stdout)
    frame = pd.read_csv(predictions)
    expected = measure(
        frame[["y_Edema"]].to_numpy(float), frame[["p_Edema"]].to_numpy(), patients=frame["patient_id"].to_numpy()
    )["auroc"].labels[0]
    row = next(row for row in answer["metrics"] if (row["label"], row["metric"]) == ("Edema", "auroc"))
    assert row["value"] == expected.value
    assert (row["ci_low"], row["ci_high"]) == (expected.low, expected.high)
    assert row["n_patients"] == 100
    assert "outside [0, 1]" in answer["notes"][0]


def test_a_label_with_one_class_has_no_value_and_a_reason(predictions: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(predictions), "--json"])
    rows = [row for row in json.loads(result.stdout)["metrics"] if row["label"] == "Hernia"]
    assert [row["value"] for row in rows if row["metric"] in ("auroc", "auprc")] == [None, None]
    assert all("one class only" in row["note"] for row in rows)


def test_the_table_shows_every_finding(predictions: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(predictions)])
    assert result.exit_code == 0
    assert "Edema" in result.stdout
    assert "one class only" in result.stdout


def test_an_unknown_aggregate_is_refused(predictions: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(predictions), "--aggregate", "median"])
    assert isinstance(result.exception, UsageError)
    assert "expected one of max, mean" in str(result.exception)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: f.rename(columns={"p_Edema": "score"}), "lack the columns p_Edema"),
        (lambda f: f.assign(image_id="i0"), "image ids must be unique in .*; 1 occur twice: i0"),
        (lambda f: f.assign(y_Edema=3), r"labels must be 1, 0 or blank; found i0 y_Edema=3"),
    ],
)
def test_a_file_that_is_wrong_is_one_sentence(predictions: Path, spoil: Any, sentence: str) -> None:
    spoil(pd.read_csv(predictions)).to_csv(predictions, index=False)
    with pytest.raises(DataError, match=sentence):
        CliRunner().invoke(app, ["score", str(predictions), "--json"], catch_exceptions=False)


def test_scores_outside_the_unit_interval_are_said_and_ranked_as_they_are(predictions: Path) -> None:
    shown = CliRunner().invoke(app, ["score", str(predictions)]).stdout
    assert "outside [0, 1]: they are ranked as they are" in " ".join(shown.split())
    frame = pd.read_csv(predictions)
    frame["p_Edema"] = 1 / (1 + np.exp(-frame["p_Edema"]))  # the same order, as probabilities
    before = json.loads(CliRunner().invoke(app, ["score", str(predictions), "--json"]).stdout)
    frame.to_csv(predictions, index=False)
    after = json.loads(CliRunner().invoke(app, ["score", str(predictions), "--json"]).stdout)
    ranked = [row for row in after["metrics"] if row["metric"] in ("auroc", "auprc")]
    assert before["metrics"] == ranked
    assert not [note for note in after["notes"] if "outside" in note]
    assert {row["metric"] for row in after["metrics"]} >= {"brier", "ece", "calibration-slope"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p: 100 / (1 + np.exp(-p)), "they look like percent, divide by 100"),
        (lambda p: p, "for log-odds give 1 / (1 + exp(-score))"),
        (lambda p: (p > 0.5).astype(int), "Edema, Hernia: two different scores alone, so these look like decisions"),
    ],
)
def test_scores_that_are_no_probabilities_are_told(predictions: Path, change: Any, sentence: str) -> None:
    frame = pd.read_csv(predictions)
    frame["p_Edema"] = change(frame["p_Edema"])
    frame["p_Hernia"] = frame["p_Edema"]
    frame.to_csv(predictions, index=False)
    assert sentence in json.loads(CliRunner().invoke(app, ["score", str(predictions), "--json"]).stdout)["notes"][0]


def test_studies_are_scored_and_images_are_kept(predictions: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(predictions).drop(columns=["y_Hernia", "p_Hernia"])
    frame["study_id"], frame["y_Edema"] = "s", frame.groupby("patient_id")["y_Edema"].transform("first")
    frame.to_csv(predictions, index=False)
    asked = ["score", str(predictions), "--aggregate", "mean", "--json", "--out", str(tmp_path / "kept")]
    result = CliRunner().invoke(app, asked, catch_exceptions=False)
    row = json.loads(result.stdout)["metrics"][0]
    assert (row["unit"], row["aggregate"], row["n_images"], row["n_known"]) == ("study", "mean", 100, 100)
    studies = frame.groupby("patient_id")[["y_Edema", "p_Edema"]].mean().to_numpy()
    assert row["value"] == pytest.approx(measure(studies[:, :1], studies[:, 1:])["auroc"].labels[0].value)
    (path,) = (tmp_path / "kept").rglob("*.parquet")
    assert len(pd.read_parquet(path)) == 200
    table = run_scores(tmp_path / "kept").tables["predictions"]
    assert (table.unit, len(table.ids)) == ("study", 100)


@pytest.mark.parametrize(("command", "what"), [("score", "predictions"), ("probe", "embeddings")])
def test_an_empty_file_and_one_without_the_columns_are_told(sslbench: Any, command: str, what: str) -> None:
    Path("e.csv").write_text("")
    Path("x.csv").write_text("a,b\n1,2\n")
    answer = sslbench(command, "e.csv")
    assert (answer.code, answer.sentence) == (3, f"{what} e.csv cannot be read: the file is empty")
    answer = sslbench(command, "x.csv")
    assert answer.sentence.startswith(f"{what} x.csv lack the columns image_id, patient_id, ")
    assert answer.sentence.endswith(" (found a, b)")
    assert "; (" not in answer.sentence
