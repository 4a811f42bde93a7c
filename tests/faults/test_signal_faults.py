"""Fault 26: signals."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from ssl_bench.pretrain.checkpoint import load_latest
from ssl_bench.report.terminal import Terminal
from sslbench_synthetic.cohort import radiograph

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Any:
    """Whatever happens, the handlers of the caller are there again."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


def send_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int, *, when: str = "") -> None:
    """Send a signal to this process once the terminal is told of a stage or an image."""
    before, waiting = getattr(Terminal, name), [number]

    def sending(terminal: Terminal, *arguments: Any) -> None:
        before(terminal, *arguments)
        if waiting and when in str(arguments[0]):
            os.kill(os.getpid(), waiting.pop())

    monkeypatch.setattr(Terminal, name, sending)


@pytest.mark.parametrize("number", SIGNALS)
def test_fault_26_ctrl_c_sigterm_and_sigusr1_save_at_the_step_boundary(
    bench: Any, at_step: Any, number: signal.Signals
) -> None:
    at_step(4, number)
    answer = bench.run()
    assert answer.code == 130
    assert bench.sentence(answer) == f"{number.name}: saved at step 4 of 10; continue with --resume {bench.out}"
    found, refused = load_latest(bench.out / "checkpoints")
    assert (found and found.step, refused) == (4, [])
    answer = bench.resume()
    assert answer.code == 0, answer.err
    assert json.loads((bench.out / "record.json").read_text())["pretraining"]["resumed_at"] == 4


def test_fault_26_a_second_signal_leaves_at_once(bench: Any, at_step: Any) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

    at_step(8, twice)
    answer = bench.run()
    assert answer.code == 130
    assert bench.sentence(answer) == (
        f"a second signal: stopped, with every whole file kept; continue with --resume {bench.out}"
    )
    found, _ = load_latest(bench.out / "checkpoints")
    assert found
    assert found.step == 5
    assert bench.resume().code == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_fault_26_a_signal_while_preparing_keeps_the_images(
    bench: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("ssl_bench.data.store.CHUNK", 20)
    send_at(monkeypatch, "prepared", number, when="50")
    answer = bench.run()
    assert answer.code == 130
    assert bench.sentence(answer) == (
        f"{number.name}: stopped before the run began; images prepared so far are kept; start it again"
    )
    assert not bench.out.exists()
    done: list[int] = []
    monkeypatch.setattr(Terminal, "prepared", lambda terminal, number, total: done.append(number))
    assert bench.run(method=("--method", "random")).code == 0
    assert done[0] == 41


def test_fault_26_a_signal_while_synthetic_data_are_drawn_leaves_no_half_of_them(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = radiograph.draw_radiograph

    def drawing(row: Any, *arguments: Any) -> Any:
        if row["patient"] == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return before(row, *arguments)

    monkeypatch.setattr(radiograph, "draw_radiograph", drawing)
    answer = bench.cli("run", "--preset", "smoke", "--set", "data.options={images: 40, size: 32}", "--out", bench.out)
    assert answer.code == 130
    assert bench.sentence(answer).startswith("SIGTERM: stopped before the run began; ")
    assert not list((bench.home / "cache").iterdir())
    assert not bench.out.exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_fault_26_a_signal_while_evaluating_loses_no_training(
    bench: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    send_at(monkeypatch, "stage", number, when="evaluating the random encoder")
    answer = bench.run()
    assert answer.code == 130
    assert bench.sentence(answer) == (
        f"{number.name}: stopped, with every whole file kept; continue with --resume {bench.out}"
    )
    before = bench.files(bench.out / "checkpoints")
    answer = bench.resume()
    assert answer.code == 0, answer.err
    assert bench.files(bench.out / "checkpoints") == before
    assert json.loads((bench.out / "record.json").read_text())["pretraining"]["resumed_at"] == 10


def test_fault_26_a_signal_during_the_report_leaves_a_finished_run(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ssl_bench.api.start.report_or_warn", lambda directory, terminal: os.kill(os.getpid(), signal.SIGTERM)
    )
    answer = bench.run(method=("--method", "random"))
    assert answer.code == 130
    assert answer.err.splitlines()[-1] == (
        f"sslbench: error: SIGTERM: the run is finished and on record; its report comes by: sslbench report {bench.out}"
    )
    assert (bench.out / "record.json").is_file()


@pytest.mark.parametrize("command", ["score", "compare", "report", "probe", "tables", "evaluate"])
def test_fault_26_a_signal_in_a_command_that_only_reads_loses_nothing(
    sslbench: Any, monkeypatch: pytest.MonkeyPatch, command: str, tmp_path: Any
) -> None:
    def interrupted(*arguments: Any, **more: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    for place in ("stats.predictions.read_frame", "evaluate.features.read_frame"):
        monkeypatch.setattr(f"ssl_bench.{place}", interrupted)
    monkeypatch.setattr("ssl_bench.results.rundir.RunDirectory.read_record", interrupted)
    answer = sslbench(command, tmp_path / "a", *([tmp_path / "b"] if command == "compare" else []))
    assert answer.code == 130
    assert answer.sentence.startswith("SIGTERM: nothing finished is lost")
