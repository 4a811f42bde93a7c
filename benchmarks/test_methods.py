"""Steps of every method that trains, with the floating-point operations counted; and how embedding grows.

Timed at the size of the demonstration (ViT-micro, 64 px, the preset's heads, float32); ViT-Tiny/16 with the official
heads is counted alone, for a step of VICReg's or DINO's takes many seconds on a CPU. Synthetic tensors; views are not
drawn.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.interleave import interleave
from benchmarks.steps import OneBatch, build, random_batch, step_flops, trained, trainer
from ssl_bench.data.source import ImageSource, PixelStatistics
from ssl_bench.evaluate.embed import embed
from ssl_bench.plugin.registry import discover

BATCH, ROUNDS = 32, 3


def test_a_step_of_every_method(report, tmp_path: Path) -> None:
    registry, steps = discover(), {}
    for name in trained(registry):
        method = build(registry, name, "vit-micro", preset="demo")
        stream, settings = OneBatch(random_batch(method, BATCH)), {"accelerator": "cpu", "precision": "32-true"}
        made = trainer(method, stream, tmp_path / name, batch_size=BATCH, **settings)
        steps[name] = lambda made=made: made._step(0)
    times = interleave(steps, ROUNDS)
    for name in steps:
        flops = step_flops(registry, name, BATCH, "vit-micro", "demo")
        whole = step_flops(registry, name, 4)
        report.speed(name, f"vit-micro, batch {BATCH}", BATCH, flops, times[name], whole / 4)
        assert whole / 4 > flops / BATCH > 1e8


def test_embedding_grows_in_proportion(report) -> None:
    encoder = build(discover(), "msn", "vit-micro", preset="demo").encoder
    sizes, images = (256, 512, 1024), np.random.default_rng(0).integers(0, 256, (1024, 72, 72), dtype=np.uint8)
    source = ImageSource(images, torch.device("cpu"), "ram")
    cases = {n: lambda n=n: embed(encoder, source, np.arange(n), PixelStatistics(0.5, 0.25)) for n in sizes}
    report.growth("embed, by images", interleave(cases, ROUNDS))
