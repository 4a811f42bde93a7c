"""Faults of sweeps: a kill of the sweep and of everything it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_sweep_that_was_killed_ends_in_the_same_table(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "kill_and_sweep.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script), "--kills", "1"], capture_output=True, text=True, check=False,
                          env=environment, cwd=tmp_path, timeout=500)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "every table and encoder equal" in done.stdout
