"""The GPU script runs from end to end where there is none, at a tiny size."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from benchmarks import gpu


def test_it_runs_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--device", "cpu", "--quick", "--methods", "msn-ehr,mae", "--out", str(tmp_path / "gpu.json")])
    kept = json.loads((tmp_path / "gpu.json").read_text())
    assert kept["quick"] is True
    parts = {part: [row for row in kept["rows"] if row["part"] == part] for part in {r["part"] for r in kept["rows"]}}
    assert parts.keys() == {"matrix", "recipe", "batch with views", "training", "probe", "intervals", "step"}
    assert [row["case"] for row in parts["step"]] == ["msn-ehr, vit-micro, eager", "mae, vit-micro, eager"]
    assert [row["case"] for row in parts["batch with views"]] == ["device", "ram", "disk"]
    assert [row["case"].removeprefix("images: ") for row in parts["training"]] == list(gpu.PLACES)
    assert all(row["seconds"] > 0 for row in kept["rows"])
    assert all(row["share"] > 0 for row in parts["step"])
    assert "of matrix rate" in capsys.readouterr().out


def planted(monkeypatch: pytest.MonkeyPatch, *jobs: gpu.Job) -> None:
    monkeypatch.setattr(gpu, "jobs", lambda card, folder: iter(jobs))


def broken() -> Iterator[gpu.Row]:
    yield gpu.Row("broken", "first", 1.0)
    raise RuntimeError("CUDA error: out\nof luck")


def endless() -> Iterator[gpu.Row]:
    threading.Event().wait()
    yield gpu.Row("endless", "never", 1.0)


FINE = gpu.Job("fine", "one", lambda: [gpu.Row("fine", "one", 2.0)])


def measured(path: Path, *arguments: str) -> dict[str, str]:
    gpu.main(["--device", "cpu", "--quick", "--out", str(path), *arguments])
    return {f"{row['part']} {row['case']}": row["note"] for row in json.loads(path.read_text())["rows"]}


def test_a_measurement_that_fails_loses_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    planted(monkeypatch, gpu.Job("broken", "all", broken), FINE)
    assert measured(tmp_path / "gpu.json") == {
        "broken first": "",
        "broken all": "failed: RuntimeError: CUDA error: out of luck",
        "fine one": "",
    }


def test_it_ends_in_time_and_keeps_what_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(monkeypatch, FINE, gpu.Job("endless", "all", endless), FINE)
    assert measured(tmp_path / "gpu.json", "--seconds", "4") == {"fine one": ""}
    assert "stopped after 4 s" in capsys.readouterr().out
    planted(monkeypatch, FINE)
    monkeypatch.setattr(gpu, "at_most", lambda seconds: nullcontext())
    assert measured(tmp_path / "gpu.json", "--seconds", "0") == {"fine one": "not measured: out of time"}


def test_no_compilation_begins_late() -> None:
    card = gpu.Card("cpu", gpu.QUICK, 100)
    card.begin -= 70
    assert card.late(gpu.COMPILING)
    assert not card.late()


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "torch finds no GPU" in capsys.readouterr().err
