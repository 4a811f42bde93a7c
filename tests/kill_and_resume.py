"""Kill a smoke run again and again, resume it each time, and compare it with a run that was left alone.

Usage: ``python tests/kill_and_resume.py --kills 20``. Exit code 0: encoder and last checkpoint are equal to the byte.
Runs are forked from this process once everything is imported, so that a kill hits the run and not its start-up.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path


def command(arguments: list[str], log: Path) -> None:
    """What a forked process does: one command of the program, what it says kept in a file."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from ssl_bench.cli import main, run

    run.report_or_warn = lambda directory, terminal: None  # it takes longer than the run, and comes after its end
    sys.argv = ["sslbench", *arguments]
    main()


def launch(out: Path, cache: Path, flags: list[str]) -> BaseProcess:
    """Start the run, or resume it where the folder already holds one."""
    holds_run = (out / "config.yaml").exists()
    where = ["--resume", str(out)] if holds_run else ["--preset", "smoke", *flags, "--out", str(out)]
    arguments = ["run", *where, "--cache", str(cache)]
    process = multiprocessing.get_context("fork").Process(target=command, args=(arguments, said(out)))
    process.start()
    return process


def said(out: Path) -> Path:
    """Where the output of a run is kept, beside its folder."""
    return out.with_suffix(".log")


def finish(out: Path, cache: Path, flags: list[str]) -> float:
    """Let a run end; returns its seconds."""
    began = time.monotonic()
    process = launch(out, cache, flags)
    process.join()
    check(out, process)
    return time.monotonic() - began


def killed(out: Path, cache: Path, flags: list[str], after: float) -> bool:
    """Start or resume a run and SIGKILL it after some seconds; False if it had ended before."""
    process = launch(out, cache, flags)
    process.join(after)
    if process.is_alive():
        process.kill()
        process.join()
        return True
    check(out, process)
    return False


def check(out: Path, process: BaseProcess) -> None:
    """End the program where a run failed."""
    if process.exitcode:
        raise SystemExit(f"the run in {out} failed with {process.exitcode}: {said(out).read_text()}")


def finished(out: Path) -> bool:
    """Whether the record is there, which a run writes last."""
    return (out / "record.json").exists()


def contents(out: Path) -> dict[str, bytes]:
    """The encoder's file and the tensors of the last checkpoint."""
    last = max((out / "checkpoints").glob("*.safetensors"))
    return {path.name: path.read_bytes() for path in (out / "encoder" / "model.safetensors", last)}


def compare(out: Path, expected: dict[str, bytes]) -> int:
    """1 where the run is equal; ends the program where it is not."""
    found = contents(out)
    different = [name for name in expected if found.get(name) != expected[name]]
    if different:
        raise SystemExit(f"{', '.join(different)} in {out} differ from the run that was left alone")
    return 1


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("flags", nargs="*", help="further flags of sslbench run, after --")
    arguments = parser.parse_args()
    preload()
    drawn = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        cache = base / "cache"
        finish(base / "warm", cache, arguments.flags)  # fills the cache, so that kills hit the run itself
        seconds = finish(base / "alone", cache, arguments.flags)
        expected = contents(base / "alone")
        kills, runs, out = 0, 0, base / "killed-0"
        while kills < arguments.kills:
            kills += killed(out, cache, arguments.flags, drawn.uniform(0.02, 1.0) * seconds)
            if finished(out):
                runs += compare(out, expected)
                out = base / f"killed-{runs}"
        finish(out, cache, arguments.flags)
        runs += compare(out, expected)
    print(f"{kills} kills, {runs} runs finished, every encoder and checkpoint equal to the byte")


def preload() -> None:
    """Import what runs use, on one thread, because a fork takes no other thread with it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for module in ("ssl_bench.pipeline", "ssl_bench.build.estimate",
                   "sslbench_methods.msn", "sslbench_evaluators.linear",
                   "sslbench_evaluators.knn"):  # fmt: skip
        __import__(module)


if __name__ == "__main__":
    main()
