"""Where the time of a training step goes, on one thread, at three sizes of MSN-EHR; see ``profile_step.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.profile_step import Timed, shares, stream
from benchmarks.steps import build, trainer
from ssl_bench.plugin.registry import discover

CASES = {
    "`demo`, float32": ("vit-micro", "demo", 72, 64, "32-true"),
    "`demo`, bf16": ("vit-micro", "demo", 72, 64, "bf16-mixed"),
    "`paper`, float32": ("vit-tiny", "paper", 256, 8, "32-true"),
    "`paper`, bf16": ("vit-tiny", "paper", 256, 8, "bf16-mixed"),
}
"""Backbone, preset, px of the prepared images, batch and precision of each."""


@pytest.mark.parametrize("case", CASES)
def test_profile(report, tmp_path: Path, case: str) -> None:
    backbone, preset, size, batch, precision = CASES[case]
    method = build(discover(), "msn-ehr", backbone, preset=preset)
    batches = Timed(stream(size, method.views, batch))
    settings = {"batch_size": batch, "accelerator": "cpu", "threads": 1, "precision": precision}
    found = shares(trainer(method, batches, tmp_path, **settings))
    assert abs(sum(found.values()) - 1) < 1e-6
    report.profile(f"{case}: {backbone}, batch {batch}", found)
