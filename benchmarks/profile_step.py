"""Where the time of a training step goes: ``python benchmarks/profile_step.py``.

The whole step of a run, views included, on synthetic images, under torch's profiler; operators are put into groups by
the time that they themselves take.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile, record_function

sys.path.append(str(Path(__file__).parents[1]))

from benchmarks.interleave import interleave, ratio
from benchmarks.steps import LABELS, SCHEMA, build, trainer
from ssl_bench.data.source import BatchStream, ImageSource, PixelStatistics
from ssl_bench.plugin.registry import discover
from ssl_bench.pretrain.compiled import compiled
from ssl_bench.pretrain.loop import Trainer

GROUPS: Mapping[str, tuple[str, ...]] = {
    "views": ("views",),
    "matrix products": ("addmm", "::mm", "bmm", "linear", "matmul", "mkldnn_convolution", "convolution"),
    "attention": ("attention", "attn", "softmax"),
    "GELU": ("gelu",),
    "layer and batch norm": ("norm",),
    "optimiser, moving average, clipping": ("fused_adam", "_foreach", "lerp"),
    "copies and memory": ("copy_", "cat", "empty", "gather", "index", "clone", "_to_copy", "fill_", "zero_"),
    "sums": ("sum", "mean"),
    "additions and products": ("add", "mul", "div", "sub"),
}
"""Groups of operators by parts of their names; the first that fits counts."""

STEPS = 5


def stream(size: int, views: Sequence[object], batch_size: int) -> BatchStream:
    """Batches of random images of ``size`` px from memory."""
    images = np.random.default_rng(0).integers(0, 256, (4 * batch_size, size, size), dtype=np.uint8)
    tables = tuple(np.ones((len(images), columns)) for columns in (len(SCHEMA), len(SCHEMA), LABELS))
    source, grey = ImageSource(images, torch.device("cpu"), "ram"), PixelStatistics(0.5, 0.25)
    return BatchStream(source, np.arange(len(images)), tables, views, grey, batch_size=batch_size, seed=0)


class Timed:
    """A stream whose batches are one entry of the profile."""

    def __init__(self, inner: BatchStream) -> None:
        self.inner, self.steps_per_epoch = inner, inner.steps_per_epoch

    def batch(self, step: int) -> object:
        """The batch of a step."""
        with record_function("views"):
            return self.inner.batch(step)


def shares(made: Trainer, steps: int = STEPS) -> dict[str, float]:
    """Share of the time by group of operators, and of what Python and small operators take (``rest``)."""
    made._step(0)  # warm-up
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for step in range(steps):
            made._step(step)
    own: Counter[str] = Counter()
    inside = {id(child) for event in found.events() if event.name == "views" for child in descendants(event)}
    for event in found.events():
        name = "views" if event.name == "views" or id(event) in inside else event.name.lower()
        own[group(name)] += event.self_cpu_time_total
    total = sum(own.values())
    return {name: time / total for name, time in own.most_common()}


def descendants(event: object) -> list[object]:
    """Everything that an operator called."""
    return [found for child in event.cpu_children for found in (child, *descendants(child))]


def group(name: str) -> str:
    """The group of an operator."""
    return next((key for key, parts in GROUPS.items() if any(part in name for part in parts)), "rest")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="msn-ehr")
    parser.add_argument("--backbone", default="vit-micro")
    parser.add_argument("--preset", default="demo", help="whose options of the method are taken; paper: the official")
    parser.add_argument("--size", type=int, default=72, help="px of the prepared images")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", default="32-true", help="or bf16-mixed")
    parser.add_argument("--threads", type=int, default=0, help="1 where the machine is busy; 0 for one a core")
    parser.add_argument("--compile", action="store_true", help="also the step under torch.compile, and its warm-up")
    given = parser.parse_args(arguments)
    method = build(discover(), given.method, given.backbone, preset=given.preset)
    batches = Timed(stream(given.size, method.views, given.batch_size))
    with tempfile.TemporaryDirectory() as folder:
        settings = {"batch_size": given.batch_size, "accelerator": "cpu", "threads": given.threads,
                    "precision": given.precision}  # fmt: skip
        made = trainer(method, batches, Path(folder), **settings)
        network = f"{given.method}, {given.backbone}, batch {given.batch_size}"
        title = f"{network}, {given.precision}, {torch.get_num_threads()} threads"
        table = Table("operators", "share of a step", title=title, box=None)
        for name, share in shares(made).items():
            table.add_row(name, f"{100 * share:.1f} %")
        Console().print(table)
        if given.compile:
            print(compilation(made, trainer(copy.deepcopy(method), batches, Path(folder), **settings)))


def compilation(plain: Trainer, other: Trainer) -> str:
    """How much faster a compiled step is, and how long the first one takes."""
    with compiled(other.module):
        begin = time.perf_counter()
        other._step(0)
        first = time.perf_counter() - begin
        times = interleave({"plain": lambda: plain._step(0), "compiled": lambda: other._step(0)}, 7)
    seconds = statistics.median(times["compiled"])
    return f"compiled: first step {first:.0f} s, then {seconds:.2f} s; eager takes {ratio(times, 'plain', 'compiled')}"


if __name__ == "__main__":
    main()
