"""Slurm without a cluster: what is asked for, and states from squeue and exit codes. tests/slurm has the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.errors import UsageError
from ssl_bench.plugin.components import LauncherSpec
from ssl_bench.plugin.registry import Registry
from ssl_bench.plugin.services import Job, JobState
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


def test_fault_35_slurm_tells_a_lone_process_before_its_time_is_up(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    launcher = slurm.Slurm(SlurmOptions(minutes=3, save_seconds=40), 0, tmp_path)
    asked = launcher._parameters(job(tmp_path))
    assert (asked["slurm_use_srun"], asked["timeout_min"], asked["slurm_signal_delay_s"]) == (False, 3, 40)
    assert asked["slurm_additional_parameters"] == {"requeue": True, "signal": "B:USR2@40"}
    several = launcher._parameters(job(tmp_path, devices=2))  # Slurm signals the steps of srun by itself
    assert several["slurm_use_srun"]
    assert several["slurm_additional_parameters"] == {"requeue": True}


SAVES = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(130)))
print("up", flush=True)
time.sleep(60)
"""


def test_fault_35_a_run_saves_before_its_job_is_queued_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes while the job waits for its run, and the handler waits for the same child."""
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm.time, "sleep", lambda seconds: None)
    asked, order = job(tmp_path, SAVES), []
    task = slurm.Task(asked)

    def before_the_limit(number: int, frame: Any) -> None:
        order.append(type(task.checkpoint()).__name__)
        order.append(asked.log.read_text().split())

    before = signal.signal(signal.SIGUSR2, before_the_limit)
    term = signal.getsignal(signal.SIGTERM)
    try:
        sender = threading.Thread(target=_when_up, args=(asked.log,))
        sender.start()
        assert task() == 130
        sender.join()
    finally:
        signal.signal(signal.SIGUSR2, before)
        signal.signal(signal.SIGTERM, term)
    assert order == ["DelayedSubmission", ["up", "saved"]]


def _when_up(log: Path) -> None:
    while not (log.is_file() and log.read_text()):
        threading.Event().wait(0.02)
    os.kill(os.getpid(), signal.SIGUSR2)


def on_a_cluster(folder: Path, monkeypatch: pytest.MonkeyPatch, commands: Sequence[str] = slurm.COMMANDS) -> None:
    """A PATH with nothing but these commands, none of which does anything."""
    (folder / "bin").mkdir()
    for name in commands:
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))


def test_what_slurm_would_be_asked_for_is_told_with_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    on_a_cluster(tmp_path, monkeypatch)
    options = SlurmOptions(partition="gpu", minutes=90, cpus=6, memory_gb=20, setup=("module load cuda",))
    told = slurm.Slurm(options, 0, tmp_path / "made").explain(job(tmp_path, gpus=True))
    asked, _, script = told.partition("\n\n")
    assert dict(line.split(maxsplit=1) for line in asked.splitlines()) == {
        "partition": "gpu", "time": "90 min, saved and queued again 90 s before", "machines": "1",
        "processes": "1 on each machine, a GPU each", "cores": "6 for each process",
        "memory": "20 GB on each machine",
    }  # fmt: skip
    lines = script.splitlines()
    assert {"#SBATCH --partition=gpu", "#SBATCH --time=90", "#SBATCH --cpus-per-task=6", "#SBATCH --mem=20GB",
            "#SBATCH --gpus-per-node=1", "#SBATCH --signal=B:USR2@90", "module load cuda"} < set(lines)  # fmt: skip
    assert lines[-1].startswith(f"exec {sys.executable} -u -m submitit")
    assert not (tmp_path / "made").exists()


def test_a_command_of_slurm_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    on_a_cluster(tmp_path, monkeypatch, [name for name in slurm.COMMANDS if name != "srun"])
    with pytest.raises(UsageError, match="needs the commands of a Slurm cluster here, not on the PATH: srun; "):
        slurm.Slurm(SlurmOptions(), 0, tmp_path).explain(job(tmp_path))


@pytest.mark.parametrize(("code", "wanted"), [("pass", 0), ("raise SystemExit(3)", 3)])
def test_a_task_runs_its_command_and_leaves_the_exit_code(tmp_path: Path, code: str, wanted: int) -> None:
    asked = job(tmp_path, code)
    assert slurm.Task(asked)() == wanted
    assert slurm.exit_code(asked.exit) == wanted


def test_an_interrupted_run_waits_for_slurm_to_requeue_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(slurm.time, "sleep", waited.append)
    slurm.Task(job(tmp_path, "raise SystemExit(130)"))()
    assert waited == [slurm.TIMEOUT_S]


def test_without_a_cluster_it_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="needs the commands of a Slurm cluster"):
        slurm.Slurm(SlurmOptions(), 0, tmp_path).submit(job(tmp_path))


def test_a_package_that_is_missing_is_named(registry: Registry) -> None:
    assert registry.get("launcher", "slurm").requires == {"submitit": "submitit>=1.5"}
    lacking = LauncherSpec(name="far", target="x:y", summary="", requires={"no_such_module": "no-such"})
    with pytest.raises(UsageError, match="launcher 'far' needs no-such; pip install 'no-such'"):
        lacking.check_installed()
