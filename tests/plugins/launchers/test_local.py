"""Processes of this machine: exit codes, shares of cores and GPUs, and an end with the sweep."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.plugin.options import Options
from ssl_bench.plugin.services import Job, JobState
from sslbench_launchers import local
from sslbench_launchers.local import Local, visible_gpus


def job(folder: Path, code: str, **more: Any) -> Job:
    start = (sys.executable, "-c", code)
    resume = (sys.executable, "-c", "print('resumed')")
    return Job("cell", folder / "run", start, resume, folder / "log", folder / "exit", **more)


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    monkeypatch.setattr(local, "visible_gpus", list)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    made = Local(Options(), 2, tmp_path)
    yield made
    for process, _ in made._running.values():
        process.kill()
        process.wait()


def ended(launcher: Local, handle: str, asked: Job) -> JobState:
    for _ in range(600):
        state = launcher.states({handle: asked})[handle]
        if state.phase == "ended":
            return state
        time.sleep(0.05)
    raise AssertionError("it does not end")


@pytest.mark.parametrize(("code", "wanted"), [("pass", 0), ("raise SystemExit(3)", 3),
                                              ("import os; os.kill(os.getpid(), 9)", -9)])  # fmt: skip
def test_exit_codes_and_signals_are_told(launcher: Local, tmp_path: Path, code: str, wanted: int) -> None:
    asked = job(tmp_path, code)
    assert ended(launcher, launcher.submit(asked), asked) == JobState("ended", wanted)


def test_a_run_that_is_there_is_resumed(launcher: Local, tmp_path: Path) -> None:
    asked = job(tmp_path, "print('started')")
    ended(launcher, launcher.submit(asked), asked)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    ended(launcher, launcher.submit(asked), asked)
    assert asked.log.read_text().split() == ["started", "resumed"]


def test_runs_share_cores_and_gpus(launcher: Local, tmp_path: Path) -> None:
    launcher.gpus = ["0", "1", "2", "3"]
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['CUDA_VISIBLE_DEVICES'])"
    asked = job(tmp_path, code, devices=2, gpus=True)
    ended(launcher, launcher.submit(asked), asked)
    threads = max(1, len(os.sched_getaffinity(0)) // 4)
    assert asked.log.read_text().split() == [str(threads), "0,1"]
    assert launcher._share(1, asked)["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_a_run_asked_to_stop_gets_sigterm(launcher: Local, tmp_path: Path) -> None:
    asked = job(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    handle = launcher.submit(asked)
    while not asked.log.read_text():
        time.sleep(0.02)
    launcher.stop([handle])
    assert ended(launcher, handle, asked).code == -15


def test_a_job_of_an_earlier_sweep_is_lost(launcher: Local, tmp_path: Path) -> None:
    assert launcher.states({"1": job(tmp_path, "pass")}) == {"1": JobState("ended", None)}


def test_gpus_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert visible_gpus() == ["2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_a_run_dies_with_the_sweep_that_started_it(tmp_path: Path) -> None:
    child = (
        "import os, time; from ssl_bench.cli import end_with_sweep; end_with_sweep(); "
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    sweep = (
        "import os, subprocess, sys, time\nos.environ['SSLBENCH_PARENT'] = str(os.getpid())\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", sweep], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the run lives on")
