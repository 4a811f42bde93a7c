"""Slurm without a cluster: what is asked for, and states from squeue and exit codes. tests/slurm has the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.components import Launcher
from ssl_bench.errors import UsageError
from ssl_bench.plugins import Registry
from ssl_bench.services import Job, JobState
from sslbench_launchers import slurm
from sslbench_launchers.options import SlurmOptions


def job(folder: Path, code: str = "pass", **more: Any) -> Job:
    start = (sys.executable, "-c", code)
    return Job("cell", folder / "run", start, start, folder / "log", folder / "exit.json", **more)


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Jobs that squeue lists."""
    listed = {"1": "RUNNING", "2": "PENDING"}
    monkeypatch.setattr(slurm, "queue", lambda: listed)
    return listed


def test_states_come_from_the_queue_and_then_from_what_the_job_left(
    queued: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher, asked = slurm.Slurm(SlurmOptions(), 0, tmp_path), job(tmp_path)
    handles = {"1": asked, "2": asked}
    assert launcher.states(handles) == {"1": JobState("running"), "2": JobState("queued")}
    queued.clear()
    assert launcher.states(handles) == {}  # the exit code may not be visible yet
    asked.exit.write_text(json.dumps({"code": 5}))
    assert launcher.states({"1": asked}) == {"1": JobState("ended", 5)}
    asked.exit.unlink()
    monkeypatch.setattr(slurm, "LAG", -1.0)
    assert launcher.states({"2": asked}) == {"2": JobState("ended", None)}


def test_a_controller_that_does_not_answer_says_nothing_about_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "queue", lambda: None)
    assert slurm.Slurm(SlurmOptions(), 0, tmp_path).states({"1": job(tmp_path)}) == {}


def test_the_queue_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 0, stdout="12 RUNNING\n13 PENDING\n", stderr="")
    monkeypatch.setattr(slurm.subprocess, "run", lambda *_, **__: answer)
    assert slurm.queue() == {"12": "RUNNING", "13": "PENDING"}
    answer.returncode = 1
    assert slurm.queue() is None


def test_a_job_asks_for_what_its_run_needs(tmp_path: Path) -> None:
    options = SlurmOptions(partition="gpu", minutes=60, memory_gb=20, more={"constraint": "h100"})
    asked = slurm.Slurm(options, 3, tmp_path)._parameters(job(tmp_path, devices=4, nodes=2, gpus=True))
    wanted = {"nodes": 2, "tasks_per_node": 4, "gpus_per_node": 4, "timeout_min": 60, "mem_gb": 20.0,
              "slurm_partition": "gpu"}  # fmt: skip
    assert wanted.items() <= asked.items()
    assert asked["slurm_additional_parameters"] == {"requeue": True, "constraint": "h100"}


@pytest.mark.parametrize(("code", "wanted"), [("pass", 0), ("raise SystemExit(3)", 3)])
def test_a_task_runs_its_command_and_leaves_the_exit_code(tmp_path: Path, code: str, wanted: int) -> None:
    asked = job(tmp_path, code)
    assert slurm.Task(asked)() == wanted
    assert slurm.exit_code(asked.exit) == wanted


def test_an_interrupted_run_waits_for_slurm_to_requeue_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(slurm.time, "sleep", waited.append)
    slurm.Task(job(tmp_path, "raise SystemExit(130)"))()
    assert waited == [slurm.PATIENCE]


def test_without_a_cluster_it_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="needs the commands of a Slurm cluster"):
        slurm.Slurm(SlurmOptions(), 0, tmp_path).submit(job(tmp_path))


def test_a_package_that_is_missing_is_named(registry: Registry) -> None:
    assert registry.get("launcher", "slurm").requires == {"submitit": "submitit>=1.5"}
    lacking = Launcher(name="far", target="x:y", summary="", requires={"no_such_module": "no-such"})
    with pytest.raises(UsageError, match="launcher 'far' needs no-such; pip install 'no-such'"):
        lacking.check_installed()
