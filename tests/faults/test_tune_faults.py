"""Faults of tunes: a kill of the tune and of everything it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("sampler", "kills"), [("sobol", "2"), ("tpe", "1")])
def test_a_tune_that_was_killed_ends_with_the_same_trials_and_winner(tmp_path: Path, sampler: str, kills: str) -> None:
    script = Path(__file__).parents[1] / "kill_and_tune.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script), "--kills", kills, "--sampler", sampler], capture_output=True,
                          text=True, check=False, env=environment, cwd=tmp_path, timeout=500)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"{kills} kills, " in done.stdout
    assert "the same trials and the same winners" in done.stdout
