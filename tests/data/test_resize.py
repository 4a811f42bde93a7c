"""Resampling against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from ssl_bench.data.resize import as_table, blurred_rows, resized_crops, windows


def smooth(side: int) -> np.ndarray:
    """A grey image of slow waves and a gradient."""
    y, x = np.mgrid[:side, :side] / side
    return (127 + 60 * np.sin(7 * x + 2 * y) + 50 * np.cos(5 * y - x) * x).round().astype(np.uint8)


def textured(side: int, seed: int = 0) -> np.ndarray:
    """A radiograph's worst features: bright edges, thin lines and noise on a smooth ground."""
    rng = np.random.default_rng(seed)
    image = smooth(side) + rng.normal(0, 12, (side, side))
    image[side // 5 : side // 4, :] += 70
    image[:, ::7] -= 40
    return image.clip(0, 255).astype(np.uint8)


def pillow(image: np.ndarray, box: tuple[float, ...], size: int) -> np.ndarray:
    """Pillow's resized crop; ``box`` is left, top, width, height."""
    left, top, width, height = box
    corners = (left, top, left + width, top + height)
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=corners), dtype=float)


def ours(image: np.ndarray, box: tuple[float, ...], size: int) -> np.ndarray:
    """The same crop by the batched kernel."""
    table = as_table(torch.from_numpy(image)[None, None])
    return resized_crops(table, torch.tensor([0]), torch.tensor([box], dtype=torch.float32), size)[0].double().numpy()


@pytest.mark.parametrize("image", [smooth(96), textured(96)], ids=["smooth", "textured"])
@pytest.mark.parametrize("size", [17, 32, 96, 150])
@pytest.mark.parametrize("box", [(0, 0, 96, 96), (10, 20, 60, 70), (36, 0, 60, 41), (3, 5, 7, 9)])
def test_a_resized_crop_is_pillows(image: np.ndarray, size: int, box: tuple[int, ...]) -> None:
    error = np.abs(ours(image, box, size) - pillow(image, box, size))
    assert error.mean() < 0.4  # Pillow rounds to whole grey levels after each axis: 0.28 on average
    assert error.max() < 1.1


@settings(max_examples=40, deadline=None)
@given(
    side=st.integers(8, 80),
    size=st.integers(1, 90),
    corner=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    extent=st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)),
)
def test_any_box_is_pillows_to_rounding_in_floating_point(
    side: int, size: int, corner: tuple[float, float], extent: tuple[float, float]
) -> None:
    width, height = (max(1.0, share * side) for share in extent)
    box = (corner[0] * (side - width), corner[1] * (side - height), width, height)
    image = textured(side)
    left, top = box[:2]
    exact = Image.fromarray(image.astype(np.float32)).resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, min(side, left + width), min(side, top + height))
    )
    np.testing.assert_allclose(ours(image, box, size), np.asarray(exact), atol=0.02)


def test_a_batch_takes_each_crop_from_its_own_image() -> None:
    images = np.stack([textured(40, seed) for seed in range(3)])
    owner, boxes = (
        torch.tensor([2, 0, 2, 1]),
        torch.tensor([[0.0, 0, 40, 40], [5, 6, 20, 10], [1, 2, 30, 9], [8, 8, 8, 8]]),
    )
    crops = resized_crops(as_table(torch.from_numpy(images)[:, None]), owner, boxes, 24)
    for crop, image, box in zip(crops, owner.tolist(), boxes.tolist(), strict=True):
        assert np.abs(crop.numpy() - pillow(images[image], tuple(box), 24)).max() < 1.1


def test_a_flip_mirrors_the_crop_exactly() -> None:
    table, owner = as_table(torch.from_numpy(textured(50))[None, None]), torch.tensor([0, 0])
    boxes = torch.tensor([[3.0, 4, 31, 37]]).expand(2, 4)
    plain, mirrored = resized_crops(table, owner, boxes, 24, flip=torch.tensor([False, True]))
    torch.testing.assert_close(mirrored, plain.flip(1), atol=1e-3, rtol=0)


def test_blurred_crops_are_scipys_gaussian_and_the_others_are_untouched() -> None:
    from scipy.ndimage import gaussian_filter

    table, owner = as_table(torch.from_numpy(textured(64))[None, None]), torch.zeros(3, dtype=torch.int64)
    boxes, sigma = torch.tensor([[4.0, 4, 50, 50]]).expand(3, 4), torch.tensor([1.5, 0.0, 0.6])
    sharp = resized_crops(table, owner, boxes, 48)
    crops = resized_crops(table, owner, boxes, 48, sigma=sigma)
    assert torch.equal(crops[1], sharp[1])
    for row in (0, 2):
        width = float(sigma[row])
        expected = gaussian_filter(sharp[row].double().numpy(), width, mode="nearest", radius=int(np.ceil(3 * width)))
        # Across, the image beyond the crop is not seen either, so that only rounding differs.
        np.testing.assert_allclose(crops[row].numpy(), expected, atol=0.01)


def test_the_blur_is_near_pillows() -> None:
    image = smooth(64)
    crop = resized_crops(
        as_table(torch.from_numpy(image)[None, None]),
        torch.tensor([0]),
        torch.tensor([[0.0, 0, 64, 64]]),
        64,
        sigma=torch.tensor([2.0]),
    )
    pillows = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2.0)), dtype=float)
    assert np.abs(crop[0].numpy() - pillows).mean() < 1


def test_a_blur_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    rows = torch.rand(2, 30, 5)
    together = blurred_rows(rows.clone(), torch.tensor([0.5, 2.0]))
    alone = blurred_rows(rows[:1].clone(), torch.tensor([0.5]))
    torch.testing.assert_close(together[:1], alone)


@pytest.mark.parametrize("length", [1.0, 7.5, 64.0])
def test_weights_sum_to_one_and_stay_inside_the_image(length: float) -> None:
    start = torch.tensor([0.0, 64 - length])
    position, weight = windows(start, torch.tensor([length, length]), 20, 64, torch.device("cpu"))
    torch.testing.assert_close(weight.sum(2), torch.ones(2, 20))
    assert 0 <= int(position.min()) <= int(position.max()) < 64
    assert bool((weight >= 0).all())
