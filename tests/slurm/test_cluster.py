"""A real Slurm of one node; only where somebody asks for it, for it installs and configures Slurm on this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ASKED = "SSLBENCH_ONE_NODE"
SCRIPT = Path(__file__).with_name("one_node.sh")

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(ASKED not in os.environ, reason=f"installs Slurm on this machine; {ASKED}=1 permits it"),
]


@pytest.mark.slow
def test_a_sweep_survives_a_requeue_its_own_end_and_a_time_limit(tmp_path: Path) -> None:
    ended = subprocess.run(["bash", str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
