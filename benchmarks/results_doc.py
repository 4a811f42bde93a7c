"""The tables of docs/results.md from the runs of sweeps/methods.yaml and sweeps/methods-cnn.yaml, or from their files.

python -m benchmarks.results_doc runs/methods runs/methods-cnn   # writes docs/measurements/methods*.json first
python -m benchmarks.results_doc                                 # writes the tables of docs/results.md from those files
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.real_study import FILE as REAL
from benchmarks.real_study import ROOT, filled, methods, rows
from benchmarks.real_tables import HOME
from ssl_bench.report.leaderboard import expanded, read_board
from ssl_bench.report.study import board_of, read_study, study, value_text, write_study

MEASURED = ROOT / "docs" / "measurements"
FILES = {"vit": MEASURED / "methods.json", "cnn": MEASURED / "methods-cnn.json"}
PAGE = ROOT / "docs" / "results.md"
SYNTHETIC = "synthetic"
BASELINES = ("random", "pixels")
COMPARED = {
    "`pixels`, 16 x 16": ("vit", "pixels"),
    "`random`, vit-micro": ("vit", "random"),
    "`supervised`, vit-micro": ("vit", "supervised"),
    "`supervised`, resnet-micro": ("cnn", "supervised"),
}
"""Rows of the table that sets the synthetic cohort beside real radiographs."""


def texts(studies: Mapping[str, Mapping[str, Any]], real: Mapping[str, Any]) -> dict[str, str]:
    """Generated parts of the page by their name."""
    parts = {"cohort": beside(studies, real)}
    for name, values in studies.items():
        random, pixels = (board_of(values, baseline) for baseline in BASELINES)
        for protocol in ("linear", "knn"):
            parts[f"{name}-{protocol}"] = methods(random, pixels, protocol, SYNTHETIC)
    return parts


def beside(studies: Mapping[str, Mapping[str, Any]], real: Mapping[str, Any]) -> str:
    """What encoders and thumbnails reach by linear probe on the synthetic cohort and on real radiographs."""
    lines = ["| | synthetic | NIH, one archive |", "|---|---|---|"]
    for title, (name, configuration) in COMPARED.items():
        there = "-" if name == "cnn" else _linear(real, configuration, HOME)
        lines.append(f"| {title} | {_linear(studies[name], configuration, SYNTHETIC)} | {there} |")
    return "\n".join(lines)


def _linear(values: Mapping[str, Any], configuration: str, dataset: str) -> str:
    found = rows(board_of(values, "random"), "linear", dataset)
    cells = [row["metrics"]["auroc"] for row in found if row["configuration"] == configuration]
    return value_text(cells[0]) if cells else "not finished yet"


def main(arguments: Sequence[str]) -> None:
    """Write the files from runs where they are given, and the page from the files."""
    for file, runs in zip(FILES.values(), arguments, strict=False):
        paths = [path for path in expanded([Path(runs)]) if (path / "record.json").is_file()]
        write_study(file, study([read_board(paths, baseline=baseline) for baseline in BASELINES]))
    studies = {name: read_study(file) for name, file in FILES.items()}
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), texts(studies, read_study(REAL))), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is that of {sum(len(values['runs']) for values in studies.values())} runs")


if __name__ == "__main__":
    main(sys.argv[1:])
