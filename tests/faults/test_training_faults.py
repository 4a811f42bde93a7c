"""Faults of the training itself: 24 and 25."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ssl_bench.plugin.contracts import Batch, Loss
from ssl_bench.pretrain.checkpoint import load_latest
from sslbench_methods.msn import MSN

Fault = Callable[[int, Loss], Loss]


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], None]:
    """Changes the losses of MSN, step by step."""

    def install(fault: Fault) -> None:
        before = MSN.training_loss

        def changed(method: MSN, batch: Batch, progress: float) -> Loss:
            return fault(round(progress * 10) + 1, before(method, batch, progress))

        monkeypatch.setattr(MSN, "training_loss", changed)

    return install


def stopped(bench: Any) -> dict[str, Any]:
    return dict(json.loads((bench.out / "stopped.json").read_text()))


def last_step(bench: Any) -> int:
    """Of the last checkpoint, which must be whole and finite."""
    found, refused = load_latest(bench.out / "checkpoints")
    assert found is not None
    assert refused == []
    assert all(tensor.isfinite().all() for tensor in found.tensors.values())
    return found.step


def training_ids(bench: Any) -> set[str]:
    return set((bench.root / "train_val_list.txt").read_text().split())


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_fault_24_nan_or_inf_loss_stops_the_run(bench: Any, spoilt: Any, value: str) -> None:
    spoilt(lambda step, loss: loss._replace(total=loss.total * float(value)) if step == 8 else loss)
    answer = bench.run()
    assert answer.code == 5
    sentence = bench.sentence(answer)
    assert sentence.startswith(f"the loss is {value} and its gradient's norm ")
    assert f"at step 8; lower pretrain.lr or inspect the images of the batch, listed in {bench.out}" in sentence
    assert sentence.endswith("the last good checkpoint is kept")
    assert stopped(bench)["step"] == 8
    assert len(set(stopped(bench)["image_ids"]) & training_ids(bench)) == 16
    assert last_step(bench) == 5
    assert not (bench.out / "record.json").exists()


def test_fault_24_nan_stops_a_resumed_run_again_at_the_same_images(bench: Any, spoilt: Any) -> None:
    spoilt(lambda step, loss: loss._replace(total=loss.total * float("nan")) if step == 8 else loss)
    assert bench.run().code == 5
    first = stopped(bench)
    assert bench.resume().code == 5
    assert stopped(bench) == first
    assert last_step(bench) == 5


def test_fault_24_an_absurd_rate_never_replaces_a_good_checkpoint_by_a_broken_one(bench: Any) -> None:
    answer = bench.run("--lr", "1e38", "--set", "pretrain.warmup_epochs=0", "--set", "pretrain.checkpoint_every=0.2")
    assert answer.code == 5
    sentence = bench.sentence(answer)
    assert "lower pretrain.lr or inspect the images of the batch, listed in " in sentence
    assert stopped(bench)["image_ids"]
    for path in (bench.out / "checkpoints").glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())


def test_fault_24_weights_that_overflow_in_the_last_step_are_not_saved(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflow(method: MSN, progress: float) -> dict[str, float]:
        if round(progress * 10) == 9:
            with torch.no_grad():
                next(method.parameters()).mul_(float("inf"))
        return {}

    monkeypatch.setattr(MSN, "after_step", overflow)
    answer = bench.run()
    assert answer.code == 5
    assert " weights are not finite after step 10, first method." in bench.sentence(answer)
    assert stopped(bench)["step"] == 10
    assert last_step(bench) == 5


def test_fault_24_collapse_stops_the_run(bench: Any, spoilt: Any) -> None:
    def collapse(step: int, loss: Loss) -> Loss:
        assert loss.features is not None
        return loss._replace(features=torch.ones_like(loss.features)) if step >= 6 else loss

    spoilt(collapse)
    answer = bench.run("--epochs", 3, "--set", "pretrain.log_every=1")
    assert answer.code == 5
    assert bench.sentence(answer).startswith("features collapsed: their standard deviation stayed below 0.001 up to")
    assert "warning: features look collapsed at step " in answer.err
    assert len(stopped(bench)["image_ids"]) == 16
    assert last_step(bench) == 5  # no later one, because features looked collapsed already
    log = [json.loads(line) for line in (bench.out / "log.jsonl").read_text().splitlines()]
    assert log[4]["method_std"] > 0.1
    assert log[-1]["method_std"] < 1e-3
    assert log[-1]["embedding_std"] > 1e-3  # the evaluated encoder was not what collapsed


def test_fault_25_out_of_memory_tells_batch_and_peak(bench: Any, spoilt: Any) -> None:
    def starve(step: int, loss: Loss) -> Loss:
        if step == 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nand more")
        return loss

    spoilt(starve)
    answer = bench.run()
    assert answer.code == 5
    sentence = bench.sentence(answer)
    assert sentence.startswith("out of memory at batch size 16 (peak ")
    assert "GiB); lower --batch-size or the backbone; it is never lowered for you" in sentence
    assert last_step(bench) == 5
