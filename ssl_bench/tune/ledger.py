"""The journal of a tune: every trial of every study in one Optuna file, which a kill at any byte leaves readable."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ssl_bench.tune.points import History, Point, distributions

State = Literal["waiting", "running", "done", "failed", "pruned"]

STARTUP_TRIALS = 4
"""Trials of a study that no pruner ends."""


@dataclass(frozen=True)
class Trial:
    """A trial as the journal has it.

    Args:
        number: counted from 0, which is the official default.
        point: shares of the ranges.
        state: where it stands; all but ``waiting`` and ``running`` are final.
        value: what the rule selects by; None where there is none.
        values: the same by member, where several methods share the trial.
        reason: why it failed or was pruned.
        runs: names of its runs by member.
    """

    number: int
    point: Point
    state: State
    value: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    runs: Mapping[str, str] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether something is left to do."""
        return self.state in ("waiting", "running")


class Journal:
    """The file.

    Args:
        path: of it; the folder is there and held by the caller.
    """

    def __init__(self, path: Path) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        mend(path)
        backend = JournalFileBackend(str(path), lock_obj=KernelLock(path))  # type: ignore[arg-type]
        self._storage = optuna.storages.JournalStorage(backend)

    def study(self, name: str, keys: Sequence[str]) -> Study:
        """A study by its name, with the trials that it has."""
        return Study(self._storage, name, keys)


class Study:
    """The trials of one search."""

    def __init__(self, storage: Any, name: str, keys: Sequence[str]) -> None:
        import optuna

        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)
        self.name, self._spread = name, distributions(keys)
        self._study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
        )

    def trials(self) -> list[Trial]:
        """All of them, by number."""
        return [_read(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def history(self) -> History:
        """Points of the trials so far with what they reached."""
        return [(trial.point, trial.value) for trial in self.trials()]

    def plan(self, points: Sequence[Point]) -> list[Trial]:
        """The trials of these points, new ones written down and begun; those that were planned before stay."""
        for point in points[len(self.trials()) :]:
            self._study.enqueue_trial(point, user_attrs={"point": point})
        for _ in range(sum(trial.state == "waiting" for trial in self.trials())):
            self._study.ask(fixed_distributions=self._spread)
        return self.trials()[: len(points)]

    def begin(self, number: int, runs: Mapping[str, str]) -> None:
        """Write down which runs a trial consists of."""
        if dict(self.trials()[number].runs) != dict(runs):
            self._trial(number).set_user_attr("runs", dict(runs))

    def tell(self, number: int, outcome: float | str, values: Mapping[str, float] | None = None) -> None:
        """The end of a trial: what it reached, or why it failed. One that has ended stays as it is."""
        if not self.trials()[number].open:
            return
        trial = self._trial(number)
        trial.set_user_attr("values", dict(values or {}))
        if isinstance(outcome, str):
            trial.set_user_attr("reason", outcome)
            self._study.tell(number, state=_states()["failed"])
        else:
            self._study.tell(number, outcome)

    def prune(self, number: int, reason: str) -> None:
        """End a trial that its pruner has given up."""
        if self.trials()[number].open:
            self._trial(number).set_user_attr("reason", reason)
            self._study.tell(number, state=_states()["pruned"])

    def hopeless(self, number: int, step: int, value: float) -> bool:
        """Write down what a running trial has reached, and ask whether it is below the median of those before it."""
        trial = self._trial(number)
        if step not in self._study.get_trials(deepcopy=False)[number].intermediate_values:
            trial.report(value, step)
        return bool(trial.should_prune())

    def _trial(self, number: int) -> Any:
        import optuna

        return optuna.trial.Trial(self._study, self._study.get_trials(deepcopy=False)[number]._trial_id)


def _states() -> dict[str, Any]:
    from optuna.trial import TrialState

    return {"waiting": TrialState.WAITING, "running": TrialState.RUNNING, "done": TrialState.COMPLETE,
            "failed": TrialState.FAIL, "pruned": TrialState.PRUNED}  # fmt: skip


def _read(frozen: Any) -> Trial:
    names = {state: name for name, state in _states().items()}
    state, told = names[frozen.state], frozen.user_attrs
    return Trial(
        frozen.number, dict(told["point"]), state, frozen.value if state == "done" else None,  # type: ignore[arg-type]
        dict(told.get("values", {})), str(told.get("reason", "")), dict(told.get("runs", {})),
    )  # fmt: skip


def mend(path: Path) -> None:
    """Cut off a last line that a kill or a full disk left half written; its operation is done again."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        text = file.read()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            file.truncate(whole)


class KernelLock:
    """Optuna's lock around a write, dropped by the kernel when its holder dies: its own ones stay for half a minute."""

    def __init__(self, path: Path) -> None:
        self._path, self._handle = path.with_name(f"{path.name}.lock"), -1

    def acquire(self) -> bool:
        """Wait for it."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let it go."""
        os.close(self._handle)
