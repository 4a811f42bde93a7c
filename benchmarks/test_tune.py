"""What a tune costs beside a sweep of the same runs: the journal, the points and the choice."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from benchmarks.interleave import interleave
from ssl_bench.config.config import load
from ssl_bench.pipeline import execute
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import discover
from ssl_bench.plugin.services import Job, JobState
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.loop import Sweep, claimed
from ssl_bench.tune.asked import budget_of
from ssl_bench.tune.cells import trial_cells
from ssl_bench.tune.points import fixed_points
from ssl_bench.tune.rules import rule_of
from ssl_bench.tune.run import Tune, held
from ssl_bench.tune.studies import Asked, studies_of

TRIALS, ROUNDS = 4, 3
BASE = {"preset": "smoke", "evaluate": {"protocols": "knn"}, "pretrain": {"threads": 1},
        "data": {"options": {"images": 160, "size": 40}}}  # fmt: skip


class Silent:
    """A narrator of nothing but the log."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    def stage(self, sentence: str) -> None: ...

    def prepared(self, done: int, total: int) -> None: ...

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        self.run.append_log(dict(entry))

    def warn(self, sentence: str) -> None: ...


class Here:
    """A launcher that runs in this process, so that no start-up of a program blurs the comparison."""

    stays, slots, shared = False, 1, 1

    def __init__(self, cache: Path) -> None:
        self.cache, self.seconds = cache, 0.0

    def submit(self, job: Job) -> str:
        began = time.perf_counter()
        config = load({}, file=Path(job.start[job.start.index("--config") + 1]))
        run = RunDirectory(job.run)
        with run.claimed():
            execute(make_plan(config, discover(), self.cache), run, Silent(run))
        self.seconds += time.perf_counter() - began
        return job.name

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        return {handle: JobState("ended", 0) for handle in handles}

    def stop(self, handles: Sequence[str]) -> None: ...


@pytest.fixture
def asked() -> Asked:
    return Asked(("simclr",), BASE, budget_of(None, TRIALS), 1, "sobol", "none", rule_of("validation", ()))


def test_overhead(report: Any, tmp_path: Path, asked: Asked) -> None:
    """The same four trainings, by a sweep and by a tune; both sides count the same seconds for the runs themselves."""
    registry, cache = discover(), tmp_path / "cache"
    own: dict[str, list[float]] = {"tune": [], "sweep": []}
    runs: list[float] = []

    def timed(name: str, body: Callable[[Path, Here], object]) -> Callable[[], None]:
        def call() -> None:
            with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
                here, began = Here(cache), time.perf_counter()
                body(Path(folder), here)
                own[name].append(time.perf_counter() - began - here.seconds)
                runs.append(here.seconds)

        return call

    def tune(folder: Path, here: Here) -> None:
        with held(folder):
            Tune(asked, studies_of(asked, registry), folder, lambda: here, registry, cache, lambda states: None,
                 pause=0).search()  # fmt: skip

    def sweep(folder: Path, here: Here) -> None:
        (study,) = studies_of(asked, registry)
        points = fixed_points(study.space.default(), TRIALS, "sobol", 0)
        settings = [study.space.settings(point) if number else {} for number, point in enumerate(points)]
        cells = [cell for one in settings for cell in trial_cells(study, one, asked.rule, "none", registry).values()]
        with claimed(folder):
            Sweep(cells, folder, here, cache, lambda states: None, pause=0).run()

    interleave({"tune": timed("tune", tune), "sweep": timed("sweep", sweep)}, ROUNDS)
    shared = median(runs)
    times = {name: [shared + seconds for seconds in found[1:]] for name, found in own.items()}  # the first warms up
    report.ratio(f"tune, {TRIALS} trials of simclr", times, "tune", "sweep", at_least=1 / 1.02)
