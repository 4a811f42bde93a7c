"""A stranger's path: the commands of docs/tutorials/paper.md in a new environment, counted and timed.

python -m benchmarks.first_hour [--preset smoke] [--env FOLDER] [--write]   # --write: the table of the page
python -m benchmarks.first_hour --count                                     # that table without seconds, in no time
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssl_bench.report.render import markdown
from ssl_bench.report.table import Table
from ssl_bench.results.environment import processor

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorials" / "paper.md"
INSTALL = "pip install ."
"""From a clone, which here is this checkout."""

BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(<!-- timed -->\n).*?(<!-- / -->)", re.DOTALL)

MILESTONES = {
    "sslbench run --method msn-ehr": "a table",
    "sslbench run --method my-method": "a method of your own, installed, tested, and in a table",
    "sslbench run --encoder": "an encoder of your own in the same table",
    "sslbench leaderboard": "figures as SVG and PDF, and a page that compares all three",
    "sslbench tables": "the tables of a paper, in LaTeX",
}
"""What a reader has after the command that begins so."""


@dataclass(frozen=True)
class Taken:
    """What a command took.

    Args:
        cpu: seconds of it and its children.
        wall: seconds.
    """

    cpu: float
    wall: float


def commands(text: str) -> list[str]:
    """The commands of the page."""
    found = BLOCK.search(text)
    return found[1].splitlines() if found else []


def timed(command: str, folder: Path, environment: Mapping[str, str]) -> Taken:
    """Run a command.

    Raises:
        SystemExit: it fails; its output is printed.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    taken = Taken(cpu, time.perf_counter() - began)
    print(f"{taken.cpu:7.0f} s CPU {taken.wall:7.0f} s wall  {command}", flush=True)
    return taken


def table(taken: Mapping[str, Taken], left_out: Sequence[str] = (), where: str = "") -> str:
    """Milestones with the number of commands to them, and the seconds of all commands so far, as a table of the page.

    Raises:
        SystemExit: a milestone has no command.
    """
    rows = []
    for begin, result in MILESTONES.items():
        last = next((number for number, line in enumerate(taken, 1) if line.startswith(begin)), None)
        if last is None:
            raise SystemExit(f"no command of the page begins with '{begin}'")
        before = [list(taken.values())[number] for number in range(last)]
        cpu, wall = sum(one.cpu for one in before), sum(one.wall for one in before)
        rows.append((result, str(last), f"{cpu:.0f}", f"{wall:.0f}"))
    if not any(one.cpu for one in taken.values()):
        return markdown(Table(("result", "commands"), tuple(row[:2] for row in rows))).strip()
    note = f" Not timed: {', '.join(f'`{line}`' for line in left_out)}." if left_out else ""
    shown = markdown(Table(("result", "commands", "CPU s", "wall s"), tuple(rows)))
    measured = f"; measured on {where}" if where else ""
    return "\n".join([shown, f"{len(taken)} commands; seconds of all commands up to there{measured}.{note}"]).strip()


def here() -> str:
    """The machine, how busy it is before the first command, and the date."""
    return (f"{processor()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the first command, "
            f"{time.strftime('%Y-%m-%d')}")  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="", help="of the runs, in the place of the page's")
    parser.add_argument("--env", type=Path, help="an environment that has sslbench: the first command is left out")
    parser.add_argument("--write", action="store_true", help="write the table of the page")
    parser.add_argument("--count", action="store_true", help="run nothing: write the numbers of commands alone")
    given = parser.parse_args()
    if given.count:
        page = PAGE.read_text(encoding="utf-8")
        write(page, table(dict.fromkeys(commands(page), Taken(0.0, 0.0))))
        return
    where = here()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        place = given.env or folder / "env"
        if not given.env:
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
        path = os.pathsep.join((str(place.absolute() / "bin"), os.environ["PATH"]))
        environment = {**os.environ, "PATH": path, "SSLBENCH_CACHE": str(folder / "cache")}
        taken = {}
        for command in commands(PAGE.read_text(encoding="utf-8")):
            small = f" --preset {given.preset}" if given.preset and command.startswith("sslbench run") else ""
            asked = f"pip install {ROOT}" if command == INSTALL else command + small
            skipped = command == INSTALL and given.env
            taken[command] = Taken(0.0, 0.0) if skipped else timed(asked, folder, environment)
        told = table(taken, [INSTALL] if given.env else [], where)
        print(told)
    if given.write:
        write(PAGE.read_text(encoding="utf-8"), told)


def write(page: str, told: str) -> None:
    """The page with its table."""
    PAGE.write_text(TABLE.sub(lambda found: f"{found[1]}{told}\n{found[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
