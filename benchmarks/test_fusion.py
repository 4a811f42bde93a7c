"""What a fusion adds to a training step of MSN: ViT-Tiny/16, two crops of 224 px and ten of 96 px, four images.

The fixed cost of a fusion is the larger share the smaller the batch, so four images are a hard case. Seconds of
computing on one thread, sides in turns; and operations, which depend on no machine.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.interleave import interleave
from benchmarks.test_step import SCHEMA, OneBatch, random_batch
from ssl_bench.build.backbones import build
from ssl_bench.build.modules import build_fusion
from ssl_bench.config.config import PretrainConfig
from ssl_bench.plan.parts import ResolvedComponent
from ssl_bench.plugin.registry import discover
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import Trainer
from sslbench_methods.msn import MSN
from sslbench_methods.options import MSNOptions

BATCH, ROUNDS, MOST = 4, 5, 1.05
WITHOUT, TOKENS = "no fusion", "no fusion, all tokens"
REGISTRY = discover()
FUSIONS = REGISTRY.names("fusion")


def method(fusion: str) -> MSN:
    """MSN with the official options and one of the installed fusions."""
    torch.manual_seed(0)
    backbone = build(224, "vit_tiny_patch16_224")
    if fusion == WITHOUT:
        return MSN(MSNOptions(), backbone, None)
    name = "none" if fusion == TOKENS else fusion
    chosen = ResolvedComponent(REGISTRY.get("fusion", name), REGISTRY.options("fusion", name, {}))
    made = build_fusion(chosen, backbone.dim, SCHEMA)
    made.needs_tokens |= fusion == TOKENS
    return MSN(MSNOptions(), backbone, made)


def plain(fusion: str) -> str:
    """What a fusion is measured against: for one that reads tokens, a step that computes them for nobody."""
    return TOKENS if REGISTRY.get("fusion", fusion).needs_tokens else WITHOUT


def trainer(fusion: str, folder: Path) -> Trainer:
    """sslbench's own loop around it."""
    config = PretrainConfig(epochs=1, batch_size=BATCH, precision="32-true", accelerator="cpu", threads=1)
    built = method(fusion)
    return Trainer(
        built, OneBatch(random_batch(BATCH)), config, build_fabric(config), folder, None, seed=0, identity={}
    )


@pytest.mark.parametrize("fusion", FUSIONS)
def test_operations(report, fusion: str) -> None:
    counts = {}
    for name in {WITHOUT, plain(fusion), fusion}:
        with FlopCounterMode(display=False) as counter:
            method(name).training_loss(random_batch(BATCH), 0.0).total.backward()
        counts[name] = counter.get_total_flops()
    report.note(f"`{fusion}` adds {counts[fusion] / counts[WITHOUT] - 1:.2%} operations.")
    assert counts[fusion] < MOST * counts[plain(fusion)]


def test_step(report, tmp_path: Path) -> None:
    sides = {name: trainer(name, tmp_path / name) for name in (WITHOUT, TOKENS, *FUSIONS)}
    cases = {name: lambda side=side: side._step(0) for name, side in sides.items()}
    times = interleave(cases, ROUNDS, clock=time.process_time)
    for name in FUSIONS:
        report.ratio(f"step with {name}", times, name, plain(name), at_least=1 / MOST, per=BATCH)
