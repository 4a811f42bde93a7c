"""Kill a sweep again and again, start it each time, and compare its table with that of a sweep that was left alone.

Usage: ``python tests/kill_and_sweep.py --kills 20``. Exit code 0: the tables are equal to the letter, and so are the
encoders to the byte. Sweep and runs are forked from a process that has everything imported, so that a kill hits them
and not their start-up; a run dies with its sweep, as under the launcher ``local``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

METHODS = ("simclr", "random")
FORK = multiprocessing.get_context("fork")


class Forks:
    """A launcher that forks instead of starting a program anew."""

    slots = shared = 2
    stays = False

    def __init__(self) -> None:
        self._live: dict[str, BaseProcess] = {}

    def submit(self, job: Any) -> str:
        """Fork a run."""
        process = self.process(job)
        process.start()
        self._live[str(process.pid)] = process
        return str(process.pid)

    def process(self, job: Any) -> BaseProcess:
        """A run that is still to be started."""
        command = job.resume if (job.run / "config.yaml").is_file() else job.start
        return FORK.Process(target=run, args=(list(command[3:]), job.log))

    def states(self, handles: Mapping[str, Any]) -> dict[str, Any]:
        """Running, or ended with its exit code."""
        from ssl_bench.plugin.services import JobState

        codes = {handle: self._live[handle].exitcode for handle in handles}
        return {handle: JobState("running" if code is None else "ended", code) for handle, code in codes.items()}

    def stop(self, handles: Sequence[str]) -> None:
        """Never needed here."""


def run(arguments: list[str], log: Path) -> None:
    """What a forked run does; it writes no report, which would take longer than the run."""
    from ssl_bench.api import start as command
    from ssl_bench.cli import main
    from ssl_bench.files import die_with_parent

    die_with_parent()
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    command.report_or_warn = lambda directory, terminal: None
    sys.argv = ["sslbench", *arguments]
    main()


def sweep(folder: Path, cache: Path) -> None:
    """What a forked sweep does: all cells, and the final table in a file."""
    from ssl_bench.plugin.registry import discover
    from ssl_bench.report.sweep import result_text
    from ssl_bench.sweep.cells import Grouped, make_cells
    from ssl_bench.sweep.grid import Grid, layers
    from ssl_bench.sweep.loop import Sweep, claimed

    grid = Grid.model_validate({
        "base": {"preset": "smoke", "evaluate.replicates": 100, "evaluate.protocols": "knn",
                 "data.options": {"images": 160, "size": 40},
                 "pretrain.checkpoint_every": 0.3, "pretrain.threads": 1},
        "grid": {"method": list(METHODS)},
    })  # fmt: skip
    with claimed(folder):
        cells = make_cells(layers(grid, discover()), discover(), Grouped())
        states = Sweep(cells, folder, Forks(), cache, lambda states: None, pause=0.05).run()
    lines = [f"{name} {state.phase} {result_text(state)} {state.reason}" for name, state in states.items()]
    (folder / "table.txt").write_text("\n".join(lines))


def start(folder: Path, cache: Path) -> BaseProcess:
    """Fork a sweep."""
    process = FORK.Process(target=sweep, args=(folder, cache))
    process.start()
    return process


def finish(folder: Path, cache: Path) -> float:
    """Let a sweep end; its seconds."""
    began = time.monotonic()
    process = start(folder, cache)
    process.join()
    if process.exitcode:
        raise SystemExit(f"the sweep in {folder} failed with {process.exitcode}")
    return time.monotonic() - began


def killed(folder: Path, cache: Path, after: float) -> bool:
    """Start a sweep and SIGKILL it after some seconds; False if it had ended before."""
    from ssl_bench.files import locked
    from ssl_bench.sweep.loop import private_folder

    process = start(folder, cache)
    process.join(after)
    alive = process.is_alive()
    process.kill()
    process.join()
    # Forked runs have inherited the lock, unlike those of a launcher, and let it go as soon as they have died, too.
    with locked(private_folder(folder) / "lock", f"sweep {folder}", wait=True):
        return alive


def contents(folder: Path) -> dict[str, bytes]:
    """The table, and the encoder of every cell."""
    encoders = {path.parent.parent.name: path.read_bytes() for path in folder.glob("*/encoder/model.safetensors")}
    return {"table": (folder / "table.txt").read_bytes(), **encoders}


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    preload()
    drawn = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as home:
        base = Path(home)
        cache = base / "cache"
        seconds = finish(base / "alone", cache)
        expected = contents(base / "alone")
        if b"failed" in expected["table"]:
            raise SystemExit(expected["table"].decode())
        kills, sweeps, folder = 0, 0, base / "killed-0"
        while kills < arguments.kills:
            kills += killed(folder, cache, drawn.uniform(0.1, 0.9) * seconds)
            if (folder / "table.txt").is_file():
                sweeps, folder = sweeps + compare(folder, expected), base / f"killed-{sweeps + 1}"
        finish(folder, cache)
        sweeps += compare(folder, expected)
    print(f"{kills} kills, {sweeps} sweeps finished, every table and encoder equal")


def compare(folder: Path, expected: Mapping[str, bytes]) -> int:
    """1 where the sweep ended as the one that was left alone did; ends the program where not."""
    found = contents(folder)
    different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if different:
        raise SystemExit(f"{', '.join(different)} in {folder} differ: {found['table'].decode()}")
    return 1


def preload() -> None:
    """Import what runs use, on one thread, because a fork takes no other thread with it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for module in ("ssl_bench.pipeline", "ssl_bench.build.estimate",
                   "sslbench_methods.simclr", "sslbench_evaluators.knn",
                   "ssl_bench.report.terminal"):  # fmt: skip
        __import__(module)


if __name__ == "__main__":
    main()
