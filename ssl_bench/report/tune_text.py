"""A tune in the terminal: what is searched, what was chosen, and how the methods rank at several budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssl_bench.numbers import counted, interval_text, number_text
from ssl_bench.report.render import terminal
from ssl_bench.report.run_tables import plain_console
from ssl_bench.report.table import Table
from ssl_bench.tune.result import notes
from ssl_bench.tune.studies import StudyPlan


def print_spaces(studies: Sequence[StudyPlan], budget: str, seeds: int) -> None:
    """Print what would be searched."""
    rows = []
    for study in studies:
        for number, one in enumerate(study.space.told() or [{"key": "nothing", "default": "", "range": ""}]):
            name = "" if number else study.name
            rows.append((name, str(one["key"]), value_text(one["default"]), str(one["range"])))
    console = plain_console()
    console.print(terminal(Table(("study", "hyperparameter", "default", "range"), tuple(rows))))
    several = counted(len(studies), "study", "studies")
    console.print(f"{several} of {budget} each, then {counted(seeds, 'fresh seed')} with the selected setting",
                  soft_wrap=True)  # fmt: skip


def print_result(found: Mapping[str, Any]) -> None:
    """Print what was chosen, the ranking at each budget, and what a reader must know."""
    console = plain_console()
    for table in tables(found):
        console.print(terminal(table))
    for note in notes(found):
        console.print(f"note: {note}", soft_wrap=True)


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Choices, rankings and final numbers."""
    return [_choices(found), _rankings(found), _finals(found)]


def _choices(found: Mapping[str, Any]) -> Table:
    rows = []
    for study in found["studies"]:
        chosen, default = study["chosen"], study["trials"][0]["value"] if study["trials"] else None
        failed = sum(trial["state"] != "done" for trial in study["trials"])
        trials = f"{len(study['trials'])}{f' ({failed} failed or pruned)' if failed else ''}"
        if chosen is None:
            rows.append((study["name"], trials, "none", number_text(default), "-", "all trials failed"))
            continue
        rows.append((study["name"], trials, str(chosen["trial"]), number_text(default), number_text(chosen["value"]),
                     settings_text(chosen["settings"], chosen["edges"])))  # fmt: skip
    return Table(("study", "trials", "chosen trial", "default", "chosen", "setting"), tuple(rows), "chosen settings")


def _rankings(found: Mapping[str, Any]) -> Table:
    budgets, title = found["ranking"], "ranking by budget"
    if not budgets:
        return Table(("method",), (), title)
    ranks = [{row["method"]: row for row in one["methods"]} for one in budgets]
    rows = tuple((method, *(rank_text(of.get(method)) for of in ranks)) for method in ranks[-1])
    heads = ["1 (defaults)" if one["budget"] == 1 else f"{one['budget']} trials" for one in budgets]
    return Table(("method", *heads), rows, title)


def _finals(found: Mapping[str, Any]) -> Table:
    """Of the test split."""
    rows = []
    for study in found["studies"]:
        for method, final in study["final"].items():
            values = [row["value"] for row in final["seeds"].values() if row["value"] is not None]
            rows.append((method, f"{len(values)} of {len(final['seeds'])}", number_text(final["mean"]),
                         number_text(final["sd"])))  # fmt: skip
    return Table(("method", "seeds", "test macro AUROC", "SD"), tuple(rows), "final runs")


def rank_text(row: Mapping[str, Any] | None) -> str:
    """``2: 0.712 [0.690, 0.731]``."""
    if row is None:
        return "-"
    ends = (row["low"], row["high"]) if row["low"] < row["high"] else (None, None)
    return f"{row['rank']}: {interval_text(row['expected'], *ends)}"


def settings_text(settings: Mapping[str, Any], edges: Mapping[str, str]) -> str:
    """``pretrain.lr 0.0031, method.momentum 0.99 (high end: widen)``; of trial 0 ``official default``."""
    marks = {key: f" ({end} end: widen)" for key, end in edges.items()}
    told = [f"{key} {value_text(value)}{marks.get(key, '')}" for key, value in settings.items()]
    beside = [f"{key} at the {end} end: widen" for key, end in edges.items() if key not in settings]
    return ", ".join(told or ["official default", *beside])


def value_text(value: Any) -> str:
    """A setting with four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(value_text, value)) if isinstance(value, list | tuple) else str(value)
