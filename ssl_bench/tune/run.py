"""The course of a tune: trials until their budget is spent, the choice, then fresh seeds with what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ssl_bench.config.tuned import Tuning
from ssl_bench.errors import DataError, HandledError
from ssl_bench.files import locked
from ssl_bench.plugin.registry import Registry
from ssl_bench.plugin.services import Launcher
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.cells import Cell
from ssl_bench.sweep.loop import Show, Sweep, claimed, found_again
from ssl_bench.sweep.state import State
from ssl_bench.tune.best import chosen
from ssl_bench.tune.cells import final_cells, trial_cells
from ssl_bench.tune.ledger import Journal, Study, Trial
from ssl_bench.tune.prune import given_up
from ssl_bench.tune.rules import value_of
from ssl_bench.tune.spending import Purse
from ssl_bench.tune.studies import Asked, StudyPlan

NOT_STARTED = "it cannot be started"
"""Begins the reason of a cell that the launcher refused: that is no fault of the trial, which is tried again."""


@dataclass(frozen=True)
class Open:
    """A trial that is under way.

    Args:
        plan: of its study.
        log: its study's part of the journal.
        trial: as it began.
        cells: its runs by member.
    """

    plan: StudyPlan
    log: Study
    trial: Trial
    cells: Mapping[str, Cell]


class Tune:
    """Runs a tune in a folder that the caller holds (:func:`held`).

    Args:
        asked: what is tuned, and how.
        studies: of it.
        folder: gets ``trials``, ``final`` and the journal.
        launcher: makes what starts runs, one for each sweep.
        registry: of the installed plugins.
        cache: of prepared images, which all runs share.
        show: told about the runs once a round.
        flags: further flags of ``sslbench run``.
        pause: seconds between two rounds.
    """

    def __init__(
        self,
        asked: Asked,
        studies: Sequence[StudyPlan],
        folder: Path,
        launcher: Callable[[], Launcher],
        registry: Registry,
        cache: Path,
        show: Show,
        *,
        flags: Sequence[str] = (),
        pause: float = 1.0,
    ) -> None:
        self.asked, self.folder, self.launcher, self.registry = asked, folder, launcher, registry
        self.cache, self.show, self.flags, self.pause = cache, show, tuple(flags), pause
        journal = Journal(private_folder(folder) / "journal.log")
        self.logs = {study.name: (study, journal.study(study.name, study.space.names)) for study in studies}
        self.purse = Purse(asked, folder / "trials", registry, cache)

    def search(self) -> None:
        """Run trials until every study has spent its budget.

        Raises:
            Interrupted: a signal came.
            HandledError: trials could not be started.
        """
        while pending := [one for study, log in self.logs.values() for one in self.purse.pending(study, log)]:
            self._run(sorted(pending, key=lambda one: one[2].number))

    def chosen(self) -> dict[str, tuple[StudyPlan, Trial]]:
        """The study and the winner by the study's name; one whose trials have all failed has none."""
        found = {name: (study, chosen(log.trials())) for name, (study, log) in self.logs.items()}
        return {name: (study, trial) for name, (study, trial) in found.items() if trial is not None}

    def finals(self) -> dict[str, dict[str, list[Cell]]]:
        """The runs with what was chosen, by study and member."""
        made = {
            name: final_cells(study, self.settings(study, trial), self.tuning(name), self.asked.seeds, self.registry)
            for name, (study, trial) in self.chosen().items()
        }
        return {name: {label: found_again(cells, self.folder / "final") for label, cells in members.items()}
                for name, members in made.items()}  # fmt: skip

    def evaluate(self) -> dict[str, State]:
        """Run fresh seeds with what was chosen, and look at the test split for the first time."""
        cells = [cell for members in self.finals().values() for found in members.values() for cell in found]
        seeds = sorted(cells, key=lambda cell: cell.config.seed)
        return self._sweep(seeds, self.folder / "final", self.show).run() if seeds else {}

    def settings(self, study: StudyPlan, trial: Trial) -> dict[str, object]:
        """The keys that a trial sets: none for the official default."""
        return study.space.settings(trial.point) if trial.number else {}

    def tuning(self, name: str) -> Tuning:
        """What the record of a run with the chosen settings says of them."""
        study, trial = self.chosen()[name]
        trials = self.logs[name][1].trials()
        failed = sum(one.state == "failed" for one in trials)
        members = tuple(study.members) if len(study.members) > 1 else ()
        asked = self.asked
        return Tuning(budget=asked.budget.told, rule=asked.rule.name, trials=len(trials), failed=failed,
                      trial=trial.number, sampler=asked.sampler, pruner=asked.pruner, shared=members,
                      space=study.space.digest)  # fmt: skip

    def _run(self, pending: Sequence[tuple[StudyPlan, Study, Trial]]) -> None:
        """Run these trials to their ends."""
        under_way = [one for study, log, trial in pending if (one := self._begun(study, log, trial)) is not None]
        cells = {cell.name: cell for one in under_way for cell in one.cells.values()}
        if not cells:
            return

        def show(states: Mapping[str, State]) -> None:
            for one in under_way:
                self._follow(one, states, sweep)
            self.show(states)

        sweep = self._sweep(list(cells.values()), self.folder / "trials", show)
        states = sweep.run()
        left = [one for one in under_way if one.log.trials()[one.trial.number].open]
        if left:
            reasons = {state.reason for state in states.values() if state.reason.startswith(NOT_STARTED)}
            raise HandledError(f"{len(left)} trials could not be started ({'; '.join(sorted(reasons))}); the same "
                               "command tries them again")  # fmt: skip

    def _sweep(self, cells: Sequence[Cell], folder: Path, show: Show) -> Sweep:
        return Sweep(cells, folder, self.launcher(), self.cache, show, retry_failed=True, flags=self.flags,
                     pause=self.pause)  # fmt: skip

    def _begun(self, study: StudyPlan, log: Study, trial: Trial) -> Open | None:
        """A trial with its runs; settings that a component refuses are a trial that failed."""
        try:
            cells = trial_cells(study, self.settings(study, trial), self.asked.rule, self.asked.pruner, self.registry)
        except HandledError as error:
            log.tell(trial.number, str(error))
            return None
        cells = dict(zip(cells, found_again(list(cells.values()), self.folder / "trials"), strict=True))
        log.begin(trial.number, {label: cell.name for label, cell in cells.items()})
        return Open(study, log, trial, cells)

    def _follow(self, one: Open, states: Mapping[str, State], sweep: Sweep) -> None:
        """Write down a trial that has ended, and end one that its pruner gives up."""
        phases = {label: states[cell.name] for label, cell in one.cells.items()}
        ended = not any(state.phase in ("queued", "running") or state.reason.startswith(NOT_STARTED)
                        for state in phases.values())  # fmt: skip
        watched = self.asked.pruner != "none" and one.plan.trained
        if not (ended or watched) or not (now := one.log.trials()[one.trial.number]).open:
            return
        if watched and (reason := self._hopeless(one, now)):
            for cell in one.cells.values():
                sweep.withdraw(cell.name, reason)
            one.log.prune(now.number, reason)
            return
        if not ended:
            return
        failed = [f"{label}: {state.reason}" if len(phases) > 1 else state.reason
                  for label, state in phases.items() if state.phase == "failed"]  # fmt: skip
        one.log.tell(now.number, *(("; ".join(failed),) if failed else self._outcome(one)))

    def _hopeless(self, one: Open, trial: Trial) -> str:
        name = next(iter(one.cells.values())).name
        log, epochs = RunDirectory(self.folder / "trials" / name).log, one.plan.config.pretrain.epochs
        return given_up(one.log, trial, log, epochs, self.asked.pruner)

    def _outcome(self, one: Open) -> tuple[float | str, Mapping[str, float]]:
        """What the rule selects by: the mean over the members of a study; or why there is none."""
        values: dict[str, float] = {}
        for label, cell in one.cells.items():
            try:
                record = RunDirectory(self.folder / "trials" / cell.name).read_record()
            except HandledError as error:
                return str(error), {}
            found = value_of(record, self.asked.rule, cell.config.evaluate.protocols[0])
            if isinstance(found, str):
                return found, {}
            values[label] = found
        return sum(values.values()) / len(values), values


def private_folder(folder: Path) -> Path:
    """Where a tune keeps its journal and its lock."""
    return folder / ".tune"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a tune's folder and those of its sweeps.

    Raises:
        DataError: another tune works there, or it is no folder to write in.
    """
    try:
        private_folder(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"tune folder {folder} cannot be made: {error.strerror}; choose another --out") from None
    with ExitStack() as stack:
        stack.enter_context(locked(private_folder(folder) / "lock", f"tune {folder}"))
        for name in ("trials", "final"):
            stack.enter_context(claimed(folder / name))
        yield
