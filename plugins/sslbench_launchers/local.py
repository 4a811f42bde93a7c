"""Runs as processes of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssl_bench.plugin.options import Options
from ssl_bench.plugin.services import Job, JobState

PARENT = "SSLBENCH_PARENT"
"""Tells a run whose child it is: it ends with a sweep that is killed, so that nobody else writes where it does."""


def own_cores() -> int:
    """Cores that this process may use; all of the machine's where the system cannot say, as macOS."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Local:
    """One process a run, each with its share of the cores and its GPUs.

    Args:
        options: none.
        jobs: runs at once, 0 for one a GPU, or one where there is none.
        folder: not needed.
    """

    stays = False

    def __init__(self, options: Options, jobs: int, folder: Path) -> None:
        self.gpus = visible_gpus()
        self.jobs = jobs
        self.slots = self.shared = jobs or max(1, len(self.gpus))
        self._running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def submit(self, job: Job) -> str:
        """Start the run; an empty handle where its GPUs are not free."""
        held = {slot for _, slot in self._running.values()}
        slot = next(number for number in range(self.slots + 1) if number not in held)
        if self.gpus and job.gpus and not self.jobs and (slot + 1) * job.devices > max(len(self.gpus), job.devices):
            return ""
        command = job.resume if (job.run / "config.yaml").is_file() else job.start
        with job.log.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env=os.environ | {PARENT: str(os.getpid())} | self._share(slot, job),
            )  # fmt: skip
        self._running[str(process.pid)] = (process, slot)
        return str(process.pid)

    def _share(self, slot: int, job: Job) -> dict[str, str]:
        """The cores of a run as threads, and its GPUs by number."""
        threads = max(1, own_cores() // (self.slots * job.devices))
        share = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads)}
        if self.gpus and job.gpus:
            chosen = [self.gpus[(slot * job.devices + number) % len(self.gpus)] for number in range(job.devices)]
            share["CUDA_VISIBLE_DEVICES"] = ",".join(dict.fromkeys(chosen))
        return share

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        """Running, or ended with its exit code."""
        found = {}
        for handle in handles:
            if handle not in self._running:
                found[handle] = JobState("ended", None)
                continue
            code = self._running[handle][0].poll()
            found[handle] = JobState("running") if code is None else JobState("ended", code)
            if code is not None:
                del self._running[handle]
        return found

    def stop(self, handles: Sequence[str]) -> None:
        """Ask runs to save at the next step."""
        for handle in handles:
            if handle in self._running:
                self._running[handle][0].send_signal(signal.SIGTERM)


def visible_gpus() -> list[str]:
    """Numbers of the GPUs that may be used; nothing is imported for it."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name and name != "-1"]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number, line in enumerate(filter(None, listed.splitlines())) if line.startswith("GPU")]
