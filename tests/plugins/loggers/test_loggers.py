"""Loggers: what arrives, offline, and that a run never fails by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sslbench_loggers import sslbench_run_finished
from sslbench_loggers.options import MlflowOptions, WandbOptions
from sslbench_loggers.rows import final_numbers, flat

RECORD: dict[str, Any] = {
    "config": {"loggers": [{"name": "tensorboard"}], "seed": 3, "pretrain": {"lr": 0.1}},
    "data": {"name": "synthetic"},
    "pretraining": {"steps": 20},
    "metrics": [
        {"split": "test", "label": "macro", "fraction": 1.0, "draw": 0, "protocol": "linear", "encoder": "trained",
         "metric": "auroc", "dataset": "synthetic", "value": 0.75, "ci_low": 0.7, "ci_high": None},
        {"split": "validate", "label": "macro", "fraction": 1.0, "draw": 0, "protocol": "linear", "encoder": "trained",
         "metric": "auroc", "dataset": "synthetic", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6},
    ],
}  # fmt: skip
FINAL = {"test/linear/trained/macro_auroc": 0.75, "test/linear/trained/macro_auroc_ci_low": 0.7}


def scalars(folder: Path) -> Mapping[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_final_numbers_are_those_of_the_test_split() -> None:
    assert final_numbers(RECORD) == FINAL
    assert flat({"a": {"b": 1}, "c": 2}) == {"a.b": 1, "c": 2}


def test_the_hook_uploads_the_final_rows_to_the_loggers_of_the_run_alone(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    sslbench_run_finished(record=RECORD, run_dir=tmp_path)
    found = scalars(tmp_path / "loggers" / "tensorboard")
    assert {tag: values[0] for tag, values in found.items()} == {
        tag: (20, pytest.approx(value)) for tag, value in FINAL.items()
    }
    other = tmp_path / "other"
    sslbench_run_finished(record={**RECORD, "config": {"loggers": []}}, run_dir=other)
    assert not other.exists()


def test_wandb_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from sslbench_loggers.wandb import Wandb

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = Wandb(WandbOptions(), "run", tmp_path)
    logger.log({"loss": 1.5}, 1)
    logger.finish(RECORD)
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_mlflow_keeps_files_and_goes_on_in_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from sslbench_loggers.mlflow import Mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Mlflow(MlflowOptions(), "run", tmp_path).log({"loss": 1.5}, 1)
    again = Mlflow(MlflowOptions(), "run", tmp_path)
    again.finish(RECORD)
    kept = again._client.get_run((tmp_path / "run-id").read_text())
    assert kept.data.metrics == {"train/loss": 1.5, **FINAL}
    assert kept.data.params["pretrain.lr"] == "0.1"


SMALL = ("--preset", "smoke", "--method", "simclr", "--eval", "linear", "--epochs", "1",
         "--set", "evaluate.replicates=100")  # fmt: skip


def test_a_run_logs_to_tensorboard_and_a_failing_observer_is_a_warning(
    sslbench: Callable[..., Any], tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")

    def fail(record: Any) -> Any:
        raise OSError("the server is down")

    monkeypatch.setattr("sslbench_loggers.tensorboard.final_numbers", fail)
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    answer = sslbench("run", *SMALL, "--data", "nih14", "--root", tiny_nih(patients=30), "--logger", "tensorboard",
                      "--accelerator", "cpu", "--out", tmp_path / "run")  # fmt: skip
    assert answer.code == 0, answer.err
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    found = scalars(tmp_path / "run" / "loggers" / "tensorboard")["train/loss"]
    assert found == [(entry["step"], pytest.approx(entry["loss"])) for entry in log]
    assert "warning: observer sslbench 0.1.0:loggers failed: OSError: the server is down" in answer.err


def test_a_logger_that_fails_is_left_out_and_the_run_goes_on(
    sslbench: Callable[..., Any], tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")

    def fail(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr("sslbench_loggers.tensorboard.TensorBoard.log", fail)
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    answer = sslbench("run", *SMALL, "--data", "nih14", "--root", tiny_nih(patients=30), "--logger", "tensorboard",
                      "--out", tmp_path / "run")  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.err.count("warning: logger 'tensorboard' is left out from here on: OSError: no room") == 1
