"""Fault 18 of commands besides run and sweep: killed at random moments, they leave all or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_fault_18_commands_that_are_killed_leave_all_or_nothing(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "kill_and_repeat.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script), "--kills", "3"], capture_output=True, text=True, check=False,
                          env=environment, cwd=tmp_path, timeout=500)  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert [line.split(":")[0] for line in told] == ["evaluate", "export", "leaderboard", "prepare"]
    assert all(" 3 kills, " in line and line.endswith("everything equal") for line in told)
