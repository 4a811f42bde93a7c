"""Runs as jobs of a Slurm cluster. submitit writes the batch script; the state of a job comes from squeue."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ssl_bench.errors import DataError, UsageError
from ssl_bench.files import check_unlocked, write_json
from ssl_bench.plugin.services import Job, JobState
from sslbench_launchers.local import PARENT
from sslbench_launchers.options import SlurmOptions

WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SUSPENDED", "SPECIAL_EXIT")
COMMANDS = ("sbatch", "srun", "squeue", "scontrol", "scancel")
"""What this launcher and submitit call."""

INTERRUPTED = 130

TIMEOUT_S = 120.0
"""Seconds that an interrupted run waits for Slurm to end or requeue its job before the job gives up itself."""

LAG = 20.0
"""Seconds that the exit code of a job may need to become visible on a shared file system."""


class Task:
    """What each process of a job does: the run as a child, which is told to save before the job is taken away.

    Args:
        job: the run.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._child: subprocess.Popen[bytes] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"job": self.job, "_child": None}

    def __call__(self) -> int:
        """Start or resume the run, and leave its exit code."""
        job = self.job
        if first := int(os.environ.get("SLURM_PROCID", 0)) == 0:
            self._wait_for_the_one_before()
        if (job.run / "record.json").is_file():
            return 0
        command = job.resume if (job.run / "config.yaml").is_file() else job.start
        with job.log.open("ab") as log:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                           env=os.environ | {PARENT: str(os.getpid())})  # fmt: skip
        signal.signal(signal.SIGTERM, self._pass_on)  # submitit lets it drop
        code = self._child.wait()
        if code in (INTERRUPTED, -signal.SIGTERM):
            time.sleep(TIMEOUT_S)  # a job that ends now would not be requeued
        if first:
            write_json(job.exit, {"code": code})
        return code

    def _wait_for_the_one_before(self) -> None:
        """A requeued job can start while the processes of its first try still save."""
        for _ in range(int(TIMEOUT_S)):
            try:
                check_unlocked(self.job.run / ".lock", "the run")
                return
            except DataError:
                time.sleep(1.0)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._child:
            self._child.send_signal(number)

    def checkpoint(self) -> Any:
        """Called by submitit before the time limit: let the run save, then have the job requeued."""
        from submitit.helpers import DelayedSubmission

        if self._child:
            self._child.send_signal(signal.SIGTERM)
            with suppress(ChildProcessError):  # it had ended before
                # This interrupts a wait for the same child, which holds the lock that a second wait would need.
                os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(self)


class Slurm:
    """Hands every run to Slurm, which decides when and where it runs.

    Args:
        options: what the jobs ask for.
        jobs: jobs in Slurm's queue at once, 0 for all.
        folder: for batch scripts and their output.
    """

    stays = True
    shared = 1

    def __init__(self, options: SlurmOptions, jobs: int, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.slots = jobs or 10_000
        self._ended: dict[str, float] = {}

    def submit(self, job: Job) -> str:
        """Submit the job; its number.

        Raises:
            UsageError: this is no cluster, or Slurm refuses the job.
        """
        import submitit

        executor = self._executor(job)
        try:
            return str(executor.submit(Task(job)).job_id)
        except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
            raise UsageError(f"Slurm refuses the job of {job.name}: {' '.join(str(error).split())}") from None

    def explain(self, job: Job) -> str:
        """What Slurm would be asked for, and the batch script.

        Raises:
            UsageError: this is no cluster.
        """
        executor = self._executor(job)._executor
        command = executor._submitit_command_str  # submitit has no public way to a script that is not submitted
        script = executor._make_submission_file_text(command, "explained").strip()
        options = self.options
        asked = {
            "partition": options.partition or "the cluster's default",
            "time": f"{options.minutes} min, saved and queued again {options.save_seconds} s before",
            "machines": job.nodes,
            "processes": f"{job.devices} on each machine" + (", a GPU each" if job.gpus else ""),
            "cores": f"{options.cpus} for each process",
            "memory": f"{options.memory_gb:g} GB on each machine" if options.memory_gb else "the cluster's default",
        }
        return "\n".join([*(f"{name:<10} {value}" for name, value in asked.items()), "", script])

    def _executor(self, job: Job) -> Any:
        alone = job.devices * job.nodes == 1
        executor = _executor(self.folder, exec_python=alone)
        executor.update_parameters(**self._parameters(job))
        return executor

    def _parameters(self, job: Job) -> dict[str, Any]:
        options = self.options
        alone = job.devices * job.nodes == 1
        named = {"partition": options.partition, "account": options.account, "qos": options.qos}
        wanted: dict[str, Any] = {
            "name": job.name, "timeout_min": options.minutes, "nodes": job.nodes, "tasks_per_node": job.devices,
            "cpus_per_task": options.cpus, "slurm_use_srun": not alone,
            "slurm_setup": list(options.setup), "slurm_signal_delay_s": options.save_seconds,
            "slurm_additional_parameters": {
                "requeue": True, **({"signal": self._to_the_batch_process()} if alone else {}), **options.more,
            },
            **{f"slurm_{key}": value for key, value in named.items() if value},
        }  # fmt: skip
        if options.memory_gb:
            wanted["mem_gb"] = options.memory_gb
        if job.gpus:
            wanted["gpus_per_node"] = job.devices
        return wanted

    def _to_the_batch_process(self) -> str:
        """A lone process has no job step, to which Slurm's signal before the limit goes otherwise."""
        from submitit import JobEnvironment

        return f"B:{JobEnvironment.USR_SIG}@{self.options.save_seconds}"

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        """From squeue, which knows every job that has not ended, and from the exit codes that jobs leave."""
        listed = queue()
        if listed is None:
            return {}
        found = {}
        for handle, job in handles.items():
            if handle in listed:
                self._ended.pop(handle, None)
                found[handle] = JobState("queued" if listed[handle] in WAITING else "running")
            elif (code := exit_code(job.exit)) is not None:
                found[handle] = JobState("ended", code)
            elif time.monotonic() - self._ended.setdefault(handle, time.monotonic()) > LAG:
                found[handle] = JobState("ended", None)
        return found

    def stop(self, handles: Sequence[str]) -> None:
        """Cancel jobs."""
        subprocess.run(["scancel", *handles], check=False)


def _executor(folder: Path, *, exec_python: bool) -> Any:
    """An executor of submitit; ``exec_python`` puts the program in the batch shell's place, where signals go."""
    import submitit

    missing = [command for command in COMMANDS if not shutil.which(command)]
    if missing:
        raise UsageError(
            f"launcher slurm needs the commands of a Slurm cluster here, not on the PATH: {', '.join(missing)}; "
            "start the sweep on a machine from which jobs are submitted"
        )
    python = f"{'exec ' if exec_python else ''}{shlex.quote(sys.executable)}"
    return submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=1000, slurm_python=python)


def queue() -> dict[str, str] | None:
    """States of the user's jobs by number; None where the controller does not answer."""
    command = ["squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i %T"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        return None
    return dict(line.split(maxsplit=1) for line in asked.stdout.splitlines() if line.strip())


def exit_code(path: Path) -> int | None:
    """What a job left, None where it left nothing."""
    try:
        return int(json.loads(path.read_text())["code"])
    except (OSError, ValueError, LookupError):
        return None
