"""Kill commands again and again, repeat each, and compare what they leave with what one leaves that was left alone.

Usage: ``python tests/kill_and_repeat.py --kills 20 [evaluate export leaderboard prepare]``. Exit code 0: after every
kill what was there before is whole, and in the end everything is equal, with nothing half done left behind. Commands
are forked from a process that has everything imported, so that a kill hits their work and not their start-up.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from kill_and_resume import command, said

DATA = ("--set", "data.options={images: 160, size: 40}")
Contents = Mapping[str, object]


@dataclass(frozen=True)
class Case:
    """A command to kill.

    Args:
        arguments: of the program, for a folder and the cache.
        contents: what the command has left in a folder.
        between: what must hold after a kill; True where the command had done everything before it died.
        needs_run: the folder begins with a finished run.
    """

    arguments: Callable[[Path, Path], list[str]]
    contents: Callable[[Path], Contents]
    between: Callable[[Path, Contents], bool]
    needs_run: bool = True


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but locks, hidden ones included; paths of the folder itself are left out of them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().replace(os.fsencode(folder), b"HERE")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


def metrics(home: Path) -> Contents:
    """The rows of the record, and which files are there."""
    from ssl_bench.results.rundir import RunDirectory

    rows = RunDirectory(home / "run").read_record().metrics
    return {"rows": sorted(map(str, rows)), "files": sorted(files(home / "run"))}


def store(home: Path) -> Contents:
    """The generated files and the prepared store, but for the times of files, which it keeps, too."""
    found: dict[str, object] = dict(files(home / "cache"))
    (manifest,) = (name for name in found if name.endswith("/manifest.json"))
    found[manifest] = json.loads((home / "cache" / manifest).read_text())["fingerprint"]
    return {name: "there" if name.endswith("/blocks.jsonl") else value for name, value in found.items()}


def record_is_whole(home: Path, expected: Contents) -> bool:
    """The record can be read; a repeated evaluation adds nothing twice."""
    metrics(home)
    return False


def whole_or_not_there(name: str) -> Callable[[Path, Contents], bool]:
    """A file or folder is not there yet, or all of it is."""

    def look(home: Path, expected: Contents) -> bool:
        if not (home / name).exists():
            return False
        found = files(home / name) if (home / name).is_dir() else {name: (home / name).read_bytes()}
        same([name], found, {key: expected[key] for key in found})
        return True

    return look


CASES = {
    "evaluate": Case(
        lambda home, cache: ["evaluate", str(home / "run"), "--eval", "knn", "--cache", str(cache)],
        metrics, record_is_whole,
    ),
    "export": Case(
        lambda home, cache: ["export", str(home / "run"), str(home / "out" / "encoder")],
        lambda home: files(home / "out" / "encoder"), whole_or_not_there("out/encoder"),
    ),
    "leaderboard": Case(
        lambda home, cache: ["leaderboard", str(home / "run"), "--html", str(home / "page.html"), "--no-maps",
                             "--replicates", "100"],
        lambda home: {"page.html": (home / "page.html").read_bytes()}, whole_or_not_there("page.html"),
    ),
    "prepare": Case(
        lambda home, cache: ["data", "prepare", "synthetic", "--preset", "smoke", *DATA,
                             "--cache", str(home / "cache")],
        store, lambda home, expected: False, needs_run=False,
    ),
}  # fmt: skip


def start(case: Case, home: Path, cache: Path) -> BaseProcess:
    """Fork the command."""
    process = multiprocessing.get_context("fork").Process(
        target=command, args=(case.arguments(home, cache), said(home))
    )
    process.start()
    return process


def finish(case: Case, home: Path, cache: Path) -> float:
    """Let the command end; its seconds."""
    began = time.monotonic()
    process = start(case, home, cache)
    process.join()
    check(home, process)
    return time.monotonic() - began


def check(home: Path, process: BaseProcess) -> None:
    """End the program where a command failed."""
    if process.exitcode:
        raise SystemExit(f"the command in {home} failed with {process.exitcode}: {said(home).read_text()}")


def killed(case: Case, home: Path, cache: Path, after: float) -> bool:
    """SIGKILL the command after some seconds; False if it had ended before."""
    process = start(case, home, cache)
    process.join(after)
    alive = process.is_alive()
    process.kill()
    process.join()
    if not alive:
        check(home, process)
    return alive


def same(where: object, found: Contents, expected: Contents) -> None:
    """End the program where something differs."""
    different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if different:
        raise SystemExit(f"{where}: {', '.join(different)} differ from what a command left that was left alone")


class Trial:
    """One command, killed again and again.

    Args:
        name: of the case.
        base: where its folders are made.
        run: a finished run.
        cache: of prepared images.
    """

    def __init__(self, name: str, base: Path, run: Path, cache: Path) -> None:
        self.name, self.case, self.base, self.run, self.cache = name, CASES[name], base, run, cache
        self.made = 0

    def fresh(self) -> Path:
        """A new folder as the command finds it first; all have names of one length."""
        self.made += 1
        home = self.base / f"{self.name}-{self.made:04d}"
        home.mkdir()
        if self.case.needs_run:
            shutil.copytree(self.run, home / "run")
        return home

    def kill(self, kills: int, drawn: random.Random) -> str:
        """Kill and repeat; what came of it."""
        alone = self.fresh()
        seconds = finish(self.case, alone, self.cache)
        expected, done, ended = self.case.contents(alone), 0, 0
        home = self.fresh()
        while done < kills:
            hit = killed(self.case, home, self.cache, drawn.uniform(0.02, 1.0) * seconds)
            done += hit
            if hit and not self.case.between(home, expected):
                continue
            ended, home = ended + self.compare(home, expected), self.fresh()
        finish(self.case, home, self.cache)
        ended += self.compare(home, expected)
        return f"{self.name}: {done} kills, {ended} commands ended, everything equal"

    def compare(self, home: Path, expected: Contents) -> int:
        """1 where a command ended as the one that was left alone did."""
        same(home, self.case.contents(home), expected)
        hidden = [path.name for path in home.rglob(".*") if path.name.endswith((".tmp", ".unfinished"))]
        if hidden and self.name != "leaderboard":  # its folder is the user's; the next page is another file
            raise SystemExit(f"{home} holds {', '.join(hidden)}")
        return 1


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("commands", nargs="*", default=[], help=f"of {', '.join(CASES)}; all if none is named")
    arguments = parser.parse_args()
    preload()
    drawn = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        run, cache = base / "run", base / "cache"
        one = Case(lambda home, cache: ["run", "--preset", "smoke", "--method", "random", "--eval", "linear", *DATA,
                                        "--set", "evaluate.replicates=100", "--out", str(home), "--cache", str(cache)],
                   files, lambda home, expected: False)  # fmt: skip
        finish(one, run, cache)
        for name in arguments.commands or CASES:
            print(Trial(name, base, run, cache).kill(arguments.kills, drawn), flush=True)


def preload() -> None:
    """Import what the commands use, on one thread, because a fork takes no other thread with it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for module in ("ssl_bench.pipeline", "ssl_bench.build.estimate",
                   "ssl_bench.evaluate.reevaluate", "ssl_bench.report.bundle",
                   "ssl_bench.report.page.page", "ssl_bench.report.preparing", "sslbench_evaluators.linear",
                   "sslbench_evaluators.knn", "sslbench_synthetic.cohort.writer"):  # fmt: skip
        __import__(module)


if __name__ == "__main__":
    main()
