"""What tests of commands that start runs share: a launcher of this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.plugin.services import Job, JobState


class Here:
    """A launcher that runs each job at once, in this process."""

    slots = shared = 1
    stays = False

    def __init__(self, options: Any, jobs: int, folder: Path) -> None:
        self.codes: dict[str, int] = {}

    def submit(self, job: Job) -> str:
        from ssl_bench.cli import main

        command = job.resume if (job.run / "config.yaml").is_file() else job.start
        before, sys.argv = sys.argv, ["sslbench", *command[3:]]
        with pytest.raises(SystemExit) as ended:
            main()
        sys.argv = before
        self.codes[job.name] = int(ended.value.code or 0)
        return job.name

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        return {handle: JobState("ended", self.codes[handle]) for handle in handles}

    def stop(self, handles: Sequence[str]) -> None:
        raise AssertionError("nothing runs beside")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslbench_launchers.local.Local", Here)
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
