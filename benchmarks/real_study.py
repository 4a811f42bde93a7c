"""The tables and the picture of docs/real.md from the runs of sweeps/nih-archive.yaml, or from the file kept of them.

python -m benchmarks.real_study runs/nih-archive   # writes docs/measurements/nih-archive2*.json, then as below
python -m benchmarks.real_study                    # writes the tables of docs/real.md and its picture from these files
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.real_tables import ALSO, HOME, WAITING, efficiency, gaps, leakage
from ssl_bench.comparison.groups import read_groups
from ssl_bench.files import write_json
from ssl_bench.numbers import counted
from ssl_bench.report.leaderboard import Board, expanded, read_board
from ssl_bench.report.machine import board_values
from ssl_bench.report.palette import BLUE, GREY, VERMILLION
from ssl_bench.report.plots.canvas import DPI, drawing
from ssl_bench.report.study import (
    board_of,
    difference_text,
    of_seeds,
    read_study,
    spread_text,
    study,
    unready_text,
    value_text,
    write_study,
)
from ssl_bench.stats.power import Spread, smallest

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "measurements" / "nih-archive2.json"
TRIED = FILE.with_name("nih-archive2-tried.json")
VALIDATED = FILE.with_name("nih-archive2-validation.json")
"""The same tables on validation patients, against each of :data:`BASELINES`."""

PAGE = ROOT / "docs" / "real.md"
PICTURE = ROOT / "docs" / "images" / "real.png"
README = ROOT / "README.md"

REAL, SHUFFLED = "msn-ehr (age, sex)", "msn-ehr (age, sex; shuffled)"
CLAIM = ("msn", SHUFFLED)
"""What MSN-EHR is compared with: no EHR, and the EHR of other patients."""

BASELINES = ("random", "pixels")
SEEDS = 5
FEWEST_SEEDS = 2
"""A configuration with fewer finished seeds waits for the sweep to go on; ``pixels`` has no seed."""

EXTERNAL = "kermany"
"""What the external test set is called."""

PROTOCOLS = ("linear", "knn")

METRIC = {"auroc": "AUROC", "auprc": "AUPRC"}


def boards(runs: Path) -> Iterator[Board]:
    """All finished runs against the untrained encoder and the thumbnail; those of the claim against its controls."""
    paths = finished(runs)
    for baseline in BASELINES:
        yield read_board(paths, baseline=baseline)
    claim = [path for path in paths if re.match(r"(msn|msn-ehr-age_sex)-seed", path.name)]
    names = {arm.name for arm in read_groups(claim)}
    yield from (read_board(claim, baseline=baseline) for baseline in CLAIM if names >= {REAL, *CLAIM})


def finished(runs: Path) -> list[Path]:
    """Runs of a sweep that have a record."""
    return [path for path in expanded([runs]) if (path / "record.json").is_file()]


def validated(runs: Path) -> dict[str, Any]:
    """The usual protocols on validation patients, whose labels choose a probe's strength: test labels stay apart."""
    made = (read_board(finished(runs), baseline=name, protocols=PROTOCOLS, split="validate") for name in BASELINES)
    return {board.baseline.name: board_values(board) for board in made}


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Generated parts of the page by their name."""
    first, pixels, *claimed = values["boards"]
    names = [entry["configuration"] for entry in rows(first, "linear")]
    return {
        "methods-linear": methods(first, pixels, "linear"),
        "methods-knn": methods(first, pixels, "knn"),
        "claim": claim(*claimed) if claimed else WAITING,
        "detectable": detectable(values, claimed[0]) if claimed else WAITING,
        "external": methods(first, pixels, "linear", EXTERNAL),
        "cost": cost(first),
        "efficiency": efficiency(values, names, 0.1),
        "efficiency-1": efficiency(values, names),
        "leakage": leakage(values, names),
        "gaps": gaps(values, names),
        "tried": tried(),
        **{f"validated-{protocol}": validation(protocol) for protocol in PROTOCOLS},
    }


def methods(board: Mapping[str, Any], pixels: Mapping[str, Any], protocol: str, dataset: str = HOME) -> str:
    """Every configuration by a protocol, with its differences to the untrained encoder and to the thumbnail."""
    heads = ("configuration", "seeds", "AUROC", "SD", "minus `random`", "minus `pixels`", "AUPRC minus `pixels`")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    beside = {entry["configuration"]: entry for entry in rows(pixels, protocol, dataset)}
    for entry in rows(board, protocol, dataset):
        auroc, against = entry["metrics"]["auroc"], beside[entry["configuration"]]["metrics"]
        name, seeds = f"`{entry['configuration']}`{unready_text(entry)}", str(len(entry["seeds"]))
        cells = [name, seeds, value_text(auroc), spread_text(auroc),
                 *map(difference_text, (auroc, against["auroc"], against["auprc"]))]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def claim(plain: Mapping[str, Any], shuffled: Mapping[str, Any]) -> str:
    """MSN-EHR against MSN and against its control, by both protocols."""
    lines = [
        "| protocol | metric | EHR minus none | EHR minus shuffled | shuffled minus none |",
        "|---|---|---|---|---|",
    ]
    for protocol in dict.fromkeys(entry["protocol"] for entry in plain["entries"]):
        against = {board["baseline"]: {entry["configuration"]: entry for entry in rows(board, protocol)}
                   for board in (plain, shuffled)}  # fmt: skip
        none, control = against[plain["baseline"]], against[shuffled["baseline"]]
        for metric, heading in METRIC.items():
            pairs = (none[REAL], control[REAL], none[shuffled["baseline"]])
            found = (difference_text(entry["metrics"][metric]) for entry in pairs)
            lines.append(f"| {protocol} | {heading} | {' | '.join(found)} |")
    return "\n".join(lines)


def detectable(values: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    """The smallest difference that the seeds of the claim find in eight of ten, from the spread of its differences."""
    told = []
    for protocol in dict.fromkeys(entry["protocol"] for entry in plain["entries"]):
        found = {entry["configuration"]: entry for entry in rows(plain, protocol)}
        pair = [of_seeds(values, found[name], "auroc") for name in (REAL, "msn")]
        each = [one - other for one, other in zip(*pair, strict=True)]
        mean = sum(each) / len(each)
        between = (sum((one - mean) ** 2 for one in each) / (len(each) - 1)) ** 0.5
        cell = found[REAL]["metrics"]["auroc"]
        half = (cell["difference_high"] - cell["difference_low"]) / 2
        least = smallest(Spread(seeds=between, patients=patient_sd(half, between, len(each))), len(each))
        told.append(
            f"* `{protocol}`: differences between {len(each)} paired seeds have a standard deviation of {between:.4f}; "
            f"{len(each)} seeds would detect a gain of {least:.3f} in 8 of 10 such studies."
        )
    return "\n".join(told)


def patient_sd(half: float, between: float, seeds: int) -> float:
    """What of half a 95 % interval is not the seeds': the standard deviation over patients."""
    return float(max((half / 1.96) ** 2 - between**2 / seeds, 0.0) ** 0.5)


def cost(board: Mapping[str, Any]) -> str:
    """What the training of each configuration cost."""
    lines = ["| configuration | crops per image | TFLOP |", "|---|---|---|"]
    for entry in rows(board, "linear"):
        spent = entry["cost"]
        if spent["flops"]:
            crops, flops = f"{spent['crops_per_image']:g}", f"{spent['flops'] / 1e12:.1f}"
            lines.append(f"| `{entry['configuration']}` | {crops} | {flops} |")
    return "\n".join(lines)


def validation(protocol: str) -> str:
    """Every configuration on validation patients."""
    if not VALIDATED.is_file():
        return WAITING
    kept = json.loads(VALIDATED.read_text(encoding="utf-8"))
    return methods(*(kept[name] for name in BASELINES), protocol)


def tried() -> str:
    """The settings that were tried on patients who are no test patients, and what validation patients said of them."""
    lines = ["| method | px | epochs | rate | validation AUROC, linear | knn |", "|---|---|---|---|---|---|"]
    for one in json.loads(TRIED.read_text(encoding="utf-8"))["tried"]:
        rate = "-" if one["lr"] is None else f"{one['lr']:g}"
        numbers = f"{one['size']} | {one['epochs'] or '-'} | {rate} | {one['linear']:.3f} | {one['knn']:.3f}"
        lines.append(f"| `{one['method']}` | {numbers} |")
    return "\n".join(lines)


def rows(board: Mapping[str, Any], protocol: str, dataset: str = HOME) -> list[Mapping[str, Any]]:
    """Rows of a protocol with seeds enough, the best first."""
    return [entry for entry in board["entries"] if (entry["protocol"], entry["dataset"]) == (protocol, dataset)
            and (len(entry["seeds"]) >= FEWEST_SEEDS or entry["configuration"] == "pixels")]  # fmt: skip


def filled(text: str, parts: Mapping[str, str]) -> str:
    """A page with its generated parts; ``<!-- NAME -->`` to ``<!-- / -->`` holds one."""
    for name, part in parts.items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- / -->)", lambda found, part=part: f"{found[1]}{part}\n{found[2]}",
                      text, count=1, flags=re.DOTALL)  # fmt: skip
    return text


def picture(board: Mapping[str, Any], path: Path) -> None:
    """Macro AUROC of every configuration with its interval by linear probe and nearest neighbours."""
    with drawing():
        linear, knn = rows(board, "linear"), {entry["configuration"]: entry for entry in rows(board, "knn")}
        figure = Figure(figsize=(6.7, 0.7 + 0.32 * len(linear)), dpi=DPI)
        FigureCanvasAgg(figure)
        panel = figure.add_axes((0.36, 0.42 / figure.get_figheight(), 0.6, 1 - 0.75 / figure.get_figheight()))
        for height, entry in enumerate(linear):
            _point(panel, entry, height - 0.12, BLUE, "o", "linear probe" if not height else None)
            _point(
                panel,
                knn[entry["configuration"]],
                height + 0.12,
                VERMILLION,
                "s",
                None if height else "nearest neighbours",
            )
        pixels = next(entry for entry in linear if entry["configuration"] == "pixels")
        panel.axvline(pixels["metrics"]["auroc"]["value"], color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)))
        panel.set_yticks(range(len(linear)), [named(entry) for entry in linear])
        panel.invert_yaxis()
        panel.set_xlabel("macro AUROC on test patients; dotted: 16 x 16 pixels, linear")
        panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        figure.savefig(path, metadata={"Software": "sslbench"})


def named(entry: Mapping[str, Any]) -> str:
    """A configuration and how many seeds it has."""
    return f"{entry['configuration']}, {counted(len(entry['seeds']), 'seed')}{unready_text(entry)}"


def _point(panel: Any, entry: Mapping[str, Any], height: float, color: str, marker: str, label: str | None) -> None:
    cell = entry["metrics"]["auroc"]
    if cell["ci_low"] is not None:
        panel.plot([cell["ci_low"], cell["ci_high"]], [height, height], color=color)
    panel.plot([cell["value"]], [height], marker, color=color, markersize=4, label=label)


def main(arguments: Sequence[str]) -> None:
    """Write the file from runs where they are given, and the page and the picture from the file."""
    if arguments:
        write_study(FILE, study(list(boards(Path(arguments[0]))), ALSO))
        write_json(VALIDATED, validated(Path(arguments[0])))
    values = read_study(FILE)
    for path in (PAGE, README):
        path.write_text(filled(path.read_text(encoding="utf-8"), texts(values)), encoding="utf-8")
    picture(board_of(values, "random"), PICTURE)
    print(f"{PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)} are those of {len(values['runs'])} runs")


if __name__ == "__main__":
    main(sys.argv[1:])
