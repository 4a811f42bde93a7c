"""Kill a smoke run again and again, resume it each time, and compare the encoder with a run left alone.

Usage: ``python tests/kill_and_resume.py --kills 20``. Exit code 0: the bytes are equal.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-c", "from ssl_bench.cli import main; main()", "run"]


def launch(out: Path, cache: Path, flags: list[str]) -> subprocess.Popen[bytes]:
    """Start the run, or resume it where the folder already holds one."""
    holds_run = (out / "config.yaml").exists()
    where = ["--resume", str(out)] if holds_run else ["--preset", "smoke", *flags, "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *where, "--cache", str(cache)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(out: Path, cache: Path, flags: list[str]) -> float:
    """Let a run end; returns its seconds."""
    began = time.monotonic()
    process = launch(out, cache, flags)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run failed with {process.returncode}: {errors.decode()}")
    return time.monotonic() - began


def killed(out: Path, cache: Path, flags: list[str], after: float) -> bool:
    """Start or resume a run and SIGKILL it after some seconds; False if it had ended before."""
    process = launch(out, cache, flags)
    try:
        _, errors = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode:
        raise SystemExit(f"a resumed run failed with {process.returncode}: {errors.decode()}")
    return False


def weights(out: Path) -> bytes:
    """The encoder's file."""
    return (out / "encoder" / "model.safetensors").read_bytes()


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("flags", nargs="*", help="further flags of sslbench run, after --")
    arguments = parser.parse_args()
    drawn = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        cache = base / "cache"
        finish(base / "warm", cache, arguments.flags)  # fills the cache, so that kills hit the run itself
        seconds = finish(base / "alone", cache, arguments.flags)
        expected = weights(base / "alone")
        kills, runs, out = 0, 0, base / "killed-0"
        while kills < arguments.kills:
            # The start-up, half of a smoke run, holds nothing to lose: most moments lie behind it.
            if killed(out, cache, arguments.flags, drawn.uniform(0.3 * seconds, 0.98 * seconds)):
                kills += 1
                continue
            runs += compare(out, expected)
            out = base / f"killed-{runs}"
        finish(out, cache, arguments.flags)
        runs += compare(out, expected)
    print(f"{kills} kills, {runs} runs finished, every encoder equal to the byte")


def compare(out: Path, expected: bytes) -> int:
    """1 where the encoder is equal; ends the program where it is not."""
    if weights(out) != expected:
        raise SystemExit(f"the encoder in {out} differs from the run that was left alone")
    return 1


if __name__ == "__main__":
    main()
