"""The choice of the epoch with the lowest mean loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ssl_bench.pretrain.lowest import LowestLoss


def network(value: float) -> nn.Module:
    made = nn.Linear(1, 1)
    nn.init.constant_(made.weight, value)
    return made


def epochs(lowest: LowestLoss, losses: list[list[float]], first: int = 0) -> None:
    for number, epoch in enumerate(losses, first + 1):
        for loss in epoch:
            lowest.add(loss)
        lowest.close_epoch(number * lowest.steps, lambda number=number: network(number), writes=True)


def loaded(lowest: LowestLoss) -> float:
    found = network(0.0)
    lowest.load(found)
    return float(found.weight.detach())


def test_the_mean_of_the_epoch_counts_and_the_first_of_equals(tmp_path: Path) -> None:
    lowest = LowestLoss(tmp_path, 2)
    epochs(lowest, [[5.0, 5.0], [0.0, 6.0], [2.0, 4.0], [9.0, 1.0]])
    assert (lowest.loss, lowest.step) == (3.0, 4)
    assert loaded(lowest) == 2.0
    lowest.tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["lowest-00000004.safetensors"]


def test_before_the_first_epoch_ends_the_encoder_stays(tmp_path: Path) -> None:
    lowest = LowestLoss(tmp_path, 2)
    lowest.add(1.0)
    assert loaded(lowest) == 0.0


def test_a_resumed_training_chooses_as_one_that_was_left_alone(tmp_path: Path) -> None:
    whole, cut = LowestLoss(tmp_path / "whole", 2), LowestLoss(tmp_path / "cut", 2)
    losses = [[0.3, 0.1], [0.2, 0.1], [0.7, 0.1]]
    epochs(whole, losses)
    epochs(cut, losses[:1])
    cut.add(losses[1][0])  # in the middle of an epoch
    kept = json.loads(json.dumps(cut.state()))
    cut.add(losses[1][1])
    cut.close_epoch(4, lambda: network(99.0), writes=True)  # after the checkpoint, and lost
    again = LowestLoss(tmp_path / "cut", 2)
    assert again.restore(kept)
    assert (again.loss, again.step) == (0.2, 2)
    again.add(losses[1][1])
    again.close_epoch(4, lambda: network(2.0), writes=True)
    epochs(again, losses[2:], first=2)
    assert (again.loss, again.step) == (whole.loss, whole.step)
    assert loaded(again) == loaded(whole) == 2.0


def test_without_its_file_the_lowest_epoch_is_forgotten(tmp_path: Path) -> None:
    lowest = LowestLoss(tmp_path, 1)
    epochs(lowest, [[1.0]])
    kept = lowest.state()
    for path in tmp_path.iterdir():
        path.unlink()
    again = LowestLoss(tmp_path, 1)
    assert not again.restore(kept)
    again.add(7.0)
    again.close_epoch(2, lambda: network(2.0), writes=True)
    assert (again.loss, again.step) == (7.0, 2)


def test_other_processes_write_nothing_and_bring_their_part_of_shared_weights(tmp_path: Path) -> None:
    lowest, asked = LowestLoss(tmp_path / "none", 1), list[torch.nn.Module]()
    lowest.add(1.0)
    lowest.close_epoch(1, lambda: asked.append(network(1.0)) or asked[0], writes=False)  # type: ignore[func-returns-value]
    assert len(asked) == 1
    assert not (tmp_path / "none").exists()


def test_dtypes_stay(tmp_path: Path) -> None:
    lowest = LowestLoss(tmp_path, 1)
    lowest.add(1.0)
    lowest.close_epoch(1, lambda: network(0.1).double(), writes=True)
    found = network(0.0).double()
    lowest.load(found)
    assert float(found.weight.detach()) == pytest.approx(float(torch.tensor(0.1)), abs=1e-7)
