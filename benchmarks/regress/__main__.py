"""The command of the gate."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.regress.gate import PAIRS, Process, compare
from benchmarks.regress.trees import check_out, find_base
from benchmarks.regress.verdict import Verdict

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT, home: Path = ROOT) -> int:
    """Compare a checkout with its base; the exit code is 1 where something got slower or worse.

    Args:
        arguments: of the command line.
        root: the checkout.
        home: folder from which the cases are imported.
    """
    parser = argparse.ArgumentParser(prog="regress", description="Is the working tree slower or worse than a commit?")
    parser.add_argument("base", nargs="?", help="commit or tag; else the last tag, else HEAD~1")
    parser.add_argument("--cases", default="benchmarks.regress.cases", help="module with the cases")
    parser.add_argument("--only", default="", help="cases by name, joined by commas")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="timed pairs of a case")
    given = parser.parse_args(arguments)
    try:
        commit = find_base(root, given.base)
    except ValueError as error:
        parser.error(str(error))
    if commit is None:
        print("regress: no commit to compare with: no tag and no parent; nothing was measured")
        return 0
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads that spin take the cores from the other side
    verdicts = measured(root, home, commit, given)
    Console(width=140).print(table(verdicts, commit))
    return int(any(verdict.fails for verdict in verdicts))


def measured(root: Path, home: Path, commit: str, given: argparse.Namespace) -> list[Verdict]:
    """Both workers, at work."""
    names = [name for name in import_module(given.cases).CASES if not given.only or name in given.only.split(",")]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("base", "ours", "code"):
            (folder / name).mkdir()
        tree = check_out(root, commit, folder / "code")
        with (
            Process(tree, folder / "base", given.cases, home) as base,
            Process(root, folder / "ours", given.cases, home) as ours,
        ):
            return list(compare(base, ours, names, pairs=given.pairs))


def table(verdicts: Sequence[Verdict], commit: str) -> Table:
    """One line a verdict."""
    shown = Table("case", "ratio or value", "bound", "verdict", title=f"working tree against {commit[:12]}", box=None)
    for row in verdicts:
        numbers = ("" if value is None else f"{value:.3g}" for value in (row.value, row.bound))
        shown.add_row(row.case, *numbers, row.note)
    return shown


if __name__ == "__main__":
    sys.exit(main())
