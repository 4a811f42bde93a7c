"""Tunes whose runs are steps of a play: a launcher writes the record that a run with these settings would leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssl_bench.config.config import load
from ssl_bench.plugin.registry import Registry, discover
from ssl_bench.plugin.services import Job, JobState
from ssl_bench.tune.asked import Budget, budget_of, searches_of
from ssl_bench.tune.rules import rule_of
from ssl_bench.tune.run import Tune, held
from ssl_bench.tune.studies import Asked, studies_of

Value = Callable[[Mapping[str, Any]], float | str]


def write_run(run: Path, config: Mapping[str, Any], value: float, seconds: float = 36.0) -> None:
    """The record of a finished run, as far as a tune reads it: validation of a trial, test of a final run."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").write_text("{}")
    split = "validate" if config["evaluate"]["withhold"] else "test"
    protocol = config["evaluate"]["protocols"][0]
    baseline = config["method"]["name"] in ("random", "pixels")
    row = {"encoder": config["method"]["name"] if baseline else "trained", "dataset": "synthetic", "split": split,
           "protocol": protocol, "label": "macro", "metric": "auroc", "subgroup": "all", "fraction": 1.0,
           "value": value, "ci_low": None, "ci_high": None, "note": ""}  # fmt: skip
    record = {"schema": 1, "method": config["method"]["name"], "metrics": [row], "data": {"name": "synthetic"},
              "config": config, "seconds": {"total": seconds}, "cost": {"flops": 1e9}}  # fmt: skip
    (run / "record.json").write_text(json.dumps(record))


class Play:
    """A launcher that plays: a run ends at once with the value of its settings, or with the reason that is a text."""

    stays = False

    def __init__(self, value: Value, slots: int = 2, *, log: Callable[[Mapping[str, Any]], Any] | None = None) -> None:
        self.value, self.slots, self.shared, self.log = value, slots, slots, log
        self.started: list[str] = []
        self.configs: list[Mapping[str, Any]] = []
        self.stopped: list[str] = []
        self._looked: dict[str, int] = {}

    def submit(self, job: Job) -> str:
        self.started.append(job.name)
        return str(len(self.started))

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        return {handle: self._end(handle, job) for handle, job in handles.items()}

    def _end(self, handle: str, job: Job) -> JobState:
        config = yaml.safe_load(Path(job.start[job.start.index("--config") + 1]).read_text())
        if handle in self.stopped:
            return JobState("ended", 130)
        looks = self._looked[handle] = self._looked.get(handle, 0) + 1
        if self.log and looks < 5:
            job.run.mkdir(parents=True, exist_ok=True)
            with (job.run / "log.jsonl").open("a") as log:
                entry = {"epoch": looks * config["pretrain"]["epochs"] / 4, **self.log(config)}
                log.write(json.dumps(entry) + "\n")
            return JobState("running")
        self.configs.append(config)
        found = self.value(config)
        if isinstance(found, str):
            job.log.write_text(f"working\nsslbench: error: {found}\n")
            return JobState("ended", 5)
        write_run(job.run, config, found)
        return JobState("ended", 0)

    def stop(self, handles: Sequence[str]) -> None:
        self.stopped += handles


@pytest.fixture(scope="session")
def registry() -> Registry:
    return discover()


@pytest.fixture
def played(tmp_path: Path, registry: Registry) -> Callable[..., Tune]:
    """``played(value, "simclr", trials=8)``: a tune whose runs reach ``value(config)``, carried out to its end."""

    def make(value: Value, *methods: str, trials: int = 8, seeds: int = 2, sampler: Any = "sobol",
             pruner: str = "none", rule: str = "validation", searches: Sequence[str] = (), budget: Budget | None = None,
             shared: tuple[tuple[str, ...], ...] = (), base: Mapping[str, Any] | None = None, features: str = "",
             controls: tuple[str, ...] = (), log: Any = None, folder: str = "tune", finals: bool = True,
             slots: int = 2, show: Any = lambda states: None) -> Tune:  # fmt: skip
        base = {"preset": "smoke", "evaluate": {"protocols": "knn"}, **(base or {})}
        others = tuple(part.name for part in load(base).evaluate.test_on)
        asked = Asked(methods, base, budget or budget_of(None, trials), seeds, sampler, pruner, rule_of(rule, others),
                      features, controls, shared, searches_of(searches))  # fmt: skip
        launcher = Play(value, slots, log=log)
        with held(tmp_path / folder):
            tune = Tune(asked, studies_of(asked, registry), tmp_path / folder, lambda: launcher, registry, tmp_path,
                        show, pause=0)  # fmt: skip
            tune.launcher.play = launcher  # type: ignore[attr-defined]
            tune.search()
            if finals:
                tune.evaluate()
        return tune

    return make
