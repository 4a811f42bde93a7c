"""Two processes with one thread each against one process with two threads, on the same batches; not a pytest suite.

Usage: ``python benchmarks/processes.py --rounds 3``. Both sides alternate, each in a program of its own; the steps are
those of the preset ``demo`` on random images, timed after three that are not. Prints images a second and their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM = 3


def steps(method: str, processes: int, threads: int, timed: int) -> float:
    """Images a second of a training; one of the processes that run this."""
    from ssl_bench.build.modules import build_method
    from ssl_bench.config.config import load
    from ssl_bench.distributed import is_first, rank_zero_first
    from ssl_bench.plan.plan import make_plan
    from ssl_bench.plugin.registry import discover
    from ssl_bench.pretrain.launch import launched
    from ssl_bench.pretrain.loop import Trainer
    from ssl_bench.sweep.cost import Silent, random_stream

    flags: dict[str, Any] = {
        "method": method,
        "data": {"size": 72, "options": {"images": 400}},
        "pretrain": {"accelerator": "cpu", "devices": processes, "threads": threads, "precision": "32-true"},
    }
    config = load(flags, name="demo")
    with launched(config.pretrain) as fabric, tempfile.TemporaryDirectory() as folder:
        plan = rank_zero_first(lambda: make_plan(config, discover(), Path(os.environ["SSLBENCH_CACHE"])))
        built = build_method(plan)
        batch = config.pretrain.batch_size
        stream = random_stream(plan, built, fabric.device, batch)
        trainer = Trainer(built, stream, config.pretrain, fabric, Path(folder), Silent(), seed=0, identity={})
        began = 0.0
        for step in range(WARM + timed):
            if step == WARM:
                began = time.monotonic()
            trainer._step(step)
        speed = timed * batch / (time.monotonic() - began)
        return speed if is_first() else 0.0


def measured(method: str, processes: int, threads: int, timed: int) -> float:
    """One side in a program of its own."""
    command = [sys.executable, __file__, "--side", json.dumps([method, processes, threads, timed])]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    out = subprocess.run(command, env=environment | {"OMP_WAIT_POLICY": "passive"}, capture_output=True, text=True,
                         check=True).stdout  # fmt: skip
    return float(next(line for line in out.splitlines() if line.startswith("speed ")).split()[1])


def main() -> None:
    """Alternate both sides and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--methods", default="simclr,msn-ehr")
    parser.add_argument("--side")
    arguments = parser.parse_args()
    if arguments.side:
        speed = steps(*json.loads(arguments.side))
        if speed:
            print(f"speed {speed}")
        return
    os.environ.setdefault("SSLBENCH_CACHE", tempfile.mkdtemp())
    for method in arguments.methods.split(","):
        ones, twos = [], []
        for _ in range(arguments.rounds):
            ones.append(measured(method, 1, 2, arguments.steps))
            twos.append(measured(method, 2, 1, arguments.steps))
        ratios = [two / one for one, two in zip(ones, twos, strict=True)]
        one, two = statistics.median(ones), statistics.median(twos)
        print(
            f"{method}: 1 process x 2 threads {one:.0f} images/s, 2 processes x 1 thread {two:.0f} images/s, ratio "
            f"{two / one:.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f}); load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
