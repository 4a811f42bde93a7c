import pytest
import torch
from lightly.utils.lars import LARS as LightlyLARS

from ssl_bench.config.config import PretrainConfig, load
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plugin.contracts import ParameterGroup
from ssl_bench.pretrain import checkpoint as checkpoints
from ssl_bench.pretrain.lars import LARS
from ssl_bench.pretrain.optimizer import build_optimizer

STEPS = 4


def trajectory(optimizer_of, gradients):
    """Parameters after steps with given gradients."""
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
    optimizer = optimizer_of([parameter])
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


@pytest.fixture
def gradients():
    return torch.randn(STEPS, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_it_follows_the_official_formula(gradients):
    weight = trajectory(lambda parameters: LARS([{"params": parameters}], lr=0.5, weight_decay=0.1), gradients)
    torch.manual_seed(0)
    wanted, momentum = torch.randn(3, 4, dtype=torch.float64), torch.zeros(3, 4, dtype=torch.float64)
    for gradient in gradients:
        update = gradient + 0.1 * wanted
        momentum = 0.9 * momentum + 0.001 * wanted.norm() / update.norm() * update
        wanted = wanted - 0.5 * momentum
    torch.testing.assert_close(weight, wanted)


def test_without_decay_it_is_lightlys(gradients):
    ours = trajectory(lambda parameters: LARS([{"params": parameters}], lr=0.5), gradients)
    # lightly's adapts nothing at a decay of exactly 0
    lightlys = trajectory(lambda parameters: LightlyLARS(parameters, 0.5, momentum=0.9, weight_decay=1e-15), gradients)
    torch.testing.assert_close(ours, lightlys, rtol=1e-7, atol=0)


def test_without_adaptation_it_is_plain_momentum(gradients):
    ours = trajectory(lambda parameters: LARS([{"params": parameters, "adapt": False}], lr=0.5), gradients)
    torch.testing.assert_close(ours, trajectory(lambda p: torch.optim.SGD(p, 0.5, momentum=0.9), gradients))


def test_zero_weights_move_and_missing_gradients_do_not():
    zero, idle = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = LARS([{"params": [zero, idle]}], lr=1.0)
    zero.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(zero.detach(), -torch.ones(2))
    assert torch.equal(idle.detach(), torch.ones(2))


def test_only_decayed_groups_adapt():
    groups = [ParameterGroup([torch.nn.Parameter(torch.ones(2, 2))]),
              ParameterGroup([torch.nn.Parameter(torch.ones(2))], weight_decay=0.0)]  # fmt: skip
    optimizer = build_optimizer(groups, PretrainConfig(lr=0.5, weight_decay=0.0), "lars")
    assert isinstance(optimizer, LARS)
    assert [table["adapt"] for table in optimizer.param_groups] == [True, False]


@pytest.mark.parametrize(
    ("chosen", "patch", "batch", "optimizer"),
    [("auto", 16, 4096, "adamw"), ("auto", 0, 512, "lars"), ("auto", 0, 511, "adamw"), ("adamw", 0, 4096, "adamw"),
     ("lars", 16, 8, "lars")],
)  # fmt: skip
def test_the_backbone_and_the_batch_choose(chosen, patch, batch, optimizer):
    assert PretrainConfig(optimizer=chosen, batch_size=batch).optimizer_for(patch) == optimizer


def test_rates_of_adamw_are_refused(registry):
    def flags(**pretrain):
        return {"method": "simclr", "backbone": {"name": "resnet18"}, "pretrain": {"batch_size": 1024, **pretrain}}

    with pytest.raises(UsageError, match=r"LARS expects .* found 0\.001 and 0\.04; set --lr 0\.8 .*optimizer=adamw"):
        choose_parts(load(flags(lr=0.001, weight_decay=0.04), name="smoke"), registry)
    choose_parts(load(flags(lr=0.8, weight_decay=1e-6), name="smoke"), registry)
    choose_parts(load(flags(lr=0.001, optimizer="adamw"), name="smoke"), registry)
    # what the sentence proposes is accepted, at a small batch too
    choose_parts(load(flags(batch_size=16, optimizer="lars", lr=0.0125, weight_decay=1e-6), name="smoke"), registry)


def test_a_checkpoint_keeps_its_momentum(tmp_path):
    def step(module, optimizer):
        module(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    def fresh():
        torch.manual_seed(0)
        module = torch.nn.Linear(3, 2)
        return module, LARS([{"params": list(module.parameters())}], lr=0.5)

    first, second = fresh(), fresh()
    step(*first)
    checkpoints.save(tmp_path, 1, checkpoints.state_tensors(*first), {})
    found, refused = checkpoints.load_latest(tmp_path)
    checkpoints.restore(found, *second)
    assert not refused
    step(*first)
    step(*second)
    assert torch.equal(first[0].weight, second[0].weight)
