"""Tables of docs/measurements/speed.md and data.md of what ``tox -e bench`` measured.

python -m benchmarks.speed_doc .benchmarks/ratios.json   # writes docs/measurements/speed.json first
python -m benchmarks.speed_doc                           # writes the tables from that file

Several files may be given, for suites that were run again alone: a later file replaces their rows.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.real_study import filled
from benchmarks.report import KINDS, Growth, Memory, Note, Profile, Rate, Ratio, Row, Speed, duration, read
from ssl_bench.files import write_json, write_text

FOLDER = Path(__file__).parents[1] / "docs" / "measurements"
KEPT = FOLDER / "speed.json"
PAGES = (FOLDER / "speed.md", FOLDER / "data.md")

SUITES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
OWN = {"fusions": "test_fusion", "attention": "test_attention", "prefetch": "test_prefetch"}
"""Suites of ratios that have a table of their own."""

FIRST = ("test_step", "test_views", "test_store")
"""Suites that begin the table of ratios; the others follow."""

PLAIN: Mapping[str, type[Row]] = {"growth": Growth, "memory": Memory, "methods": Speed, "rates": Rate}
"""Tables of all rows of one kind."""

SIGNIFICANT = 5


def texts(kept: Mapping[str, Any]) -> dict[str, str]:
    """Generated parts of the pages by their name."""
    rows = read(kept)
    ratios = [row for row in rows if isinstance(row, Ratio)]
    limits = [row for row in ratios if row.baseline == "limit"]
    others = [row for row in ratios if row.baseline != "limit"]
    main = sorted((row for row in others if row.suite not in OWN.values()), key=_place)
    parts = {"run": "\n".join(f"* {sentence(run)}" for run in kept["runs"]), "limits": table(LIMIT, map(limit, limits))}
    parts["ratios"] = shown(main) + noted(rows, {row.suite for row in rows} - set(OWN.values()))
    for name, suite in OWN.items():
        parts[name] = shown([row for row in others if row.suite == suite]) + noted(rows, {suite})
    for name, kind in PLAIN.items():
        parts[name] = shown([row for row in rows if type(row) is kind and row.suite != "test_scale"])
    parts["profiles"] = profiles([row for row in rows if isinstance(row, Profile)])
    parts["prepared"] = shown([row for row in others if "at 512 px" in row.case])
    return parts


def _place(row: Row) -> int:
    return FIRST.index(row.suite) if row.suite in FIRST else len(FIRST)


LIMIT = ("case", "time", "limit")


def limit(row: Ratio) -> tuple[str, ...]:
    """A case beside its limit, and whether it keeps to it."""
    kept = "kept" if row.seconds <= row.baseline_seconds else "exceeded"
    return row.case, duration(row.seconds), f"{duration(row.baseline_seconds)}: {kept}"


def shown(rows: Sequence[Row]) -> str:
    """A table of rows of one kind."""
    return table(rows[0].headings, (row.cells() for row in rows)) if rows else "Not measured."


def table(headings: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))


def noted(rows: Sequence[Row], suites: set[str]) -> str:
    """What some suites found besides, as a list below their table."""
    found = [row.sentence for row in rows if isinstance(row, Note) and row.suite in suites]
    return "".join(["\n", *(f"\n* {sentence}" for sentence in found)]) if found else ""


def profiles(found: Sequence[Profile]) -> str:
    """A column for each step, a line for each group of operators, the largest first."""
    groups = sorted({name for row in found for name in row.shares}, key=lambda name: -found[0].shares.get(name, 0))
    lines = ((name, *(f"{100 * row.shares.get(name, 0):.1f} %" for row in found)) for name in groups)
    return table(("operators", *(row.case for row in found)), lines) if found else "Not measured."


def sentence(run: Mapping[str, Any]) -> str:
    """Where and when a run was, and what it measured where that is not everything."""
    when = datetime.datetime.strptime(run["when"], "%Y-%m-%d %H:%M")
    tiles, load = " with AMX" if run["amx"] else "", ", ".join(f"{value:.1f}" for value in run["load_average"])
    suites = "" if run["suites"] == SUITES else f": {', '.join(f'`{name}`' for name in run['suites'])}"
    return (f"{when.day} {when:%B %Y}, {run['processor']}{tiles}, {run['cores']} cores, load average at the end {load} "
            f"(1, 5, 15 minutes), torch {run['torch']}, Python {run['python']}{suites}")  # fmt: skip


def joined(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is kept of files of ``--ratios``: of each suite the rows of the last file that has some."""
    rows = [(number, key, row) for number, file in enumerate(files) for key in KINDS for row in file[key]]
    last = {row["suite"]: number for number, _, row in rows}
    runs = [{**where(file), "suites": sorted(suite for suite in last if last[suite] == number)}
            for number, file in enumerate(files)]  # fmt: skip
    parts = {key: [rounded(row) for number, kind, row in rows if kind == key and last[row["suite"]] == number]
             for key in KINDS}  # fmt: skip
    return {"runs": [run for run in runs if run["suites"]], **parts}


def where(file: Mapping[str, Any]) -> dict[str, Any]:
    """Machine, versions, load and date: nothing that names a computer, a person or a folder."""
    here = file["environment"]
    return {**{key: here[key] for key in ("when", "processor", "amx", "cores", "load_average", "python")},
            "torch": here["packages"]["torch"]}  # fmt: skip


def rounded(value: Any) -> Any:
    """Numbers with five digits, for a file that people compare."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT}g}")
    return {key: rounded(each) for key, each in value.items()} if isinstance(value, dict) else value


def main(arguments: Sequence[str]) -> None:
    """Write the file of runs where they are given, and the pages from the file."""
    if arguments:
        kept = joined([json.loads(Path(path).read_text(encoding="utf-8")) for path in arguments])
        if missing := sorted(set(SUITES) - {suite for run in kept["runs"] for suite in run["suites"]}):
            raise SystemExit(f"nothing of {', '.join(missing)}; run `tox -e bench`, or these alone with --ratios FILE")
        write_json(KEPT, kept)
    parts = texts(json.loads(KEPT.read_text(encoding="utf-8")))
    for page in PAGES:
        write_text(page, filled(page.read_text(encoding="utf-8"), parts))


if __name__ == "__main__":
    main(sys.argv[1:])
