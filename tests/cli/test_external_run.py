"""Runs that are tested on other datasets, and runs on several at once, from the command line to the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ssl_bench.report.palette import LeftOut

Call = Callable[..., Any]
Make = Callable[..., Path]
SHORT = ("--preset", "smoke", "--epochs", "1", "--set", "evaluate.replicates=100")


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """No report but the one asked for, with forest plots alone: other pictures have tests of their own."""
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *arguments: None)
    for name in ("roc_and_pr", "embedding_maps", "training_curves"):
        monkeypatch.setattr(f"ssl_bench.report.report.{name}", _left_out)


def _left_out(*arguments: Any) -> list[Any]:
    raise LeftOut("not in this test")


def record(run: Path) -> Mapping[str, Any]:
    return json.loads((run / "record.json").read_text())


def places(rows: list[Mapping[str, Any]], **wanted: object) -> set[tuple[str, str]]:
    return {(row["dataset"], row["fitted_on"]) for row in rows if wanted.items() <= row.items()}


def test_run_evaluate_compare_and_report(sslbench: Call, tiny_nih: Make, tmp_path: Path) -> None:
    home, away, run = tiny_nih(), tiny_nih(seed=1, first=1001), tmp_path / "run"
    answer = sslbench("run", "--method", "msn-ehr", "--features", "age,sex", "--data", f"nih14={home}", *SHORT,
                      "--eval", "linear", "--test-on", f"nih14={away}", "--out", run)  # fmt: skip
    assert answer.code == 0, answer.err
    assert "tested on nih14-2, fitted on nih14: 24 images of 12 patients, macro over Effusion, Mass" in answer.out
    first = record(run)
    assert places(first["metrics"]) == {("nih14", "nih14"), ("nih14-2", "nih14")}
    assert places(first["comparisons"]) == places(first["metrics"])
    (external,) = first["external"]
    assert (external["name"], external["dataset"], external["mode"]) == ("nih14-2", "nih14", "head")
    assert external["splits"] == {"test": {"images": 24, "patients": 12}}
    assert external["component"]["distribution"] == "sslbench"

    again = sslbench("evaluate", run, "--eval", "knn", "--test-on", f"nih14:refit={away}")
    assert again.code == 0, again.err
    second = record(run)
    assert [row for row in second["metrics"] if row["protocol"] == "linear"] == first["metrics"]
    assert places(second["metrics"], protocol="knn") == {("nih14", "nih14"), ("nih14-2", "nih14-2")}
    assert [part["mode"] for part in second["external"]] == ["head", "refit"]

    assert sslbench("report", run).code == 0
    report = (run / "report.md").read_text()
    own, others = report.split("## Results on other test sets")
    assert "tested on" not in own
    assert "| linear, tested on nih14-2 | trained |" in others
    assert "| knn, tested on nih14-2, fitted on nih14-2 | random |" in others
    assert (run / "plots" / "forest-linear-tested-on-nih14-2.svg").is_file()
    assert "tested on | nih14-2, mode head, test 24 images" in report

    same = json.loads(sslbench("compare", run, run, "--json").out)["comparisons"][0]["rows"]
    assert {row["protocol"] for row in same} == {
        "linear", "linear, tested on nih14-2", "knn", "knn, tested on nih14-2, fitted on nih14-2"
    }  # fmt: skip
    assert {row["value"] for row in same if row["value"] is not None} == {0.0}

    other = sslbench(
        "evaluate", run, "--eval", "knn", "--test-on", f"nih14={tiny_nih(seed=2, patients=30, first=2001)}"
    )
    assert other.code == 2
    assert f"the data of nih14-2 are not those of the run {run}: " in other.err
    assert record(run) == second


def test_several_datasets_are_pretrained_on_at_once(sslbench: Call, tiny_nih: Make, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answer = sslbench("run", "--method", "msn-ehr", "--features", "age,sex", "--data", f"nih14={tiny_nih(patients=30)}",
                      "--data", "synthetic", *SHORT, "--eval", "linear", "--out", run)  # fmt: skip
    assert answer.code == 0, answer.err
    assert "on nih14+synthetic (SYNTHETIC DATA)" in answer.out
    assert "note: data of synthetic are synthetic" in answer.out
    done = record(run)
    assert done["data"]["datasets"] == ["nih14", "synthetic"]
    assert done["data"]["label_space"] == "common7"
    joint = "nih14+synthetic"
    assert places(done["metrics"]) == {(joint, joint), ("nih14", joint), ("synthetic", joint)}
    cohort = pd.read_parquet(run / "cohort.parquet")
    assert (cohort["patient_id"].str.partition("/")[0] == cohort["dataset"]).all()
    manifest = json.loads((run / "splits.json").read_text())
    assert manifest["sha256"] == done["data"]["splits_sha256"]
    assert {patient.partition("/")[0] for patient in manifest["patients"]["test"]} == {"nih14", "synthetic"}


def test_a_run_on_several_datasets_is_resumed(sslbench: Call, tiny_nih: Make, tmp_path: Path) -> None:
    run, away = tmp_path / "run", tiny_nih(seed=1, patients=20, first=1001)
    answer = sslbench("run", "--method", "msn", "--data", f"nih14={tiny_nih(patients=30)}", "--data", f"nih14={away}",
                      *SHORT, "--eval", "knn", "--out", run)  # fmt: skip
    assert answer.code == 0, answer.err
    done = record(run)
    (run / "record.json").unlink()
    again = sslbench("run", "--resume", run, "--test-on", f"nih14={tiny_nih(seed=2, patients=20, first=3001)}")
    assert again.code == 0, again.err
    assert "resuming with evaluate.test_on" in again.err
    assert [row for row in record(run)["metrics"] if row["dataset"] != "nih14-3"] == done["metrics"]
    assert places(record(run)["metrics"], dataset="nih14-3") == {("nih14-3", "nih14+nih14-2")}
