"""Alternating two workers: each case in both trees, in random order, one process active at a time."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from benchmarks.regress.trees import search_path
from benchmarks.regress.verdict import Verdict, accuracy, exactness, speed

PAIRS = 24
"""Pairs of timed calls: an unchanged case then gave median ratios of 0.986 to 1.034 on a busy machine."""

SHORTEST = 0.1
"""Seconds that one timing takes at least; a quicker case is called several times in a row."""

KEPT = {"MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_MMAP_MAX_": "0"}
"""glibc keeps memory that is freed. Otherwise chance decides, once for a process, whether every call gives its memory
back and takes page faults for it again: views of unchanged code then took 0.63 to 1.46 times as long as the base's.
"""


class Side(Protocol):
    """The code of one tree, at work."""

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """The answer to one request, with ``error`` where it failed."""


class Process:
    """A worker process of a tree, which stays until the end.

    Args:
        tree: whose code it imports.
        folder: for its metadata and its messages.
        cases: module of the cases.
        home: folder from which that module is imported.
    """

    def __init__(self, tree: Path, folder: Path, cases: str, home: Path) -> None:
        self.log = folder / "messages.txt"
        paths = search_path(tree, folder / "metadata")
        worker = Path(__file__).with_name("worker.py")
        command = [sys.executable, "-P", str(worker), str(tree), cases, *paths, str(home)]
        with self.log.open("w") as messages:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                env={**os.environ, **KEPT},
            )

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **given}) + "\n")
            self.process.stdin.flush()
            answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        except (OSError, json.JSONDecodeError):
            raise RuntimeError(f"a worker died:\n{self.log.read_text()[-2000:]}") from None
        return answer

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def compare(
    base: Side, ours: Side, cases: Iterable[str], *, pairs: int = PAIRS, tell: Callable[[str], None] = print
) -> Iterator[Verdict]:
    """Verdicts on every case, then on quality."""
    for case in cases:
        tell(case)
        yield timed(base, ours, case, pairs)
    tell("quality")
    yield from quality(base, ours)


def timed(base: Side, ours: Side, case: str, pairs: int) -> Verdict:
    """Time a case on both sides, pair by pair; what the working tree cannot do fails, what the base cannot is new."""
    if error := ours.ask("prepare", case=case).get("error"):
        return Verdict(case, None, None, True, f"BROKEN: {error}")
    if error := base.ask("prepare", case=case).get("error"):
        return Verdict(case, None, None, False, f"new: the base says {error}")
    once = ours.ask("time", case=case, calls=1)["seconds"]
    calls = max(1, math.ceil(SHORTEST / max(once, 1e-6)))
    order, times = random.Random(case), {"base": list[float](), "ours": list[float]()}
    sides = {"base": base, "ours": ours}
    for _ in range(pairs):
        for name in order.sample(list(sides), 2):
            times[name].append(sides[name].ask("time", case=case, calls=calls)["seconds"] / calls)
    return speed(case, times["base"], times["ours"])


def quality(base: Side, ours: Side) -> list[Verdict]:
    """Verdicts on the accuracy of fixed small pretrainings and on the exactness of intervals."""
    new, old = ours.ask("quality"), base.ask("quality")
    if error := new.get("error"):
        return [Verdict("quality", None, None, True, f"BROKEN: {error}")]
    found = [exactness("intervals, off scikit-learn", new["deviation"], old.get("deviation"))]
    if error := old.get("error"):
        return [*found, Verdict("quality", None, None, False, f"new: the base says {error}")]
    found.append(accuracy("macro AUROC, fixed pretraining", old, new))
    return [*found, real(old.get("real", {}), new["real"])] if "real" in new else found


def real(old: dict[str, Any], new: dict[str, Any]) -> Verdict:
    """The same on real films, where both sides have them."""
    name = "macro AUROC, real films"
    if error := new.get("error"):
        return Verdict(name, None, None, True, f"BROKEN: {error}")
    if reason := new.get("skipped"):
        return Verdict(name, None, None, False, f"skipped: {reason}")
    if "scores" not in old:
        return Verdict(name, None, None, False, f"new: the base says {old.get('error', 'nothing of real films')}")
    return accuracy(name, old, new)
