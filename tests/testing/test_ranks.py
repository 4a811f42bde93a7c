"""Random draws that do not depend on how many rows a process has."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ssl_bench.plugin.methods import random_keep
from ssl_bench.testing.ranks import SameDraws


def masks(rows: int) -> Tensor:
    return random_keep(rows, 16, 0.5, torch.device("cpu"))


def dropped(rows: int) -> Tensor:
    return nn.functional.dropout(torch.ones(rows, 5), 0.5)


def drawn(rows: int) -> Tensor:
    return torch.cat([torch.rand(rows, 3), torch.randn(rows, 3), torch.empty(rows, 2).uniform_(1, 2)], dim=1)


@pytest.mark.parametrize("draw", [masks, dropped, drawn])
def test_rows_are_alike_whatever_their_number(draw) -> None:
    results = []
    for rows in (3, 6):
        torch.manual_seed(0)
        with SameDraws():
            results.append(torch.cat([draw(rows), draw(rows)], dim=1))
    few, many = results
    assert torch.equal(few, many[:3])
    assert all(torch.equal(row, many[0]) for row in many)
    assert not torch.equal(*few[0].chunk(2)) or draw is dropped


def test_draws_follow_the_seed() -> None:
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        with SameDraws():
            results.append(drawn(4))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_what_has_no_rows_is_left_alone() -> None:
    torch.manual_seed(0)
    wanted = torch.randperm(5)
    torch.manual_seed(0)
    with SameDraws():
        assert torch.equal(torch.randperm(5), wanted)
