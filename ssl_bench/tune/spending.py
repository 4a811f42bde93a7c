"""What the next trials of a study are, as long as its budget pays for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssl_bench.errors import HandledError, UsageError
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.cells import Cell, Grouped, plan_cells
from ssl_bench.tune.asked import TRIALS
from ssl_bench.tune.cells import trial_cells
from ssl_bench.tune.ledger import Study, Trial
from ssl_bench.tune.points import Point, fixed_points, next_point
from ssl_bench.tune.studies import Asked, StudyPlan

FIRST = 8
"""Points that are drawn first where nobody knows how many a budget pays for."""


@dataclass(frozen=True)
class Purse:
    """Hands out trials.

    Args:
        asked: the budget, and how trials are drawn.
        folder: of the trials' runs.
        registry: of the installed plugins.
        cache: of prepared images.
        known: operations of trials by study and number.
    """

    asked: Asked
    folder: Path
    registry: Registry
    cache: Path
    known: dict[tuple[str, int], float] = field(default_factory=dict)

    @property
    def one_by_one(self) -> bool:
        """Whether a trial depends on those before it, so that a study runs one at a time."""
        asked = self.asked
        return asked.sampler == "tpe" or asked.pruner != "none" or asked.budget.kind == "gpu-hours"

    def pending(self, study: StudyPlan, log: Study) -> Iterator[tuple[StudyPlan, Study, Trial]]:
        """Trials that have begun and not ended; where there are none, the next that the budget pays for."""
        begun = [trial for trial in log.trials() if trial.open]
        if begun and (self.one_by_one or len(log.trials()) >= self._most(study)):
            trials: Sequence[Trial] = log.plan([trial.point for trial in log.trials()])
        else:
            trials = log.plan(self._points(study, log))
        yield from ((study, log, trial) for trial in trials if trial.open)

    def _points(self, study: StudyPlan, log: Study) -> list[Point]:
        """Points of all trials so far and of those to begin now."""
        asked, default, done = self.asked, study.space.default(), [trial.point for trial in log.trials()]
        most = self._most(study)
        if len(done) > most:
            raise UsageError(f"'{study.name}' has {len(done)} trials, and {most} are asked for; choose another --out")
        if self.one_by_one:
            if len(done) == most or not self._pays(study, log):
                return done
            points = [*done, next_point(default, log.history(), asked.sampler, asked.seed)]
        else:
            points = self._fixed(study, most)
        return points[: self._afforded(study, points)]

    def _fixed(self, study: StudyPlan, most: int) -> list[Point]:
        """The points of a fixed sequence, no more than needed: where operations end it, twice as many at a time."""
        asked, count = self.asked, most if self.asked.budget.kind == "trials" or not study.trained else FIRST
        while True:
            points = fixed_points(study.space.default(), min(count, most), asked.sampler, asked.seed)
            if count >= most or self._afforded(study, points) < len(points):
                return points
            count *= 2

    def _most(self, study: StudyPlan) -> int:
        """Trials at most: of what costs nothing to train as many as are usual, of what has no space the default."""
        if not study.space.dimensions:
            return 1
        free = not study.trained and self.asked.budget.kind != "trials"
        return min(self.asked.budget.trials, TRIALS) if free else self.asked.budget.trials

    def _pays(self, study: StudyPlan, log: Study) -> bool:
        """Whether hours are left; a trial that begins before they are spent counts as paid for."""
        if self.asked.budget.kind != "gpu-hours":
            return True
        spent = sum(hours_of(self.folder / name, study) for trial in log.trials() for name in trial.runs.values())
        return spent < self.asked.budget.amount

    def _afforded(self, study: StudyPlan, points: Sequence[Point]) -> int:
        """How many of these trials, from the first on, a budget of operations has enough for.

        Raises:
            UsageError: it does not pay for the official default.
        """
        if self.asked.budget.kind != "flops" or not study.trained:
            return len(points)
        left = self.asked.budget.amount
        for number, point in enumerate(points):
            left -= (took := self._flops(study, point, number))
            if left < 0 and not number:
                raise UsageError(f"the default of '{study.name}' takes {took:.3g} floating-point operations, found a "
                                 f"budget of {self.asked.budget.amount:g}; raise --budget")  # fmt: skip
            if left < 0:
                return number
        return len(points)

    def _flops(self, study: StudyPlan, point: Point, number: int) -> float:
        """Floating-point operations of a trial's trainings; none of settings that cannot be run."""
        from ssl_bench.build.estimate import estimate

        key = (study.name, number)
        if key not in self.known:
            plans = plan_cells(self._cells(study, point, number), self.registry, self.cache, Grouped())
            self.known[key] = float(sum(estimate(plan).step_flops * plan.steps for plan in plans.values()))
        return self.known[key]

    def _cells(self, study: StudyPlan, point: Point, number: int) -> list[Cell]:
        settings = study.space.settings(point) if number else {}
        try:
            return list(trial_cells(study, settings, self.asked.rule, self.asked.pruner, self.registry).values())
        except HandledError:
            return []


def hours_of(run: Path, study: StudyPlan) -> float:
    """Hours that a run has held its devices: as its record says, of one that failed from first file to last."""
    processes = study.config.pretrain.processes
    directory = RunDirectory(run)
    try:
        return float(directory.read_record().seconds["total"]) * processes / 3600
    except (HandledError, OSError):
        times = [path.stat().st_mtime for path in run.rglob("*") if path.is_file()]
        return (max(times) - min(times)) * processes / 3600 if times else 0.0
