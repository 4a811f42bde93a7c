"""Views of one image: the batched generator against lightly's ``MSNTransform`` on Pillow images.

Both sides make 2 large and 10 focal views with the same crops' distribution, flip, brightness and contrast (0.8) and
blur. ``MSNTransform`` works on RGB, as the standard recipe does; its hue, saturation and grey-scale are switched off
but in the case ``as-published``, because a grey image has none; it takes these settings for its large views alone, so
its focal views still change their hue.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightly.transforms import MSNTransform
from PIL import Image

from benchmarks.interleave import interleave
from ssl_bench.data.views import draw_views
from ssl_bench.numbers import counted
from ssl_bench.plugin.contracts import Photometric, ViewGroup

BATCH, ROUNDS = 32, 7
JITTER = Photometric(brightness=0.8, contrast=0.8, blur_probability=0.5)
SIZES = {"224+96 from 256": (256, 224, 96), "64+32 from 72": (72, 64, 32)}
SETTINGS = {
    "crops-only": (Photometric(), {"cj_prob": 0.0, "gaussian_blur": 0.0, "random_gray_scale": 0.0}),
    "photometric": (JITTER, {"cj_sat": 0.0, "cj_hue": 0.0, "random_gray_scale": 0.0}),
    "as-published": (JITTER, {}),
}


def radiograph_like(side: int, seed: int) -> np.ndarray:
    """A grey image with slow shading, ribs and noise."""
    y, x = np.mgrid[:side, :side] / side
    image = 120 + 60 * np.cos(6 * (x - 0.5)) + 20 * np.sin(60 * y + 10 * (x - 0.5) ** 2)
    return (image + np.random.default_rng(seed).normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def groups(large: int, focal: int, change: Photometric) -> list[ViewGroup]:
    """One target, one anchor and ten focal views."""
    wide = {"size": large, "scale": (0.3, 1.0), "photometric": change, "flip": 0.5}
    narrow = {**wide, "size": focal, "scale": (0.05, 0.3)}
    return [ViewGroup("target", 1, **wide), ViewGroup("anchor", 1, **wide), ViewGroup("focal", 10, **narrow)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("size", SIZES)
def test_views_of_a_batch(benchmark, report, size: str, setting: str, threads: int) -> None:
    side, large, focal = SIZES[size]
    change, options = SETTINGS[setting]
    arrays = [radiograph_like(side, seed) for seed in range(BATCH)]
    pillow = [Image.fromarray(array).convert("RGB") for array in arrays]
    images = torch.from_numpy(np.stack(arrays))[:, None]
    transform = MSNTransform(random_size=large, focal_size=focal, **options)
    generator, plan = torch.Generator().manual_seed(0), groups(large, focal, change)

    def batched() -> None:
        draw_views(images, plan, generator, mean=0.5, std=0.25)

    def one_by_one() -> None:
        for image in pillow:
            transform(image)

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        times = interleave({"sslbench": batched, "lightly": one_by_one}, ROUNDS)
        benchmark.pedantic(batched, rounds=3)
    finally:
        torch.set_num_threads(before)
    case = f"views, {size} px, {setting}, {counted(threads, 'thread')}"
    report.ratio(case, times, "sslbench", "lightly", at_least=2.5, per=BATCH)
