"""Every table of the program as plain values, for ``--json`` and for notebooks; ``docs/json.md`` has the keys."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ssl_bench.data.check import Finding
    from ssl_bench.plan.plan import Plan
    from ssl_bench.report.leaderboard import Board, Entry
    from ssl_bench.report.paper import Paper
    from ssl_bench.results.record import Record
    from ssl_bench.sweep.state import State


def print_json(values: Any) -> None:
    """Print plain values to standard output; a number that JSON lacks is null."""
    print(json.dumps(plain(values), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """A value of tables, lists, numbers and texts as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool) or value is None:
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    number = value.item() if hasattr(value, "item") else value  # of numpy
    return None if isinstance(number, float) and not math.isfinite(number) else number


RESULT = ("method", "fusion", "features", "synthetic", "data", "notes", "seconds", "metrics", "comparisons")
"""What ``run --json`` and ``evaluate --json`` say of a record, beside its folder."""


def result_values(record: Record, folder: Path) -> dict[str, Any]:
    """The result of a run."""
    said = record.as_json() | {"notes": [str(note) for note in record.notes]}
    return {"folder": str(folder), **{key: said.get(key) for key in RESULT}}


def plan_values(plan: Plan) -> dict[str, Any]:
    """What a dry run would do: the lines of its plan, and the numbers in them."""
    from ssl_bench.build.remembered import remembered
    from ssl_bench.report.plan_text import plan_lines

    size = remembered(plan)
    return {
        "plan": [{"name": name, "text": str(text)} for name, text in plan_lines(plan, size)],
        "steps": plan.steps,
        "encoder_parameters": size.encoder_parameters,
        "trainable_parameters": size.trainable_parameters,
        "flops": size.step_flops * plan.steps,
        "memory_bytes": size.memory_bytes,
        "store_bytes": size.store_bytes,
        "config": plan.config.model_dump(mode="json"),
    }


def states_values(states: Mapping[str, State], folder: Path) -> dict[str, Any]:
    """Where the cells of a sweep stand."""
    cells = [{"cell": name, "folder": str(folder / name), "state": state.phase, "reason": state.reason,
              "result": state.result} for name, state in states.items()]  # fmt: skip
    return {"folder": str(folder), "cells": cells}


def paper_values(shown: Paper) -> dict[str, Any]:
    """The numbers of ``sslbench tables``, a row each, with the notes under them."""
    from ssl_bench.report.paper import footnotes, numbers
    from ssl_bench.report.render import frame

    return {"reference": shown.reference, "rows": rows_of(frame(numbers(shown.cells, shown.reference))),
            "notes": footnotes(shown)}  # fmt: skip


def board_values(board: Board) -> dict[str, Any]:
    """The rows of a leaderboard in their order, with notes and what is left out."""
    return {
        "baseline": board.baseline.name,
        "replicates": board.replicates,
        "entries": [entry_values(entry) for entry in board.entries],
        "notes": board.notes(),
        "left_out": [{"what": one.what, "reason": one.reason} for one in board.excluded],
    }


def entry_values(entry: Entry) -> dict[str, Any]:
    """A row of a leaderboard."""
    from ssl_bench.report.columns import values

    protocol, dataset, fitted_on = entry.setting
    about = {"protocol": protocol, "dataset": dataset, "fitted_on": fitted_on, "rank": entry.rank,
             "configuration": entry.name, "trained_long_enough": not entry.unready,
             **values(entry, "row", "tuning")}  # fmt: skip
    metrics = {
        name: {
            "value": cell.interval.value, "ci_low": cell.interval.low, "ci_high": cell.interval.high, "sd": cell.sd,
            "chance": cell.chance, "difference": entry.differences.get(name),
            "difference_low": cell.test.difference.low if cell.test else None,
            "difference_high": cell.test.difference.high if cell.test else None,
            "p": cell.test.difference.p if cell.test else None, "p_holm": cell.p_holm,
            "not_above_pixels": cell.unclear, "seen_in_pretraining": cell.seen,
        }
        for name, cell in entry.cells.items()
    }  # fmt: skip
    return {**about, "metrics": metrics, "cost": values(entry, "cost"), "encoder": values(entry, "encoder")}


def findings_values(name: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """What ``data check`` found."""
    return {"data": name, "findings": [asdict(finding) for finding in findings]}


def statistics_values(name: str, synthetic: bool, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What ``data stats`` counted, a row of a table each with its name."""
    told = {table: rows_of(frame.rename_axis("name").reset_index()) for table, frame in tables.items()}
    return {"data": name, "synthetic": synthetic, **told}


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as rows."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
