"""A stranger's path: the commands of docs/tutorials/paper.md in a new environment, timed.

python -m benchmarks.first_hour [--preset smoke] [--env FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorials" / "paper.md"
INSTALL = "pip install ."
"""From a clone, which here is this checkout."""

BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The commands of the page."""
    found = BLOCK.search(text)
    return found[1].splitlines() if found else []


def seconds(command: str, folder: Path, environment: dict[str, str]) -> float:
    """CPU time of a command and its children.

    Raises:
        SystemExit: it fails; its output is printed.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{taken:7.0f} s CPU {time.perf_counter() - began:7.0f} s wall  {command}", flush=True)
    return taken


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="", help="of the runs, in the place of the page's")
    parser.add_argument("--env", type=Path, help="an environment that has sslbench: the first command is left out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        place = given.env or folder / "env"
        if not given.env:
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
        path = os.pathsep.join((str(place.absolute() / "bin"), os.environ["PATH"]))
        environment = {**os.environ, "PATH": path, "SSLBENCH_CACHE": str(folder / "cache")}
        total = 0.0
        for command in commands(PAGE.read_text()):
            if command == INSTALL and given.env:
                continue
            small = f" --preset {given.preset}" if given.preset and command.startswith("sslbench run") else ""
            total += seconds(f"pip install {ROOT}" if command == INSTALL else command + small, folder, environment)
        print(f"{total:7.0f} s CPU in all")


if __name__ == "__main__":
    main()
