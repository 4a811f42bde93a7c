"""The GPU script runs from end to end where there is none, at a tiny size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import gpu


def test_it_runs_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--device", "cpu", "--quick", "--methods", "msn-ehr,mae", "--out", str(tmp_path / "gpu.json")])
    kept = json.loads((tmp_path / "gpu.json").read_text())
    assert kept["quick"] is True
    parts = {part: [row for row in kept["rows"] if row["part"] == part] for part in {r["part"] for r in kept["rows"]}}
    assert parts.keys() == {"matrix", "recipe", "batch with views", "probe", "intervals", "step"}
    assert [row["case"] for row in parts["step"]] == ["msn-ehr, vit-micro, eager", "mae, vit-micro, eager"]
    assert [row["case"] for row in parts["batch with views"]] == ["device", "ram", "disk"]
    assert all(row["seconds"] > 0 for row in kept["rows"])
    assert all(row["share"] > 0 for row in parts["step"])
    assert "of matrix rate" in capsys.readouterr().out


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "torch finds no GPU" in capsys.readouterr().err
