"""Monitors of the evaluated encoder on one fixed batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ssl_bench.plugin.contracts import Encoding
from ssl_bench.pretrain.monitors import effective_rank
from ssl_bench.pretrain.watch import Watch, as_evaluated, observe_pairs


class Flat(nn.Module):
    """Pixels through a BatchNorm and dropout, which tell whether they were in evaluation mode."""

    image_size = 8

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(64), nn.Dropout(0.5)

    def forward(self, images: torch.Tensor, keep: object = None, *, tokens: bool = True) -> Encoding:
        rows = self.drop(self.norm(images.flatten(1)))
        return Encoding(rows, rows[:, :0])


def test_numbers_are_of_centred_features() -> None:
    rows = torch.randn(40, 16, generator=torch.Generator().manual_seed(0))
    moved = observe_pairs(rows + 100, rows + 100)
    assert moved["effective_rank"] == pytest.approx(effective_rank(rows - rows.mean(0)), rel=1e-3)
    assert moved["alignment"] == pytest.approx(0, abs=1e-6)


def test_alignment_and_uniformity_of_known_points() -> None:
    corners = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    turned = torch.tensor([[0.0, 1.0], [0.0, -1.0], [-1.0, 0.0], [1.0, 0.0]])  # each by a right angle: distance sqrt(2)
    found = observe_pairs(corners, turned)
    assert found["alignment"] == pytest.approx(2.0)
    # of six pairs two are opposite (squared distance 4) and four at a right angle (2), under exp(-2 d^2)
    assert found["uniformity"] == pytest.approx(math.log((2 * math.exp(-8) + 4 * math.exp(-4)) / 6), rel=1e-5)


def test_a_look_leaves_the_encoder_and_the_random_numbers_as_they_were() -> None:
    encoder = Flat().train()
    encoder.drop.eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    watch = Watch(torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    torch.manual_seed(3)
    first = watch.look(encoder)  # type: ignore[arg-type]
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    assert watch.look(encoder) == first  # type: ignore[arg-type]
    assert set(first) == {"embedding_std", "effective_rank", "alignment", "uniformity"}
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert (encoder.training, encoder.norm.training, encoder.drop.training) == (True, True, False)


def test_the_second_view_is_the_inner_square() -> None:
    images = torch.zeros(1, 1, 8, 8)
    images[..., 1:7, 1:7] = 1.0
    views = Watch(images).views
    assert views.shape == (2, 1, 8, 8)
    assert torch.equal(views[:1], images)
    assert torch.equal(views[1], torch.ones(1, 8, 8))


def test_modes_come_back_after_an_error() -> None:
    encoder = Flat().train()
    seen = []

    def fail() -> None:
        with as_evaluated(encoder):  # type: ignore[arg-type]
            seen.append(encoder.norm.training)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert seen == [False]
    assert encoder.norm.training
