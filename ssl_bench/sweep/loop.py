"""The loop of a sweep: start what is queued, watch what runs, write down what happened."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from ssl_bench.config.config import read_file, resolve
from ssl_bench.errors import DataError, HandledError, Interrupted
from ssl_bench.files import check_unlocked, locked, write_text
from ssl_bench.numbers import counted
from ssl_bench.plugin.services import Job, JobState, Launcher
from ssl_bench.pretrain.signals import StopFlag
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.cells import Cell, address
from ssl_bench.sweep.state import BEGINS, State, StateFile, progress_of, reason_of, result_of

MOST_INTERRUPTIONS = 20
"""Times that a cell may be preempted or lost before it counts as failed."""

INTERRUPTED = 130
"""Exit code of a run that saved itself and stopped."""

Show = Callable[[Mapping[str, State]], None]


class Sweep:
    """Runs cells until each is done or has failed.

    Args:
        cells: checked.
        folder: holds the run directories, and ``.sweep`` with what the sweep needs itself.
        launcher: starts runs.
        cache: of prepared images.
        show: told about all states once a round.
        retry_failed: try cells again that have failed before.
        flags: further flags of ``sslbench run``.
        pause: seconds between two rounds.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        folder: Path,
        launcher: Launcher,
        cache: Path,
        show: Show,
        *,
        retry_failed: bool = False,
        flags: Sequence[str] = (),
        pause: float = 1.0,
    ) -> None:
        self.cells = {cell.name: cell for cell in cells}
        self.folder, self.launcher, self.cache, self.show = folder, launcher, cache, show
        self.flags, self.pause = tuple(flags), pause
        self.private = private_folder(folder)
        self.file = StateFile(self.private / "state.json")
        self.kept = self.file.read()
        self.states = {name: self._first_state(name, retry_failed) for name in self.cells}
        self.jobs = {name: self._job(cell) for name, cell in self.cells.items()}
        self.withdrawn: dict[str, str] = {}

    def _first_state(self, name: str, retry_failed: bool) -> State:
        state = self.kept.get(name, State())
        if state.phase == "failed" and retry_failed:
            return State()
        if state.phase == "running" and not (self.launcher.stays and state.handle):
            return State(interruptions=state.interruptions)  # its sweep was killed, and it with it
        return state if state.phase != "done" else State()

    def _job(self, cell: Cell) -> Job:
        run, pretrain = self.folder / cell.name, cell.config.pretrain
        program = (sys.executable, "-m", "ssl_bench", "run", "--cache", str(self.cache))
        return Job(
            cell.name, run,
            start=(*program, "--config", str(self.private / "configs" / f"{cell.name}.yaml"), "--out", str(run)),
            resume=(*program, "--resume", str(run), *self.flags),
            log=self.private / "logs" / f"{cell.name}.log",
            exit=self.private / "exits" / f"{cell.name}.json",
            devices=pretrain.devices, nodes=pretrain.nodes, gpus=pretrain.accelerator != "cpu",
        )  # fmt: skip

    def run(self) -> dict[str, State]:
        """Go on until nothing is left to do; what was finished before is not done again.

        Raises:
            Interrupted: a signal came; runs of this machine have saved and stopped.
        """
        stop = StopFlag()
        with stop.listening():
            while self.round():
                if stop.caught is not None:
                    raise Interrupted(self._leave())
                time.sleep(self.pause)
        return self.states

    def withdraw(self, name: str, reason: str) -> None:
        """Stop a cell that runs, for a reason; it counts as failed, and what it has done by itself until then stays."""
        if name not in self.withdrawn and self.states[name].phase == "running":
            self.withdrawn[name] = reason
            self.launcher.stop([self.states[name].handle])

    def round(self) -> bool:
        """Look at every cell once, start what there is room for; whether something is left to do."""
        before = {name: (state.phase, state.handle, state.reason) for name, state in self.states.items()}
        self._collect()
        self._submit()
        if before != {name: (state.phase, state.handle, state.reason) for name, state in self.states.items()}:
            self._write()
        self.show(self.states)
        return any(state.phase in ("queued", "running") for state in self.states.values())

    def _write(self) -> None:
        try:
            self.file.write({**self.kept, **self.states})
        except OSError as error:  # a full disk must not end runs that may yet finish elsewhere
            print(f"warning: {self.file.path} cannot be written: {error.strerror}", file=sys.stderr)

    def _collect(self) -> None:
        running = {state.handle: self.jobs[name] for name, state in self.states.items() if state.phase == "running"}
        known = self.launcher.states(running) if running else {}
        for name, state in self.states.items():
            if state.phase in ("queued", "failed") and not state.handle:
                self._finish(name, state)  # a record may be there from before
            elif state.phase == "running" and state.handle in known:
                self._follow(name, state, known[state.handle])

    def _follow(self, name: str, state: State, job: JobState) -> None:
        if job.phase == "ended":
            handle, state.handle, state.progress = state.handle, "", None
            if not self._finish(name, state):
                self._ended(name, state, job.code, handle)
        else:
            pretrain = self.cells[name].config.pretrain
            state.reason = "waits for the launcher" if job.phase == "queued" else ""
            run = RunDirectory(self.folder / name)
            state.progress = progress_of(run, pretrain.epochs, pretrain.batch_size) if job.phase == "running" else None

    def _finish(self, name: str, state: State) -> bool:
        """Whether the record is there, which says that the run is done."""
        try:
            found = result_of(RunDirectory(self.folder / name))
        except HandledError as error:
            state.phase, state.reason = "failed", str(error)
            return True
        if found is not None:
            state.phase, state.reason, state.result = "done", "", found
        return found is not None

    def _ended(self, name: str, state: State, code: int | None, handle: str) -> None:
        """A job ended without a record: queue it again where it was preempted or lost, else it has failed."""
        if name in self.withdrawn:
            state.phase, state.reason = "failed", self.withdrawn[name]
            return
        taken_away = code is None or (code == INTERRUPTED and self.launcher.stays)
        if taken_away and state.interruptions < MOST_INTERRUPTIONS:
            state.phase, state.interruptions = "queued", state.interruptions + 1
            state.reason = (
                f"job {handle} was {'lost' if code is None else 'interrupted'}; continues from its checkpoint"
            )
        else:
            state.phase, state.reason = "failed", reason_of(code, self.jobs[name].log)
            if code is None:
                state.reason = f"lost {state.interruptions + 1} times, job {handle} last; check its node"

    def _submit(self) -> None:
        for name, state in self.states.items():
            busy = sum(state.phase == "running" for state in self.states.values())
            if busy >= self.launcher.slots:
                return
            if state.phase == "queued" and self._is_free(name, state) and (handle := self._start(name, state)):
                state.phase, state.handle, state.reason = "running", handle, ""
                self._write()  # at once: a job that goes on by itself must be found again

    def _start(self, name: str, state: State) -> str:
        """The handle of a job that has been started; a cell that has no room or is refused fails, and no other."""
        try:
            prepare(self.jobs[name], self.cells[name])
            return self.launcher.submit(self.jobs[name])
        except OSError as error:
            place = error.filename or self.private
            state.phase, state.reason = "failed", f"it cannot be started: {error.strerror} ({place})"
        except HandledError as error:
            state.phase, state.reason = "failed", f"it cannot be started: {error}"
        return ""

    def _is_free(self, name: str, state: State) -> bool:
        try:
            check_unlocked(self.folder / name / ".lock", f"run {name}")
        except DataError as error:
            state.reason = str(error).partition(";")[0]
            return False
        return True

    def _leave(self) -> str:
        """Stop what would end with this process anyway; what a person who interrupted the sweep is told."""
        handles = {state.handle: self.jobs[name] for name, state in self.states.items() if state.phase == "running"}
        if not self.launcher.stays:
            self.launcher.stop(list(handles))
            while any(job.phase != "ended" for job in self.launcher.states(handles).values()):
                time.sleep(0.1)
        for state in self.states.values():
            if state.phase == "running" and not self.launcher.stays:
                state.phase, state.handle = "queued", ""
        self._write()
        rest = f"; {counted(len(handles), 'job stays', 'jobs stay')} in the queue" if self.launcher.stays else ""
        return f"the sweep was interrupted{rest}; the same command resumes it"


def prepare(job: Job, cell: Cell) -> None:
    """Write what a job needs: its configuration, and where its log begins; the exit code of an earlier try goes.

    Raises:
        OSError: it cannot be written.
    """
    for path in (job.log, job.exit, Path(job.start[job.start.index("--config") + 1])):
        path.parent.mkdir(parents=True, exist_ok=True)
    job.exit.unlink(missing_ok=True)
    with job.log.open("a") as log:
        log.write(f"{BEGINS}{job.name}\n")
    config = Path(job.start[job.start.index("--config") + 1])
    write_text(config, yaml.safe_dump(cell.config.model_dump(mode="json"), sort_keys=False))


def found_again(cells: Sequence[Cell], folder: Path) -> list[Cell]:
    """The cells, each under the name that an older version of sslbench may have begun it by.

    A name ends with a hash of all settings, so that a version with more settings would look for finished cells in vain.
    A setting that the older version did not have counts as left at its default.

    Args:
        cells: under the names of this version.
        folder: of the sweep, with the configurations that were started before.
    """
    configs = private_folder(folder) / "configs"
    unseen = {cell.name for cell in cells if not (configs / f"{cell.name}.yaml").is_file()}
    begun = {name.rpartition("-")[0] for name in unseen}
    older = (path for path in configs.glob("*.yaml") if path.stem.rpartition("-")[0] in begun)
    names: dict[str, str] = {}
    for path in sorted(older, key=lambda path: (not RunDirectory(folder / path.stem).record.is_file(), path)):
        try:
            names.setdefault(address(resolve([read_file(path)])), path.stem)
        except HandledError:  # it has settings that are gone, or is damaged
            continue
    return [replace(cell, name=names.get(cell.name, cell.name)) if cell.name in unseen else cell for cell in cells]


def private_folder(folder: Path) -> Path:
    """Where a sweep keeps its own files, apart from the runs."""
    return folder / ".sweep"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the lock of a sweep's folder.

    Raises:
        DataError: another sweep works there.
    """
    try:
        private_folder(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"sweep folder {folder} cannot be made: {error.strerror}; choose another --out") from None
    with locked(private_folder(folder) / "lock", f"sweep {folder}"):
        yield
