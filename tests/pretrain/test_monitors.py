"""Numbers that tell collapse, and the guard that acts on them."""

from __future__ import annotations

import math

import pytest
import torch

from ssl_bench.errors import TrainingStopped
from ssl_bench.plugin.contracts import Loss
from ssl_bench.pretrain.monitors import (
    PATIENCE,
    CollapseGuard,
    effective_rank,
    embedding_std,
    observe,
    prototype_entropy,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_constant_features_have_no_spread() -> None:
    assert embedding_std(torch.rand(1, 16).expand(32, 16)) == pytest.approx(0, abs=1e-6)


def test_isotropic_features_have_a_spread_of_one() -> None:
    assert embedding_std(torch.randn(4000, 16)) == pytest.approx(1, abs=0.02)
    assert embedding_std(100 * torch.randn(4000, 16)) == pytest.approx(1, abs=0.02)  # their length is of no account


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_of_data_of_that_rank(rank: int) -> None:
    basis = torch.linalg.qr(torch.randn(32, 8)).Q.T  # (8, 32)
    weights = torch.linalg.qr(torch.randn(64, 8)).Q[:, :rank]
    assert effective_rank(weights @ basis[:rank]) == pytest.approx(rank, rel=1e-3)


def test_effective_rank_weighs_the_spectrum() -> None:
    rows = torch.diag(torch.tensor([3.0, 1.0, 0.0, 0.0]))
    assert effective_rank(rows) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)), rel=1e-3)


def test_effective_rank_of_nothing_is_finite() -> None:
    assert math.isfinite(effective_rank(torch.zeros(8, 4)))


def test_prototype_entropy() -> None:
    assert prototype_entropy(torch.eye(8)) == pytest.approx(1)
    assert prototype_entropy(torch.eye(8)[:1].expand(5, 8)) == pytest.approx(0, abs=1e-6)
    assert prototype_entropy(torch.eye(8)[:2]) == pytest.approx(math.log(2) / math.log(8))


def test_what_a_method_shows_is_observed() -> None:
    total = torch.tensor(1.0)
    assert observe(Loss(total)) == {}
    seen = observe(Loss(total, features=torch.randn(8, 4).bfloat16(), probabilities=torch.eye(4)))
    assert set(seen) == {"embedding_std", "effective_rank", "prototype_entropy"}
    assert all(isinstance(value, float) and math.isfinite(value) for value in seen.values())


COLLAPSED = {"embedding_std": 1e-4}


def test_the_guard_warns_once_then_stops() -> None:
    guard = CollapseGuard()
    said = [guard.check(COLLAPSED, step) for step in range(1, PATIENCE)]
    assert said == ["features look collapsed at step 1"] + [None] * (PATIENCE - 2)
    with pytest.raises(TrainingStopped, match=rf"features collapsed: .* up to step {PATIENCE}; lower pretrain\.lr"):
        guard.check(COLLAPSED, PATIENCE)


def test_features_that_recover_start_anew() -> None:
    guard = CollapseGuard()
    for step in range(1, PATIENCE):
        guard.check(COLLAPSED, step)
    assert guard.check({"embedding_std": 0.5}, PATIENCE) is None
    assert guard.check(COLLAPSED, PATIENCE + 1) == f"features look collapsed at step {PATIENCE + 1}"


def test_nothing_to_look_at_is_no_collapse() -> None:
    guard = CollapseGuard()
    assert [guard.check({}, step) for step in range(2 * PATIENCE)] == [None] * (2 * PATIENCE)


def test_a_low_rank_warns_once_and_never_stops() -> None:
    guard = CollapseGuard()
    said = [guard.check({"embedding_std": 1.0, "effective_rank": 2.0}, step) for step in range(3 * PATIENCE)]
    assert [step for step, warning in enumerate(said) if warning] == [PATIENCE - 1]
    assert said[PATIENCE - 1] == (
        f"the evaluated encoder's features have an effective rank of 2.0 at step {PATIENCE - 1} (below 4 for "
        f"{PATIENCE} looks): few directions distinguish images"
    )
    assert guard.check({"embedding_std": 1.0, "effective_rank": 5.0}, 99) is None
    assert guard.low == 0
