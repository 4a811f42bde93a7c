"""Own runs, baselines and encoders of others stand in one leaderboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Tiny = Callable[[str], tuple[str, Path]]


def test_random_pixels_an_own_run_and_given_encoders(
    tiny: Tiny, tiny_nih: Callable[..., Path], sslbench: Callable[..., Any], tmp_path: Path
) -> None:
    home = ["--data", "nih14", "--root", tiny_nih(), "--preset", "smoke", "--eval", "knn", "--set",
            "evaluate.replicates=100"]  # fmt: skip
    runs = [tmp_path / "own"]
    assert sslbench("run", "--method", "simclr", *home, "--out", runs[0]).code == 0
    for name in ("timm-vit", "torchscript"):
        reader, path = tiny(name)
        runs.append(tmp_path / name)
        answer = sslbench("run", "--encoder", f"{reader}={path}", *home, "--out", runs[-1])
        assert answer.code == 0, answer.err
    page = tmp_path / "board.html"
    answer = sslbench("leaderboard", *runs, "--html", page)
    assert answer.code == 0, answer.err
    rows = [line for line in answer.out.splitlines() if line.startswith("│")]
    for name in ("simclr", "random", "pixels", "timm", "torchscript"):
        assert any(name in row for row in rows), f"{name}\n{answer.out}"
        assert name in page.read_text()
    assert "?" in answer.out  # what the weights of others have seen is not known
