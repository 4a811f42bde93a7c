"""Faults of run directories: 20, 21 and 22."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

# --- 20: two runs, one directory --------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.files import locked
with locked(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(bench: Any) -> Iterator[subprocess.Popen[str]]:
    """Another process that works in the run directory and has written nothing there yet."""
    bench.out.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(bench.out / ".lock")], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_fault_20_two_runs_one_directory_the_second_exits_at_once(
    bench: Any, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.plan.plan.make_plan", lambda *_: pytest.fail("it was planned before it was refused"))
    before = bench.files(bench.out)
    answer = bench.run()
    assert answer.code == 3
    assert bench.sentence(answer) == (
        f"run {bench.out} is in use by {os.uname().nodename} pid {holder.pid}; wait for it or choose another --out"
    )
    assert bench.files(bench.out) == before


def test_fault_20_two_runs_one_directory_of_a_training_that_goes_on(bench: Any, at_step: Any) -> None:
    answers = []

    def second() -> None:
        before = bench.files(bench.out)
        process = subprocess.run(
            [sys.executable, "-c", "from ssl_bench.cli import main; main()", "run", "--resume", str(bench.out)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert bench.files(bench.out) == before
        answers.append(process)

    at_step(4, second)
    assert bench.run().code == 0
    assert answers[0].returncode == 3
    assert f"is in use by {os.uname().nodename} pid {os.getpid()}; wait for it" in answers[0].stderr
    assert "Traceback" not in answers[0].stderr


def test_fault_20_two_runs_one_directory_a_stale_lock_is_recognised(bench: Any, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert f"pid {holder.pid}" in (bench.out / ".lock").read_text()
    answer = bench.run(method=("--method", "random"))
    assert answer.code == 0, answer.err


def test_fault_20_two_runs_one_directory_nothing_finished_is_overwritten(bench: Any) -> None:
    assert bench.run(method=("--method", "random")).code == 0
    before = bench.files(bench.out)
    answer = bench.run("--seed", 1, method=("--method", "random"))
    assert (answer.code, "already holds a run" in bench.sentence(answer)) == (2, True)
    answer = bench.resume()
    assert (answer.code, "holds a finished run" in bench.sentence(answer)) == (2, True)
    assert bench.files(bench.out) == before


# --- 21: resume with a changed configuration --------------------------------------------------------------------------


@pytest.fixture
def interrupted(bench: Any, at_step: Any) -> Any:
    """A run that was interrupted at step 8 of 10."""
    at_step(8, signal.SIGTERM)
    assert bench.run().code == 130
    return bench


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (("--seed", 1), "seed: 0 -> 1"),
        (("--set", "method.prototypes=16"), "method.prototypes: 8 -> 16"),
        (("--batch-size", 8, "--lr", 0.5), "pretrain.batch_size: 16 -> 8, pretrain.lr: 0.001 -> 0.5"),
        (("--features", "age"), "ehr.features: ['age', 'sex'] -> ['age']"),
    ],
)
def test_fault_21_resume_with_a_changed_config_is_refused_with_its_difference(
    interrupted: Any, flags: tuple[object, ...], difference: str
) -> None:
    before = interrupted.files(interrupted.out)
    answer = interrupted.resume(*flags)
    assert answer.code == 2
    assert interrupted.sentence(answer) == (
        f"{interrupted.out} was started with another configuration ({difference}); resume without these flags, or "
        "start a new run"
    )
    assert interrupted.files(interrupted.out) == before


def test_fault_21_resume_with_a_changed_config_of_the_short_list_prints_it_and_goes_on(interrupted: Any) -> None:
    answer = interrupted.resume("--set", "data.workers=1", "--set", "pretrain.log_every=1")
    assert answer.code == 0, answer.err
    assert "resuming with data.workers: 0 -> 1, pretrain.log_every: 2 -> 1\n" in answer.err
    assert notes_of(interrupted.out) == []


def test_fault_21_resume_with_a_changed_config_of_more_epochs_is_on_the_record(interrupted: Any) -> None:
    answer = interrupted.resume("--epochs", 3)
    assert answer.code == 0, answer.err
    note = "resumed at step 8 for 3 epochs instead of 2: the schedules before that step were those of 2 epochs"
    assert "resuming with pretrain.epochs: 2 -> 3\n" in answer.err
    assert f"warning: {note}\n" in answer.err
    record = record_of(interrupted.out)
    assert notes_of(interrupted.out) == [note]
    assert record.config["pretrain"]["epochs"] == 3
    assert (record.pretraining.steps, record.pretraining.changes) == (15, (note,))


def test_fault_21_resume_with_a_changed_config_stays_on_the_record_when_it_is_resumed_again(
    interrupted: Any, at_step: Any
) -> None:
    at_step(12, signal.SIGTERM)
    assert interrupted.resume("--epochs", 3).code == 130
    answer = interrupted.resume()
    assert answer.code == 0, answer.err
    assert [note.split(":")[0] for note in notes_of(interrupted.out)] == ["resumed at step 8 for 3 epochs instead of 2"]


def test_fault_21_resume_with_a_changed_config_of_fewer_epochs_than_were_done_is_refused(interrupted: Any) -> None:
    before = interrupted.files(interrupted.out)
    answer = interrupted.resume("--epochs", 1)
    assert answer.code == 2
    assert interrupted.sentence(answer) == (
        f"{interrupted.out} has done 8 steps, and 1 epoch is 5; give it more epochs"
    )
    assert interrupted.files(interrupted.out) == before


def test_fault_21_resume_with_changed_data_is_refused_and_writes_nothing(interrupted: Any) -> None:
    interrupted.lines("00000005_000.png\n00000005_001.png\n", "", name="test_list.txt")
    with (interrupted.root / "train_val_list.txt").open("a") as train:
        train.write("\n00000005_000.png\n00000005_001.png")
    before = interrupted.files(interrupted.out)
    answer = interrupted.resume()
    assert answer.code == 2
    assert "was started with other data splits or plugin versions" in interrupted.sentence(answer)
    assert interrupted.files(interrupted.out) == before


# --- 22: bit-identical resume -----------------------------------------------------------------------------------------

METHODS = {
    "msn-ehr": ("--set", "method={name: msn-ehr, prototypes: 8, hidden_dim: 16, output_dim: 8}"),
    "dino": ("--method", "dino", "--features", "age,sex"),
    "byol": ("--method", "byol"),
}
"""Prototypes and EMA, center and EMA, predictor and EMA."""


def record_of(out: Path) -> Record:
    return RunDirectory(out).read_record()


def notes_of(out: Path) -> list[str]:
    """Notes but those of settings at the end of their grid and of too short a training, which so small a run has."""
    notes = record_of(out).notes
    return [note for note in notes if " of its grid, " not in note and not note.startswith("not trained long enough")]


def outcome(out: Path) -> dict[str, Any]:
    """Everything of a run that must not depend on an interruption."""
    record = record_of(out)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    files = [path for path in out.rglob("*.safetensors") if "00000005" not in path.name and "00000007" not in path.name]
    return {
        **{path.relative_to(out).as_posix(): path.read_bytes() for path in files},
        "log": [{name: value for name, value in entry.items() if name != "images_per_second"} for entry in log],
        "metrics": record.metrics,
        "comparisons": record.comparisons,
        "notes": record.notes,
    }


@pytest.mark.parametrize("name", METHODS)
def test_fault_22_resume_is_bit_identical_to_an_uninterrupted_run(bench: Any, at_step: Any, name: str) -> None:
    alone = bench.home / "alone"
    every = ("--set", "pretrain.log_every=1")
    assert bench.run(*every, out=alone, method=METHODS[name]).code == 0
    at_step(7, signal.SIGTERM)
    assert bench.run(*every, method=METHODS[name]).code == 130
    assert bench.resume().code == 0
    expected, found = outcome(alone), outcome(bench.out)
    assert "checkpoints/step-00000010.safetensors" in expected
    assert "encoder/model.safetensors" in expected
    assert [entry["step"] for entry in expected["log"]] == list(range(1, 11))
    assert found.keys() == expected.keys()
    assert [part for part in expected if found[part] != expected[part]] == []


def test_fault_22_resume_with_another_thread_count_is_refused_unless_allowed(interrupted: Any) -> None:
    before, threads = interrupted.files(interrupted.out), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        answer = interrupted.resume()
        assert answer.code == 2
        assert interrupted.sentence(answer) == (
            f"resuming here would not be identical bit for bit (threads {threads} -> {threads + 1}); restore these "
            "conditions or add --allow-inexact-resume"
        )
        assert interrupted.files(interrupted.out) == before
        answer = interrupted.resume("--allow-inexact-resume")
    finally:
        torch.set_num_threads(threads)
    assert answer.code == 0, answer.err
    changed = f"threads {threads} -> {threads + 1}"
    note = f"resumed at step 8 under other conditions, so results are not identical bit for bit: {changed}"
    assert f"warning: {note}\n" in answer.err
    assert notes_of(interrupted.out) == [note]
