"""Draws and effects of the photometric changes."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import functional

from ssl_bench.data.photometric import Changes, apply_changes, draw_changes
from ssl_bench.plugin.contracts import Photometric

COUNT = 4000


def drawn(spec: Photometric, size: int = 224, seed: int = 0) -> Changes:
    return draw_changes(spec, COUNT, size, torch.Generator().manual_seed(seed))


def changes(brightness: float = 1.0, contrast: float = 1.0, solarize: bool = False, count: int = 2) -> Changes:
    return Changes(
        brightness=torch.full((count,), brightness),
        contrast=torch.full((count,), contrast),
        sigma=torch.zeros(count),
        solarize=torch.full((count,), solarize),
    )


def test_nothing_changes_by_default() -> None:
    default = drawn(Photometric())
    assert bool((default.brightness == 1).all())
    assert bool((default.contrast == 1).all())
    assert not default.sigma.any()
    assert not default.solarize.any()
    views = 255 * torch.rand(COUNT, 4, 4)
    assert torch.equal(apply_changes(views.clone(), default), views)


def test_factors_fill_their_ranges_and_shares() -> None:
    jitter = drawn(Photometric(brightness=0.4, contrast=0.2, jitter_probability=0.75))
    for factor, strength in ((jitter.brightness, 0.4), (jitter.contrast, 0.2)):
        assert 1 - strength <= float(factor.min()) < 1 - 0.95 * strength
        assert 1 + 0.95 * strength < float(factor.max()) <= 1 + strength
        assert float(factor.mean()) == pytest.approx(1, abs=0.02)
        assert float((factor != 1).float().mean()) == pytest.approx(0.75, abs=0.03)
    assert torch.equal(jitter.brightness != 1, jitter.contrast != 1)


def test_blur_and_solarisation_have_their_shares_and_sigma_follows_the_size() -> None:
    spec = Photometric(blur_probability=0.5, blur_sigma=(0.2, 2.0), solarize_probability=0.2)
    large, small = drawn(spec), drawn(spec, size=56)
    blurred = large.sigma[large.sigma > 0]
    assert len(blurred) / COUNT == pytest.approx(0.5, abs=0.03)
    assert 0.2 <= float(blurred.min()) < 0.25
    assert 1.95 < float(blurred.max()) <= 2.0
    torch.testing.assert_close(small.sigma, large.sigma / 4)
    assert float(large.solarize.float().mean()) == pytest.approx(0.2, abs=0.03)


def test_the_settings_do_not_move_the_generator() -> None:
    states = []
    for spec in (Photometric(), Photometric(0.4, 0.4, 0.5, 0.5, (0.1, 2.0), 0.5)):
        generator = torch.Generator().manual_seed(3)
        draw_changes(spec, 10, 64, generator)
        states.append(generator.get_state())
    assert torch.equal(*states)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.4, 2.0])
def test_brightness_contrast_and_solarisation_are_torchvisions(factor: float) -> None:
    views = 255 * torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(1))
    unit = views[:, None] / 255  # (N, 1, H, W)
    cases = {
        "brightness": (changes(brightness=factor), functional.adjust_brightness(unit, factor)),
        "contrast": (changes(contrast=factor), functional.adjust_contrast(unit.expand(-1, 3, -1, -1), factor)[:, :1]),
        "solarize": (changes(solarize=True), functional.solarize(unit, 0.5)),
    }
    for name, (change, expected) in cases.items():
        result = apply_changes(views.clone(), change)[:, None] / 255
        torch.testing.assert_close(result, expected, atol=3e-4, rtol=0, msg=name)


def test_changes_stay_within_black_and_white_and_apply_per_view() -> None:
    views = 255 * torch.rand(3, 8, 8)
    mixed = Changes(
        brightness=torch.tensor([1.0, 2.0, 1.0]),
        contrast=torch.tensor([1.0, 1.0, 2.0]),
        sigma=torch.zeros(3),
        solarize=torch.tensor([False, False, True]),
    )
    result = apply_changes(views.clone(), mixed)
    assert torch.equal(result[0], views[0])
    assert float(result.min()) >= 0
    assert float(result.max()) <= 255
    assert float(result[2].max()) <= 127.5
    torch.testing.assert_close(mixed.part(slice(1, 3)).brightness, torch.tensor([2.0, 1.0]))
