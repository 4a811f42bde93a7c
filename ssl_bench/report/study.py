"""The results of a study in one file: its records without images, ids and folders, and the tables made of them.

Predictions name patients and are left out; so the tables with their intervals and tests are those of the machine that
had them, and what the records alone can confirm, the means over seeds, is computed again whenever the file is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.comparison.cleared import UNCLEAR
from ssl_bench.errors import DataError, UsageError, unknown
from ssl_bench.files import write_text
from ssl_bench.numbers import interval_text, number_text, p_equals
from ssl_bench.pretrain.health import UNREADY
from ssl_bench.report.machine import board_values, plain
from ssl_bench.report.render import terminal
from ssl_bench.report.run_tables import plain_console
from ssl_bench.report.table import Table
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO
from ssl_bench.results.shared import share

if TYPE_CHECKING:
    from ssl_bench.report.leaderboard import Board

KIND = "sslbench study"
ALL = "all"
"""The subgroup of the whole split."""
SCHEMA = 1
BRIEF = frozenset((
    "protocol", "dataset", "fitted_on", "split", "subgroup", "fraction", "draw", "label", "metric", "value", "note",
    "n_positive_patients", "n_negative_patients",
))  # fmt: skip
CLOSE = 1e-9
"""A mean over seeds in the file and that of its records may differ by this: both are sums of the same numbers."""


def study(boards: Sequence[Board], also: Collection[str] = ()) -> dict[str, Any]:
    """The values of a study file.

    Args:
        boards: of the same runs, each against another baseline.
        also: metrics to keep of the records beside those of the tables, such as the R2 of ``leakage``.
    """
    runs = {(entry.name, run.path): run for board in boards for entry in board.entries
               for run in entry.line.runs.values()}  # fmt: skip
    names = {name for board in boards for name in board.metrics} | {*also}
    rows = [{"configuration": name, "seed": one.seed, "encoder": one.encoder,
             "record": _slight(one.record, one.encoder, names)} for (name, _), one in runs.items()]  # fmt: skip
    return {"kind": KIND, "schema": SCHEMA, "boards": [board_values(board) for board in boards], "runs": rows}


def _slight(record: Record, encoder: str, metrics: Collection[str]) -> dict[str, Any]:
    """What may be shared of a record, with an encoder's numbers on the test split: of subgroups the macro means.

    Rows of subgroups and of shares of the labels have their value and its counts alone: there are many of them.
    """
    public = share(record)
    shared = public.as_json() | {"notes": [str(note) for note in public.notes]}
    rows = (row for row in shared["metrics"] if row["encoder"] == encoder and row["metric"] in metrics)
    kept = {key: value for key, value in shared.items() if key not in ("files", "sha256", "trained_on")}
    return {**kept, "metrics": [slight_row(row) for row in rows if _counts(row)]}


def slight_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a study keeps of a row."""
    whole = (row["subgroup"], row["fraction"]) == (ALL, 1.0)
    return {key: value for key, value in row.items() if value not in (None, "") and (whole or key in BRIEF)}


def _counts(row: Mapping[str, Any]) -> bool:
    return bool(row["split"] == "test" and (row["subgroup"] == ALL or row["label"] == MACRO))


def write_study(path: Path, values: Mapping[str, Any]) -> None:
    """Write a study, a run on a line, so that a change of one is a change of one line.

    Raises:
        UsageError: the path is a folder.
    """
    if path.is_dir():
        raise UsageError(f"a study is a file, {path} is a folder; name a file in it")
    parts = {key: json.dumps(plain(value), allow_nan=False) for key, value in values.items() if key != "runs"}
    runs = ",\n".join(json.dumps(plain(run), allow_nan=False) for run in values["runs"])
    body = ",\n".join(f'"{key}": {text}' for key, text in parts.items())
    write_text(path, f'{{{body},\n"runs": [\n{runs}\n]}}\n')


def read_study(path: Path) -> dict[str, Any]:
    """Read a study and compute again what its records can confirm.

    Raises:
        DataError: it cannot be read, is none, or a mean in its tables is not that of its records.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a study: {error}") from error
    if not isinstance(values, dict) or values.get("kind") != KIND or values.get("schema") != SCHEMA:
        raise DataError(f"{path} is no study of schema {SCHEMA}; sslbench leaderboard RUNS --save FILE writes one")
    try:
        wrong = next(disagreements(values), None)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} lacks parts of a study: {error!r}; write it again") from error
    if wrong:
        raise DataError(f"{path}: {wrong}; the file was changed, or written by another version: write it again")
    return values


def disagreements(values: Mapping[str, Any]) -> Iterator[str]:
    """Means in the tables of a study that are not those of its records, in words."""
    for board in values["boards"]:
        for entry in board["entries"]:
            for metric, cell in entry["metrics"].items():
                numbers = of_seeds(values, entry, metric)
                mean = math.fsum(numbers) / len(numbers) if numbers else None
                if (mean is None) != (cell["value"] is None) or (mean and abs(mean - cell["value"]) > CLOSE):
                    what = f"the {metric} of {entry['configuration']} by {entry['protocol']}"
                    yield f"{what} stands as {cell['value']}, its records give {mean}"


def of_seeds(values: Mapping[str, Any], entry: Mapping[str, Any], metric: str) -> list[float]:
    """The macro numbers of a table's row, one a seed."""
    setting = {key: entry[key] for key in ("protocol", "dataset", "fitted_on")}
    whole = {**setting, "metric": metric, "label": MACRO, "fraction": 1.0, "subgroup": ALL}
    rows = (row for run in values["runs"] if run["configuration"] == entry["configuration"]
            for row in run["record"]["metrics"])  # fmt: skip
    return [float(row["value"]) for row in rows if all(row.get(key) == value for key, value in whole.items())]


def board_of(values: Mapping[str, Any], baseline: str | None) -> Mapping[str, Any]:
    """The table against a baseline; None: the first.

    Raises:
        UsageError: the study has no such table.
    """
    boards: Sequence[Mapping[str, Any]] = values["boards"]
    for board in boards:
        if baseline in (None, board["baseline"]):
            return board
    raise UsageError(unknown("baseline", str(baseline), [board["baseline"] for board in boards]))


def unready_text(entry: Mapping[str, Any]) -> str:
    """The mark behind the name of a configuration whose training was not long enough to say anything of its method."""
    return f" {UNREADY}" * (not entry.get("trained_long_enough", True))


def lines_of(board: Mapping[str, Any], protocols: Iterable[str] = ()) -> list[list[str]]:
    """Rows of a stored table as texts: setting, rank, configuration, seeds, then number and difference by metric."""
    asked = set(protocols)
    return [
        [f"{entry['protocol']}, {entry['dataset']}", str(entry["rank"] or "-"),
         entry["configuration"] + unready_text(entry),
         str(len(entry["seeds"])), *(text for name in ("auroc", "auprc") for text in _texts(entry["metrics"], name))]
        for entry in board["entries"] if not asked or entry["protocol"] in asked
    ]  # fmt: skip


def print_study(values: Mapping[str, Any], baseline: str | None = None, protocols: Iterable[str] = ()) -> None:
    """Print the table of a study against a baseline, and what must be known of it."""
    board = board_of(values, baseline)
    rows = tuple(map(tuple, lines_of(board, protocols)))
    table = Table(HEADINGS, rows, f"differences to {board['baseline']}")
    console = plain_console()
    if not console.is_terminal:
        console.width = 200
    console.print(terminal(table))
    for note in board["notes"]:
        print(f"note: {note}")
    print("note: without predictions nothing is drawn again: intervals and tests are those of the study's machine")


HEADINGS = (
    "protocol, data",
    "rank",
    "configuration",
    "seeds",
    "AUROC",
    "SD",
    "difference",
    "AUPRC",
    "SD",
    "difference",
)


def _texts(metrics: Mapping[str, Any], name: str) -> tuple[str, str, str]:
    cell = metrics.get(name)
    if cell is None or cell["value"] is None:
        return "-", "-", "-"
    return f"{value_text(cell)}{UNCLEAR * cell['not_above_pixels']}", spread_text(cell), difference_text(cell)


def value_text(cell: Mapping[str, Any]) -> str:
    """A value with its interval."""
    return interval_text(cell["value"], cell["ci_low"], cell["ci_high"])


def spread_text(cell: Mapping[str, Any]) -> str:
    """Standard deviation over seeds."""
    return number_text(cell["sd"])


def difference_text(cell: Mapping[str, Any]) -> str:
    """A difference to the baseline with its interval and adjusted p."""
    if cell["difference"] is None:
        return "-"
    text = interval_text(cell["difference"], cell["difference_low"], cell["difference_high"], "+.3f")
    return text + ("" if cell["p_holm"] is None else f", {p_equals(cell['p_holm'])}")
