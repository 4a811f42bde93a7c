"""What is known of a cell: from its run directory, its log, and what the sweep wrote down itself."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ssl_bench.files import write_json
from ssl_bench.plugin.names import MACRO
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.standing import standing

Phase = Literal["queued", "running", "done", "failed"]

PREFIX = "sslbench: error: "

BEGINS = "--- sslbench sweep starts "
"""Begins the line of a log above what one try of a cell says."""


@dataclass
class State:
    """Where a cell stands.

    Args:
        phase: of the cell; ``done`` says its record, whatever is written here.
        reason: why it failed, or what it waits for.
        handle: of its job, under which the launcher finds it again.
        interruptions: times that it was stopped, preempted or lost, and queued again.
        result: macro AUROC with its interval, once it is done.
        progress: share of the training that is done, and seconds left.
    """

    phase: Phase = "queued"
    reason: str = ""
    handle: str = ""
    interruptions: int = 0
    result: Mapping[str, Any] | None = field(default=None, compare=False)
    progress: tuple[float, float] | None = field(default=None, compare=False)


class StateFile:
    """The states of all cells that a folder has seen, on the disk.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, State]:
        """The states as they were written last; a damaged file counts as none, since records say what is done."""
        try:
            kept = json.loads(self.path.read_text())
            return {name: State(**values) for name, values in kept.items()}
        except (OSError, ValueError, TypeError):
            return {}

    def write(self, states: Mapping[str, State]) -> None:
        """Replace the file; what the runs say themselves is not kept twice."""
        kept = {name: {key: value for key, value in asdict(state).items() if key not in ("result", "progress")}
                for name, state in states.items()}  # fmt: skip
        write_json(self.path, kept)


def result_of(run: RunDirectory) -> dict[str, Any] | None:
    """The row of a finished run that the table shows: macro AUROC on the test split by its first protocol.

    The trained encoder's, or the baseline's where nothing was trained; without such a row an empty one.
    """
    if not run.record.is_file():
        return None
    record = run.read_record()
    rows = [
        row for row in record.metrics
        if (row.split, row.label, row.metric, row.subgroup, row.fraction)
        == ("test", MACRO, "auroc", "all", 1.0)
        and row.dataset == record.data.name
    ]  # fmt: skip
    order = record.settings.evaluate.protocols
    stands = standing(record, {row.encoder for row in rows})
    rows.sort(key=lambda row: (row.encoder != stands, order.index(row.protocol)))
    return rows[0].as_json() if rows else {}


def progress_of(run: RunDirectory, epochs: int, batch_size: int) -> tuple[float, float] | None:
    """Share of the training that is done and seconds left, from the last line of the log; None before the first."""
    try:
        with run.log.open("rb") as log:
            log.seek(max(0, run.log.stat().st_size - 4096))
            entry = json.loads(log.read().splitlines()[-1])
        left = (epochs - entry["epoch"]) * entry["step"] / entry["epoch"] * batch_size / entry["images_per_second"]
        return entry["epoch"] / epochs, left
    except (OSError, ValueError, LookupError, ZeroDivisionError, TypeError):
        return None  # not there yet, or its last line is being written


def reason_of(code: int | None, log: Path) -> str:
    """Why a job ended without a record, in a sentence."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + ("; the machine may have run out of memory" if name == "SIGKILL" else "")
    lines = last_try(log)
    told = next((line.removeprefix(PREFIX) for line in reversed(lines) if line.startswith(PREFIX)), "")
    last = told or next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return last if told else f"exit code {code}: {last}"


def last_try(log: Path) -> list[str]:
    """What the last try of a cell said, since its log keeps what all have said."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return []
    begins = [number for number, line in enumerate(lines) if line.startswith(BEGINS)]
    return lines[begins[-1] + 1 if begins else 0 :]
