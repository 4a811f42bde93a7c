"""A sweep whose jobs are steps of a play: what each does when it is started, without a process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.config.config import load
from ssl_bench.plugin.services import Job, JobState
from ssl_bench.sweep.cells import Cell, address
from ssl_bench.sweep.loop import Sweep


def write_record(run: Path, config: Mapping[str, Any], value: float = 0.7) -> None:
    """The record of a finished run, as far as a sweep reads it."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").write_text("{}")
    row = {"encoder": "trained", "dataset": "synthetic", "split": "test", "protocol": "linear", "label": "macro",
           "metric": "auroc", "fraction": 1.0, "value": value, "ci_low": value - 0.1,
           "ci_high": value + 0.1}  # fmt: skip
    record = {"schema": 1, "metrics": [{**row, "protocol": "knn"}, row], "data": {"name": "synthetic"},
              "config": config,
              "pretraining": {"steps": 10, "images_seen": 160, "images_per_second": 32.0}}  # fmt: skip
    (run / "record.json").write_text(json.dumps(record))


class Stage:
    """A launcher that plays: ``acts[method]`` says how each start of a cell ends.

    ``0``: it finishes; another number: its exit code; ``None``: it is lost; ``...``: it goes on for ever.
    """

    def __init__(self, acts: Mapping[str, list[Any]], slots: int = 2, *, stays: bool = False) -> None:
        self.acts = {name: list(codes) for name, codes in acts.items()}
        self.slots = self.shared = slots
        self.stays = stays
        self.started: list[Job] = []
        self.live: dict[str, Any] = {}
        self.stopped: list[str] = []

    def submit(self, job: Job) -> str:
        self.started.append(job)
        handle = str(len(self.started))
        self.live[handle] = self.acts[job.name.split("-seed")[0]].pop(0)
        return handle

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        return {handle: self._end(handle, job) for handle, job in handles.items() if handle in self.live}

    def _end(self, handle: str, job: Job) -> JobState:
        code = self.live[handle]
        if code is ...:
            return JobState("running")
        if code == 0:
            write_record(job.run, {"evaluate": {"protocols": ["linear", "knn"]}})
        elif isinstance(code, int):
            job.log.write_text(f"working\nsslbench: error: it ended with {code}\n")
        return JobState("ended", code)

    def stop(self, handles: Sequence[str]) -> None:
        self.stopped += handles
        self.live |= dict.fromkeys(handles, 130)


@pytest.fixture
def cells() -> list[Cell]:
    configs = [load({"method": name}, name="smoke") for name in ("simclr", "msn", "byol")]
    return [Cell(address(config), config) for config in configs]


@pytest.fixture
def play(cells: list[Cell], tmp_path: Path) -> Callable[..., Sweep]:
    """``play(simclr=[0], ...)`` makes a sweep of three cells over a stage."""

    def make(launcher: Stage | None = None, *, show: Any = lambda states: None, retry: bool = False,
             **acts: list[Any]) -> Sweep:  # fmt: skip
        return Sweep(cells, tmp_path / "sweep", launcher or Stage(acts), tmp_path, show, retry_failed=retry, pause=0)

    return make


@pytest.fixture
def staged() -> type[Stage]:
    """The launcher, to be made with other settings."""
    return Stage


@pytest.fixture
def finished() -> Callable[..., None]:
    """Writes the record of a finished run."""
    return write_record
