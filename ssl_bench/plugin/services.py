"""What the loaded target of a launcher and of a logger must be; neither changes what a run computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable


@dataclass(frozen=True)
class Job:
    """One run of a sweep, as a launcher starts it.

    Args:
        name: of the cell.
        run: the run directory; a job that finds a run there resumes it.
        start: the command that begins the run.
        resume: the command that goes on with it.
        log: file that gets what the command says, appended.
        exit: file that gets the exit code where nobody is there to wait for it.
        devices: processes on each machine.
        nodes: machines.
        gpus: the processes want a GPU each.
    """

    name: str
    run: Path
    start: Sequence[str]
    resume: Sequence[str]
    log: Path
    exit: Path
    devices: int = 1
    nodes: int = 1
    gpus: bool = False


class JobState(NamedTuple):
    """What a launcher knows of a job.

    Attributes:
        phase: ``queued``, ``running`` or ``ended``; a job that nobody knows any more has ended.
        code: exit code, negative for a signal, None where it is unknown.
    """

    phase: Literal["queued", "running", "ended"]
    code: int | None = None


class Launcher(Protocol):
    """Starts the runs of a sweep, built as ``Target(options, jobs, folder)``.

    ``jobs`` is how many may run at once, 0 for the launcher's own choice; in ``folder`` it may keep what it needs.

    Attributes:
        slots: how many jobs the sweep may hand over before one of them has ended.
        shared: how many of them share this machine.
        stays: its jobs go on when the sweep ends.
    """

    slots: int
    shared: int
    stays: bool

    def submit(self, job: Job) -> str:
        """Start a job; returns a handle, under which a later sweep finds a job that goes on by itself."""

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        """The state of each job; a handle is left out where it cannot be told just now."""

    def stop(self, handles: Sequence[str]) -> None:
        """Ask jobs to save and end."""


@runtime_checkable
class Explains(Protocol):
    """A launcher that can say what a job would ask for; ``sslbench sweep --dry-run`` prints it."""

    def explain(self, job: Job) -> str:
        """What would be asked for, in lines.

        Raises:
            UsageError: jobs cannot be started from here.
        """


class Logger(Protocol):
    """Takes the numbers of a run, built as ``Target(options, name, folder)``; it may raise, a run never fails by it."""

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Numbers of one logged step."""

    def finish(self, record: Mapping[str, Any] | None = None) -> None:
        """The training has ended; with the record of the run, where it is finished."""
