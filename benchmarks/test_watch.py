"""What the watch costs: ten steps and a look at the encoder, as ``--log-every 10`` does, against ten steps alone.

Baseline: the same steps of the same method without the look. ViT-micro, 64 px, float32, the demonstration's heads.
"""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.interleave import interleave
from benchmarks.steps import OneBatch, build, random_batch, trainer
from ssl_bench.plugin.registry import discover
from ssl_bench.pretrain.watch import IMAGES, Watch

BATCH, STEPS, ROUNDS = 64, 10, 5


def test_a_look_every_ten_steps(benchmark, report, tmp_path: Path) -> None:
    method = build(discover(), "msn", "vit-micro", preset="demo")
    settings = {"accelerator": "cpu", "precision": "32-true"}
    made = trainer(method, OneBatch(random_batch(method, BATCH)), tmp_path, batch_size=BATCH, **settings)
    side = method.encoder.image_size
    watch = Watch(torch.randn(IMAGES, 1, side, side, generator=torch.Generator().manual_seed(0)))

    def steps() -> None:
        for _ in range(STEPS):
            made._step(0)
        made.recent.clear()

    def watched() -> None:
        steps()
        watch.look(method.encoder)

    times = interleave({"watched": watched, "steps without a look": steps}, ROUNDS)
    case = f"{STEPS} steps of `msn` with a look at {IMAGES} validation images"
    report.ratio(case, times, "watched", "steps without a look")
    assert watch.look(method.encoder)["effective_rank"] > 1
    benchmark.pedantic(lambda: watch.look(method.encoder), rounds=3)
