"""Parameter groups, scheduled rates and clipping."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from ssl_bench.config.config import PretrainConfig
from ssl_bench.plugin.contracts import ParameterGroup
from ssl_bench.pretrain.optimizer import Rates, build_optimizer, clip_gradients, rates, set_rates

CONFIG = PretrainConfig(epochs=100, warmup_epochs=15, lr=1e-3, lr_end=1e-6, weight_decay=0.04, weight_decay_end=0.4)


def parameter(*values: float, gradient: list[float] | None = None) -> nn.Parameter:
    made = nn.Parameter(torch.tensor(values))
    made.grad = None if gradient is None else torch.tensor(gradient)
    return made


def official_msn(step: int, steps: int, epochs: int) -> tuple[float, float]:
    """Learning rate and weight decay of the official MSN code: schedules over 1.25 times the training."""
    warmup, last = 15 * steps // epochs, 1.25 * steps
    if step < warmup:
        lr = 1e-3 * step / warmup
    else:
        lr = 1e-6 + (1e-3 - 1e-6) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (last - warmup)))
    return lr, 0.4 + (0.04 - 0.4) * 0.5 * (1 + math.cos(math.pi * step / last))


def test_a_group_may_have_betas_of_its_own() -> None:
    groups = [ParameterGroup([parameter(1.0)]), ParameterGroup([parameter(1.0)], betas=(0.9, 0.95))]
    assert [table["betas"] for table in build_optimizer(groups, CONFIG).param_groups] == [(0.9, 0.999), (0.9, 0.95)]


@pytest.mark.parametrize("step", [0, 1, 149, 150, 151, 500, 999])
def test_stretched_rates_are_the_official_ones(step: int) -> None:
    now = rates(CONFIG, step / 1000, 1.25)
    lr, weight_decay = official_msn(step, 1000, 100)
    assert now.lr == pytest.approx(lr, rel=1e-9, abs=1e-15)
    assert now.weight_decay == pytest.approx(weight_decay, rel=1e-9)


def test_stretched_rates_end_near_a_tenth_of_the_peak() -> None:
    assert 0.1 < rates(CONFIG, 1.0, 1.25).lr / CONFIG.lr < 0.13


def test_plain_rates_reach_peak_and_end() -> None:
    assert rates(CONFIG, 0.0).lr == 0
    assert rates(CONFIG, 0.075).lr == pytest.approx(0.5e-3)
    assert rates(CONFIG, 0.15).lr == pytest.approx(1e-3)
    assert rates(CONFIG, 0.5).weight_decay == pytest.approx(0.22)
    assert rates(CONFIG, 1.0) == Rates(pytest.approx(1e-6), pytest.approx(0.4))


def test_weight_decay_may_be_constant_and_warm_up_long() -> None:
    constant = CONFIG.model_copy(update={"weight_decay_end": None})
    assert rates(constant, 0.7).weight_decay == pytest.approx(0.04)
    short = CONFIG.model_copy(update={"epochs": 3})  # shorter than its warm-up
    values = [rates(short, step / 30).lr for step in range(30)]
    assert all(late > early for early, late in pairwise(values))
    assert values[-1] < 1e-3


def test_groups_get_their_share_of_the_scheduled_values() -> None:
    groups = [
        ParameterGroup([parameter(1.0)]),
        ParameterGroup([]),
        ParameterGroup([parameter(2.0)], weight_decay=0.0, lr_scale=0.1),
        ParameterGroup([parameter(3.0)], constant_lr=True, lr_scale=2.0),
    ]
    optimizer = build_optimizer(groups, CONFIG)
    assert isinstance(optimizer, torch.optim.AdamW)
    set_rates(optimizer, groups, Rates(5e-4, 0.2))
    assert [table["lr"] for table in optimizer.param_groups] == pytest.approx([5e-4, 5e-5, 2e-3])
    assert [table["weight_decay"] for table in optimizer.param_groups] == pytest.approx([0.2, 0.0, 0.2])


def test_weight_decay_shrinks_only_the_groups_that_have_it() -> None:
    decayed, bare = parameter(1.0, gradient=[0.0]), parameter(1.0, gradient=[0.0])
    groups = [ParameterGroup([decayed]), ParameterGroup([bare], weight_decay=0.0)]
    optimizer = build_optimizer(groups, CONFIG)
    set_rates(optimizer, groups, Rates(0.1, 0.5))
    optimizer.step()
    assert decayed.item() == pytest.approx(0.95)
    assert bare.item() == 1.0


def test_groups_of_one_limit_are_clipped_together() -> None:
    first, second = parameter(0.0, gradient=[3.0]), parameter(0.0, gradient=[4.0])
    free = parameter(0.0, gradient=[12.0])
    groups = [ParameterGroup([first], clip=1.0), ParameterGroup([second], clip=1.0), ParameterGroup([free])]
    assert float(clip_gradients(groups)) == pytest.approx(13.0)  # over all, before clipping
    assert first.grad.item() == pytest.approx(0.6, abs=1e-5)
    assert second.grad.item() == pytest.approx(0.8, abs=1e-5)
    assert free.grad.item() == 12.0


def test_groups_of_one_limit_and_different_names_are_clipped_apart() -> None:
    first, second = parameter(0.0, gradient=[3.0]), parameter(0.0, gradient=[0.5])
    clip_gradients(
        [ParameterGroup([first], clip=1.0, clip_with="a"), ParameterGroup([second], clip=1.0, clip_with="b")]
    )
    assert (first.grad.item(), second.grad.item()) == (pytest.approx(1.0, abs=1e-5), 0.5)


def test_a_group_may_rest_at_first() -> None:
    groups = [ParameterGroup([parameter(1.0)], rest=0.25), ParameterGroup([parameter(1.0)])]
    optimizer = build_optimizer(groups, CONFIG)
    for progress, wanted in ((0.0, 0.0), (0.2, 0.0), (0.25, 5e-4)):
        set_rates(optimizer, groups, Rates(5e-4, 0.2, progress))
        assert [table["lr"] for table in optimizer.param_groups] == [wanted, 5e-4]


def test_small_gradients_are_left_alone() -> None:
    small = parameter(0.0, gradient=[0.5])
    clip_gradients([ParameterGroup([small], clip=1.0)])
    assert small.grad.item() == 0.5


def test_each_parameter_may_be_clipped_by_itself() -> None:
    large, small = parameter(0.0, 0.0, gradient=[3.0, 4.0]), parameter(0.0, gradient=[0.5])
    norm = clip_gradients([ParameterGroup([large, small], clip=1.0, clip_each=True)])
    assert float(norm) == pytest.approx(25.25**0.5)
    torch.testing.assert_close(large.grad, torch.tensor([0.6, 0.8]), atol=1e-5, rtol=0)
    assert small.grad.item() == 0.5


def test_parameters_without_gradient_are_passed_over() -> None:
    used, unused = parameter(0.0, gradient=[2.0]), parameter(0.0)
    assert float(clip_gradients([ParameterGroup([unused, used], clip=1.0)])) == pytest.approx(2)
    assert unused.grad is None
