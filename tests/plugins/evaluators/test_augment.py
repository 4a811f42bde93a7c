from __future__ import annotations

import math

import pytest
import torch

from sslbench_evaluators.augment import augmented, draw_affine
from sslbench_evaluators.options import HeadOptions

STILL = {"degrees": 0, "shift": 0, "zoom": 0, "flip": 0}


def maps(count: int = 500, **options: float) -> torch.Tensor:
    return draw_affine(HeadOptions(**{**STILL, **options}), count, torch.Generator().manual_seed(0))


def test_nothing_drawn_changes_nothing() -> None:
    images = torch.randn(3, 1, 9, 9)
    torch.testing.assert_close(augmented(images, maps(3), black=-2.0), images)


def test_a_sure_flip_mirrors_left_and_right() -> None:
    images = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(augmented(images, maps(2, flip=1), black=0.0), images.flip(-1))


def test_angles_zooms_shifts_and_flips_fill_their_ranges() -> None:
    drawn = maps(degrees=45, zoom=0.15, shift=0.15, flip=0.5)
    angle = torch.atan2(-drawn[:, 0, 1], drawn[:, 1, 1]).mul(180 / math.pi)
    scale = 1 / drawn[:, :, :2].det().abs().sqrt()
    assert 43 < angle.abs().max() <= 45
    assert angle.mean().abs() < 4
    assert (scale.min(), scale.max()) == (pytest.approx(0.85, abs=0.01), pytest.approx(1.15, abs=0.01))
    assert drawn[:, :, 2].abs().max() == pytest.approx(0.3, abs=0.01)  # the image is 2 wide
    assert 0.4 < (drawn[:, :, :2].det() < 0).float().mean() < 0.6


def test_a_quarter_turn_is_a_turn_and_what_comes_in_is_black() -> None:
    images = torch.randn(1, 1, 6, 6)
    turn = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    torch.testing.assert_close(augmented(images, turn, black=-1.0), images.rot90(1, (2, 3)), atol=1e-5, rtol=1e-5)
    away = torch.tensor([[[1.0, 0.0, 4.0], [0.0, 1.0, 0.0]]])
    assert (augmented(images, away, black=-1.0) == -1).all()
