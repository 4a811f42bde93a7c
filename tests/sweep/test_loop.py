"""The loop of a sweep over jobs that finish, fail, are lost, and go on by themselves."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.config.config import load
from ssl_bench.errors import DataError, Interrupted, UsageError
from ssl_bench.files import locked
from ssl_bench.plugin.services import Job
from ssl_bench.sweep import loop
from ssl_bench.sweep.cells import Cell, address
from ssl_bench.sweep.loop import MOST_INTERRUPTIONS, Sweep, claimed
from ssl_bench.sweep.state import BEGINS, StateFile, progress_of, reason_of

Play = Callable[..., Sweep]


def phases(sweep: Sweep) -> list[str]:
    return [state.phase for state in sweep.states.values()]


def test_one_cell_that_fails_stops_no_other_and_the_reason_is_kept(play: Play) -> None:
    sweep = play(simclr=[0], msn=[-signal.SIGKILL], byol=[3])
    states = list(sweep.run().values())
    assert phases(sweep) == ["done", "failed", "failed"]
    assert states[0].result["protocol"] == "linear"
    assert states[1].reason == "killed by SIGKILL; the machine may have run out of memory"
    assert states[2].reason == "it ended with 3"
    again = play(simclr=[], msn=[], byol=[])
    again.run()
    assert phases(again) == ["done", "failed", "failed"]
    assert not again.launcher.started  # type: ignore[attr-defined]


def test_failed_cells_are_tried_again_on_demand_and_resumed_where_a_run_is(play: Play) -> None:
    first = play(simclr=[0], msn=[5], byol=[5])
    first.run()
    retried = play(retry=True, simclr=[], msn=[0], byol=[0])
    retried.run()
    assert phases(retried) == ["done"] * 3
    assert [job.name[:4] for job in retried.launcher.started] == ["msn-", "byol"]  # type: ignore[attr-defined]


def test_what_was_killed_with_its_sweep_is_started_again(play: Play) -> None:
    killed = play(simclr=[...], msn=[...], byol=[...])
    killed.round()
    assert phases(killed) == ["running", "running", "queued"]
    again = play(simclr=[0], msn=[0], byol=[0])
    again.run()
    assert phases(again) == ["done"] * 3


def test_jobs_that_go_on_by_themselves_are_found_again_and_not_started_twice(play: Play, staged: Any) -> None:
    stage = staged({"simclr": [...], "msn": [...], "byol": [0]}, stays=True)
    play(stage).round()
    stage.live = dict.fromkeys(stage.live, 0)
    again = play(stage)
    again.run()
    assert phases(again) == ["done"] * 3
    assert len(stage.started) == 3


def test_a_lost_or_preempted_job_is_queued_again_but_not_for_ever(play: Play, staged: Any) -> None:
    stage = staged({"simclr": [None, 130, 0], "msn": [None] * 99, "byol": [0]}, stays=True)
    sweep = play(stage)
    sweep.run()
    assert phases(sweep) == ["done", "failed", "done"]
    simclr, msn, _ = sweep.states.values()
    assert simclr.interruptions == 2
    assert msn.reason.startswith(f"lost {MOST_INTERRUPTIONS + 1} times, job ")
    assert len(stage.started) == 3 + MOST_INTERRUPTIONS + 1 + 1


def test_a_signal_stops_the_runs_of_this_machine_and_says_how_to_go_on(play: Play) -> None:
    def interrupt(states: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    sweep = play(show=interrupt, simclr=[...], msn=[...], byol=[...])
    with pytest.raises(Interrupted, match="the same command resumes it"):
        sweep.run()
    assert sweep.launcher.stopped == ["1", "2"]  # type: ignore[attr-defined]
    assert {state.phase for state in StateFile(sweep.file.path).read().values()} == {"queued"}


def test_a_cell_in_which_another_process_works_waits(play: Play, cells: list[Cell], tmp_path: Path) -> None:
    run = tmp_path / "sweep" / cells[0].name
    run.mkdir(parents=True)
    sweep = play(simclr=[0], msn=[0], byol=[0])
    with locked(run / ".lock", "run"):
        sweep.round()
        assert phases(sweep) == ["queued", "running", "running"]
        assert " is in use by " in sweep.states[cells[0].name].reason
    sweep.run()
    assert phases(sweep) == ["done"] * 3


def test_two_sweeps_on_one_folder_are_refused(tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(DataError, match=r" is in use by .*; wait for it"), claimed(tmp_path):
        pass


def test_a_full_disk_where_states_are_kept_ends_no_run(
    play: Play, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: StateFile, states: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StateFile, "write", full)
    sweep = play(simclr=[0], msn=[0], byol=[0])
    sweep.run()
    assert phases(sweep) == ["done"] * 3
    assert "cannot be written: No space left on device" in capsys.readouterr().err


def test_a_job_that_is_refused_fails_its_cell_and_the_table_comes(play: Play, cells: list[Cell]) -> None:
    sweep = play(simclr=[0], msn=[0], byol=[0])
    accept = sweep.launcher.submit

    def refuse(job: Job) -> str:
        if job.name == cells[1].name:
            raise UsageError("Slurm refuses the job: invalid partition")
        return accept(job)

    sweep.launcher.submit = refuse  # type: ignore[method-assign]
    sweep.run()
    assert phases(sweep) == ["done", "failed", "done"]
    assert sweep.states[cells[1].name].reason == "it cannot be started: Slurm refuses the job: invalid partition"


def test_a_disk_without_room_for_a_cell_fails_that_cell_and_the_table_comes(
    play: Play, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = play(simclr=[0], msn=[0], byol=[0])
    kept = loop.prepare

    def full(job: Job, cell: Cell) -> None:
        if cell is cells[1]:
            raise OSError(errno.ENOSPC, "No space left on device", str(job.log))
        kept(job, cell)

    monkeypatch.setattr(loop, "prepare", full)
    sweep.run()
    assert phases(sweep) == ["done", "failed", "done"]
    reason = f"it cannot be started: No space left on device ({sweep.jobs[cells[1].name].log})"
    assert sweep.states[cells[1].name].reason == reason
    monkeypatch.setattr(loop, "prepare", kept)
    retried = play(retry=True, simclr=[], msn=[0], byol=[])
    retried.run()
    assert phases(retried) == ["done"] * 3


def test_a_damaged_record_is_a_failure_and_not_the_end(
    play: Play, cells: list[Cell], tmp_path: Path, finished: Any
) -> None:
    run = tmp_path / "sweep" / cells[1].name
    finished(run, {"evaluate": {"protocols": ["linear"]}})
    (run / "record.json").write_text("{")
    sweep = play(simclr=[0], msn=[], byol=[0])
    sweep.run()
    assert phases(sweep) == ["done", "failed", "done"]


def test_a_job_gets_the_whole_configuration(play: Play, cells: list[Cell]) -> None:
    sweep = play(simclr=[0], msn=[0], byol=[0])
    sweep.run()
    job = sweep.launcher.started[0]  # type: ignore[attr-defined]
    assert load({}, file=Path(job.start[job.start.index("--config") + 1])) == cells[0].config


def test_an_address_follows_from_what_is_computed_alone() -> None:
    plain = load({"method": "msn"}, name="smoke")
    assert address(plain) == address(load({"method": "msn", "loggers": "tensorboard"}, name="smoke"))
    assert address(plain) != address(load({"method": "msn", "pretrain": {"lr": 0.1}}, name="smoke"))
    assert address(load({"method": "msn", "seed": 3, "ehr": {"features": "age,sex"}})).startswith("msn-age_sex-seed3-")


def test_progress_is_read_from_the_log(tmp_path: Path) -> None:
    from ssl_bench.results.rundir import RunDirectory

    run = RunDirectory(tmp_path)
    assert progress_of(run, 4, 16) is None
    run.append_log({"step": 10, "epoch": 1.0, "images_per_second": 80.0})
    assert progress_of(run, 4, 16) == (0.25, 3 * 10 * 16 / 80.0)
    with run.log.open("a") as log:
        log.write('{"step": 2')
    assert progress_of(run, 4, 16) is None


def test_a_reason_is_what_the_run_said_last(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert reason_of(1, log) == "exit code 1: it said nothing"
    log.write_text("Traceback\nKeyError: 'x'\n")
    assert reason_of(1, log) == "exit code 1: KeyError: 'x'"
    log.write_text("sslbench: error: the disk is full\nwriting\n")
    assert reason_of(3, log) == "the disk is full"
    with log.open("a") as file:
        file.write(f"{BEGINS}msn\nKeyError: 'x'\n")
    assert reason_of(1, log) == "exit code 1: KeyError: 'x'"


def test_states_survive_on_the_disk(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    assert file.read() == {}
    file.path.write_text(json.dumps({"a": {"phase": "failed", "reason": "it broke"}}))
    assert file.read()["a"].reason == "it broke"
    file.path.write_text("{")
    assert file.read() == {}


def begun_before(folder: Path, cell: Cell, name: str, without: str) -> Path:
    """A cell as a version of sslbench that did not have one of the settings has left it."""
    values = cell.config.model_dump(mode="json")
    del values["pretrain"][without]
    config = folder / ".sweep" / "configs" / f"{name}.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps(values))
    return config


def test_cells_of_a_version_with_fewer_settings_are_found_again(
    cells: list[Cell], tmp_path: Path, finished: Callable[..., None]
) -> None:
    begun_before(tmp_path, cells[1], "msn-seed0-0older00", "accumulate")
    begun_before(tmp_path, cells[1], "msn-seed0-1older11", "parallel")
    finished(tmp_path / "msn-seed0-1older11", {})
    begun_before(tmp_path, cells[2], "byol-seed0-0other00", "accumulate").write_text("pretrain: {lr: 0.5}\n")
    begun_before(tmp_path, cells[0], "simclr-seed0-0gone000", "accumulate").write_text("no_such_setting: 1\n")
    found = loop.found_again(cells, tmp_path)
    assert [cell.name for cell in found] == [cells[0].name, "msn-seed0-1older11", cells[2].name]
    assert [cell.config for cell in found] == [cell.config for cell in cells]


def test_a_cell_that_this_version_has_begun_keeps_its_name(
    cells: list[Cell], tmp_path: Path, finished: Callable[..., None]
) -> None:
    begun_before(tmp_path, cells[1], "msn-seed0-0older00", "accumulate")
    finished(tmp_path / "msn-seed0-0older00", {})
    begun_before(tmp_path, cells[1], cells[1].name, "accumulate")
    assert loop.found_again(cells, tmp_path) == cells
