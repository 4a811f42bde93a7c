"""``sslbench report``: what is no finished run is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]


def test_a_folder_without_a_run_is_refused(sslbench: Cli, tmp_path: Path) -> None:
    answer = sslbench("report", tmp_path / "nowhere")
    assert answer.code == 2
    assert answer.sentence == f"{tmp_path / 'nowhere'} holds no run (no config.yaml); give the folder that a run wrote"
    assert not (tmp_path / "nowhere").exists()


def test_an_unfinished_run_is_refused(sslbench: Cli, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    answer = sslbench("report", tmp_path)
    assert answer.code == 2
    assert "holds no finished run (no record.json); finish it with --resume" in answer.sentence
