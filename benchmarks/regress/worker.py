"""A process that runs cases on the code of one tree, as asked in lines of JSON on its standard input.

{"do": "prepare", "case": "step"}              -> {} or {"error": why}
{"do": "time", "case": "step", "calls": 3}     -> {"seconds": 0.41}
{"do": "quality"}                              -> what the cases' ``quality`` gives, or {"error": why}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any


def main(tree: Path, cases: str, paths: list[str]) -> None:
    """Answer until the input ends.

    Args:
        tree: whose code is to be imported.
        cases: module with ``CASES``, ``quality`` and, where time is planted, ``clock``.
        paths: put in front of all others.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the code prints is no answer
    import_from(paths)
    with tempfile.TemporaryDirectory() as folder:
        work = Worker(tree, cases, Path(folder))
        for line in sys.stdin:
            answers.write(json.dumps(work.answer(**json.loads(line))) + "\n")
            answers.flush()


def import_from(paths: list[str]) -> None:
    """Import from these folders first; the finder of an editable installation would go before any path."""
    sys.path[:0] = paths
    sys.meta_path.insert(0, PathFinder)  # type: ignore[arg-type]  # the class is the finder


class Worker:
    """Prepared cases of one tree."""

    def __init__(self, tree: Path, cases: str, folder: Path) -> None:
        self.tree, self.cases, self.folder = tree, cases, folder
        self.ready: dict[str, Any] = {}

    def answer(self, do: str, **given: Any) -> dict[str, Any]:
        """Carry out one request; a fault in the code is an answer, too."""
        try:
            done: dict[str, Any] = getattr(self, do)(**given)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]}
        return done

    def prepare(self, case: str) -> dict[str, Any]:
        """Set a case up and call it once."""
        self.ready[case] = self.module().CASES[case](self.folder)
        self.ready[case]()
        return {}

    def time(self, case: str, calls: int) -> dict[str, Any]:
        """Seconds of some calls in a row."""
        clock = getattr(self.module(), "clock", time.perf_counter)
        run = self.ready[case]
        begin = clock()
        for _ in range(calls):
            run()
        return {"seconds": clock() - begin}

    def quality(self) -> dict[str, Any]:
        """What the cases say about quality."""
        found: dict[str, Any] = self.module().quality(self.folder)
        return found

    def module(self) -> Any:
        """The cases; only with the code of this tree."""
        code = importlib.import_module("ssl_bench")
        if self.tree not in Path(str(code.__file__)).parents:
            raise ImportError(f"expected ssl_bench of {self.tree}, found {code.__file__}")
        return importlib.import_module(self.cases)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
